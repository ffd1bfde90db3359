// A process that dies, or a disk that is full, at each of the system calls of a sync: in the sender before and while a
// batch is frozen and acknowledged, in the receiver while it is taken. liblmdb is a shared library, so the definitions
// here replace libc's for it, too.
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace {

struct Calls {
  bool counts = false;   // while one side is at work
  int at = 0;            // the call that it happens at; 0: none
  int seen = 0;          // calls so far
  bool full = false;     // from there on writes fail with ENOSPC; else the directory is copied before the call
  std::string from, to;  // what is copied
  bool happened = false;
};
Calls calls;

/// `needs_room`: bytes that a full disk has no place for. LMDB's meta pages have theirs since the store was made.
bool refused(bool needs_room) {
  if (!calls.counts || (calls.full && !needs_room)) {
    return false;
  }
  ++calls.seen;
  if (calls.full && calls.at != 0 && calls.seen >= calls.at) {
    calls.happened = true;
    errno = ENOSPC;
    return true;
  }
  if (!calls.full && calls.seen == calls.at) {
    calls.counts = false;
    calls.happened = true;
    std::filesystem::copy(calls.from, calls.to, std::filesystem::copy_options::recursive);
  }
  return false;
}

bool is_meta_page(int fd, size_t count) {
  char path[512] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  return count < 512 && readlink(link.c_str(), path, sizeof path - 1) > 0 &&
         std::string_view(path).find("data.mdb") != std::string_view::npos;
}

}  // namespace

#define CAIRN_REPLACES extern "C" __attribute__((visibility("default")))

CAIRN_REPLACES int fdatasync(int fd) { return refused(false) ? -1 : static_cast<int>(syscall(SYS_fdatasync, fd)); }
CAIRN_REPLACES ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  return refused(!is_meta_page(fd, count)) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, offset);
}
CAIRN_REPLACES ssize_t writev(int fd, const struct iovec* parts, int count) {
  return refused(true) ? -1 : syscall(SYS_writev, fd, parts, count);
}

namespace cairn::tests {
namespace {

enum class Phase : uint8_t { kFreeze, kTake, kAcknowledge };

class CallsTest : public SyncTest {
 protected:
  /// One exchange of a new pair of stores, in which it happens at call `at` of `phase`. False: there is no such call.
  bool exchange(Phase phase, int at, bool full) {
    const std::string number = std::to_string(pairs_++);
    Site& sender = open_machine_of("sender" + number);
    Site& receiver = machine_of("receiver" + number);
    receiver.open();
    sender.start("r", R"({"n":0,"log":[]})");
    sender.sync_with(receiver);
    for (int i = 0; i < 7; ++i) {
      sender.apply("r", OperationType::kIncrement, "n", "1");
      sender.apply("r", OperationType::kAppend, "log", std::to_string(i));
    }
    EXPECT_TRUE(sender.store().barrier().ok());
    EXPECT_TRUE(sender.store().upstream().control(engine::Upstream::Control::kHurry).ok());
    Site& hit = phase == Phase::kTake ? receiver : sender;
    calls = {};
    calls.at = at;
    calls.full = full;
    calls.from = hit.directory();
    calls.to = hit.directory() + ".image";

    std::string message;
    calls.counts = phase == Phase::kFreeze;
    Status status = sender.store().upstream().next(message);
    calls.counts = false;
    std::string answer;
    if (!message.empty() && !(phase == Phase::kFreeze && calls.happened && !full)) {
      calls.counts = phase == Phase::kTake;
      answer = receiver.receiver().handle(message);
      calls.counts = false;
      if (phase == Phase::kTake && calls.happened && !full) {
        answer.clear();  // it died before
        status = sender.store().upstream().failed(sync::Failure::kTransient, "no answer");
      } else {
        calls.counts = phase == Phase::kAcknowledge;
        status = sender.store().upstream().feed(answer);
        calls.counts = false;
      }
    }
    const bool happened = calls.happened;
    if (full) {
      EXPECT_TRUE(status.ok() || status.code == Code::kNoSpace || !happened) << said(status);
      writers_go_on(sender);
    } else if (happened) {
      hit.replace_by(calls.to);
    }
    sender.clock().advance_ms(120'000);  // past any wait
    receiver.clock().advance_ms(120'000);
    const std::string again = sender.next();
    if (!answer.empty() && !again.empty() &&
        sync::decode_batch_header(again)->seq == sync::decode_batch_header(message)->seq) {
      EXPECT_EQ(again, message) << "the same batch is the same to the byte";
    }
    if (!again.empty()) {
      sender.feed(receiver.receiver().handle(again));
    }
    sender.sync_with(receiver);
    EXPECT_EQ(receiver.state("r"), expected_) << "call " << at;
    EXPECT_EQ(sender.state("r"), expected_);
    EXPECT_TRUE(sender.sync_state().all_acknowledged);
    duplicates_ += receiver.receiver().counters().duplicates;
    sender.close();
    receiver.close();
    return happened;
  }
  /// The disk is full below sync; an update is refused, or done.
  static void writers_go_on(Site& sender) { EXPECT_EQ(sender.state("r"), expected_); }

  /// A relay takes back a delta on its way whose run has come from its owner meanwhile.
  bool take_back(int at, bool full) {
    const std::string number = std::to_string(pairs_++);
    Site& child = site("child" + number);
    Site& owner = site("owner" + number);
    Site& relay = site("relay" + number);
    Site& centre = site("centre" + number);
    for (Site* s : {&child, &owner, &relay, &centre}) {
      s->fixed_identity = true;
      s->open();
    }
    for (Site* s : {&child, &owner, &relay}) {
      s->attach();
    }
    child.start("c", "{}", "p");
    child.apply(*child.store().parent(*child.run("c")), OperationType::kIncrement, "n", "5");
    child.sync_with(relay);
    const std::string gap = answer_to(relay.next(), sync::Answer::kGap);
    owner.start("p", R"({"n":10})");
    owner.sync_with(relay);
    calls = {};
    calls.at = at;
    calls.full = full;
    calls.from = relay.directory();
    calls.to = relay.directory() + ".image";
    calls.counts = true;
    const Status status = relay.store().upstream().feed(gap);
    calls.counts = false;
    const bool happened = calls.happened;
    EXPECT_TRUE(status.ok() || (full && happened && status.code == Code::kNoSpace)) << said(status);
    if (!full && happened) {
      relay.replace_by(calls.to);
    }
    relay.clock().advance_ms(120'000);
    relay.sync_with(centre);
    EXPECT_EQ(centre.state("p"), R"({"n":15})") << "call " << at;
    relay.reopen();
    relay.apply("p", OperationType::kIncrement, "n", "1");
    relay.clock().advance_ms(120'000);
    relay.sync_with(centre);
    EXPECT_EQ(centre.state("p"), R"({"n":16})") << "call " << at;
    for (Site* s : {&child, &owner, &relay, &centre}) {
      s->close();
    }
    return happened;
  }

  /// A run is started for which something waits here, while more of it is on its way.
  bool claim(int at, bool full) {
    const std::string number = std::to_string(pairs_++);
    Site& sender = open_machine_of("sender" + number);
    Site& receiver = machine_of("receiver" + number);
    receiver.open();
    sender.start("c", "{}", "p");
    const auto increment = [&](const char* by) {
      sender.apply(*sender.store().parent(*sender.run("c")), OperationType::kIncrement, "n", by);
    };
    increment("8");
    const std::string batch = sender.frozen();
    increment("4");
    EXPECT_TRUE(sender.store().checkpoint().ok());
    increment("2");
    calls = {};
    calls.at = at;
    calls.full = full;
    calls.from = sender.directory();
    calls.to = sender.directory() + ".image";
    engine::StartOptions o;
    o.id = "p";
    calls.counts = true;
    Status status = sender.store().start(o).status();
    calls.counts = false;
    const bool happened = calls.happened;
    EXPECT_TRUE(status.ok() || (full && happened)) << said(status);
    if (full && happened) {
      sender.reopen();
      sender.attach();
    } else if (happened) {
      sender.replace_by(calls.to);
    } else {
      EXPECT_TRUE(sender.store().upstream().failed(sync::Failure::kTransient, "no answer").ok());
    }
    if (at % 2 == 0) {
      receiver.receiver().handle(batch);  // the answer is lost
    }
    sender.clock().advance_ms(120'000);
    sender.sync_with(receiver);
    if (sender.state("p").starts_with("waiting")) {
      EXPECT_TRUE(sender.store().start(o).ok()) << engine::error_detail().message;
    }
    sender.apply("p", OperationType::kIncrement, "n", "1");
    sender.sync_with(receiver);
    EXPECT_EQ(receiver.state("p"), R"({"n":15})") << "call " << at;
    EXPECT_TRUE(sender.sync_state().all_acknowledged);
    sender.close();
    receiver.close();
    return happened;
  }

  void at_every_call(Phase phase, bool full, const char* what) {
    at_every_call([&](int at) { return exchange(phase, at, full); }, full, what);
  }
  void at_every_call(const std::function<bool(int at)>& once, bool full, const char* what) {
    int at = 1;
    while (at < 200 && once(at) && !HasFailure()) {
      ++at;
    }
    EXPECT_GT(at, 2) << "there are calls at all";
    EXPECT_LT(at, 200);
    if (!HasFailure()) {
      std::printf("sync: %s: %s at each of %d calls; lost 0, doubled 0, batches that were known %llu\n", what,
                  full ? "disk full" : "killed", at - 1, static_cast<unsigned long long>(duplicates_));
    }
  }

  static constexpr const char* expected_ = R"({"n":7,"log":[0,1,2,3,4,5,6]})";
  int pairs_ = 0;
  uint64_t duplicates_ = 0;
};

TEST_F(CallsTest, TheSenderIsKilledWhileItFreezes) { at_every_call(Phase::kFreeze, false, "freeze"); }
TEST_F(CallsTest, TheReceiverIsKilledWhileItTakes) { at_every_call(Phase::kTake, false, "take"); }
TEST_F(CallsTest, TheSenderIsKilledWhileItAcknowledges) { at_every_call(Phase::kAcknowledge, false, "acknowledge"); }
TEST_F(CallsTest, ARelayIsKilledWhileItTakesBackWhatBelongsIntoARun) {
  at_every_call([this](int at) { return take_back(at, false); }, false, "take back");
}
TEST_F(CallsTest, ARelaysDiskIsFullWhileItTakesBackWhatBelongsIntoARun) {
  at_every_call([this](int at) { return take_back(at, true); }, true, "take back");
}
TEST_F(CallsTest, AStoreIsKilledWhileItStartsARunThatWasUpdatedBefore) {
  at_every_call([this](int at) { return claim(at, false); }, false, "start of a run that was updated before");
}
TEST_F(CallsTest, AStoresDiskIsFullWhileItStartsARunThatWasUpdatedBefore) {
  at_every_call([this](int at) { return claim(at, true); }, true, "start of a run that was updated before");
}
TEST_F(CallsTest, TheSendersDiskIsFullWhileItFreezes) { at_every_call(Phase::kFreeze, true, "freeze"); }
TEST_F(CallsTest, TheReceiversDiskIsFullWhileItTakes) { at_every_call(Phase::kTake, true, "take"); }
TEST_F(CallsTest, TheSendersDiskIsFullWhileItAcknowledges) { at_every_call(Phase::kAcknowledge, true, "acknowledge"); }

}  // namespace
}  // namespace cairn::tests
