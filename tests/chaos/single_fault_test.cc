// One fault at a time, five times each, over real sockets.
#include <sys/stat.h>

#include "tests/chaos/one_site.h"

namespace cairn::tests {
namespace {

class SingleFault : public OneSite {
 protected:
  void expect_to_survive(Fault fault, uint64_t known) {
    begin();
    expect_sent();
    for (int round = 0; round < kRounds; ++round) {
      update();
      proxy_.next(fault);
      expect_sent();
      expect_all_there();
    }
    EXPECT_EQ(proxy_.count(fault), static_cast<uint64_t>(kRounds));
    EXPECT_EQ(answers_.known, known);
    report(fault_name(fault), kRounds);
  }

  enum Killed : unsigned { kSender = 1, kReceiver = 2 };
  /// As soon as the receiver has answered, and before the answer is on its way.
  void expect_to_survive_kills(unsigned killed, const char* what) {
    begin();
    expect_sent();
    std::atomic<bool> armed{false};
    std::atomic<pid_t> sender{-1};
    proxy_.set_answered([&](Fault, const std::string& body) {
      answers_.count(body);
      if (armed.exchange(false)) {
        if ((killed & kReceiver) != 0) {
          ::kill(server_, SIGKILL);
        }
        while ((killed & kSender) != 0 && sender < 0) {
          std::this_thread::yield();
        }
        if ((killed & kSender) != 0) {
          ::kill(sender, SIGKILL);
        }
      }
    });
    for (int round = 0; round < kRounds; ++round) {
      update();
      sender = -1;
      armed = true;
      proxy_.next(Fault::kDropReply);
      std::ofstream(path("in")) << "";
      const pid_t pid = spawn({"sync", "--upstream", proxy_.url(), "--deadline", "60s"}, path("in"));
      sender = pid;
      if ((killed & kReceiver) != 0) {
        EXPECT_EQ(waitpid(server_, nullptr, 0), server_);
        server_ = -1;
        start_server();
      }
      const Ran ran = wait_for(pid);
      if ((killed & kSender) != 0) {
        EXPECT_EQ(ran.signal, SIGKILL);
        expect_sent();
      } else {
        EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
      }
      expect_all_there();
    }
    EXPECT_EQ(answers_.known, static_cast<uint64_t>(kRounds)) << "each was taken before the kill";
    proxy_.set_answered({});
    report(what, kRounds);
  }
};

TEST_F(SingleFault, RequestLost) { expect_to_survive(Fault::kDropRequest, 0); }
TEST_F(SingleFault, ReplyLost) { expect_to_survive(Fault::kDropReply, kRounds); }
TEST_F(SingleFault, ReplyCut) { expect_to_survive(Fault::kCutReply, kRounds); }
TEST_F(SingleFault, RequestCut) { expect_to_survive(Fault::kCutRequest, 0); }
TEST_F(SingleFault, ConnectionReset) { expect_to_survive(Fault::kReset, kRounds); }
TEST_F(SingleFault, RequestTwiceAndTheSecondIsAnswered) { expect_to_survive(Fault::kDuplicate, kRounds); }
TEST_F(SingleFault, RequestTwiceAtTheSameTime) { expect_to_survive(Fault::kTwiceAtOnce, kRounds); }

TEST_F(SingleFault, RequestOnceMoreAfterTheNextBatch) {
  begin();
  expect_sent();
  for (int round = 0; round < kRounds; ++round) {
    update();
    proxy_.next(Fault::kLateDuplicate);
    expect_sent();
    update();
    expect_sent();
    expect_all_there();
  }
  EXPECT_EQ(proxy_.copies(), static_cast<uint64_t>(kRounds));
  // A question what others wrote may come between: then the batch is still the last one.
  EXPECT_EQ(answers_.rewinds + answers_.known, static_cast<uint64_t>(kRounds)) << "the copies are seen to be older";
  report("late copy", kRounds);
}

TEST_F(SingleFault, ReceiverKilledAfterItsCommit) { expect_to_survive_kills(kReceiver, "receiver killed"); }
TEST_F(SingleFault, SenderKilledBeforeTheReply) { expect_to_survive_kills(kSender, "sender killed"); }
TEST_F(SingleFault, BothKilledBeforeTheReply) { expect_to_survive_kills(kSender | kReceiver, "both killed"); }

TEST_F(SingleFault, WrongTokenThenTheRightOne) {
  for (const char* name : {"right", "wrong"}) {
    std::ofstream(path(name)) << std::string(name) + "-00112233445566778899aabbccddeeff\n";
    ASSERT_EQ(::chmod(path(name).c_str(), 0600), 0);
  }
  begin({"--token-file", path("right")});
  for (int round = 0; round < kRounds; ++round) {
    update();
    EXPECT_EQ(sync("60s", {"--token-file", path("wrong")}).exit, 77);
    EXPECT_EQ(answers_.taken, static_cast<uint64_t>(round));
    expect_sent({"--token-file", path("right")});
    expect_all_there();
  }
  report("wrong token", kRounds);
}

}  // namespace
}  // namespace cairn::tests
