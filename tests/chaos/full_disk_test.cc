// Either end's disk is full, and has space again, over real sockets. Needs root and the right to mount.
#include "tests/chaos/one_site.h"
#include "tests/support/mounted_disk.h"

namespace cairn::tests {
namespace {

constexpr int kBigRuns = 200;
constexpr int kBigBytes = 12'000;  // of each
constexpr uint64_t kDiskBytes = 320u << 20;

class FullDisk : public OneSite {
 protected:
  void SetUp() override {
    if (unshare(CLONE_NEWNS) != 0) {
      GTEST_SKIP() << "no mount namespace (" << std::strerror(errno)
                   << "): full disks at both ends of a sync are not tested here; root and CAP_SYS_ADMIN are needed";
    }
    CAIRN_NEEDS_MOUNTS();
    OneSite::SetUp();
    disk_.mount_tmpfs(kDiskBytes);
    proxy_.set_answered([this](Fault, const std::string& body) {
      answers_.count(body);
      const auto reply = engine::sync::decode_reply(body);
      const auto answer = reply.ok() ? reply->answer() : engine::sync::Answer::kRefused;
      unable_ += answer == engine::sync::Answer::kUnable ? 1 : 0;
      if (answer == engine::sync::Answer::kOk && holds_at_ > 0 && --holds_at_ == 0) {
        held_ = true;
        while (held_) {
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      }
    });
  }
  void TearDown() override {
    held_ = false;
    OneSite::TearDown();
    if (of_sender_) {
      umount2(store().c_str(), MNT_DETACH);
    }
  }
  [[nodiscard]] std::string up() const override { return of_sender_ ? path("up") : disk_.path("up"); }
  /// More runs, for which a full disk has no place.
  void start_many() {
    with_store(store(), [this](engine::Store& s) {
      for (int i = 0; i < kBigRuns; ++i) {
        const std::string id = "big-" + std::to_string(big_runs_++);
        start(s, id);
        engine::Outcome outcome;
        auto text = engine::Value(std::string(kBigBytes, static_cast<char>('a' + i % 26)));
        ASSERT_TRUE(s.apply(**s.find(id), {Type::kSet, "text", std::move(text)}, outcome).worked())
            << engine::error_detail().message;
      }
    });
  }
  pid_t start_sync() {
    std::ofstream(path("in")) << "";
    return spawn({"sync", "--upstream", proxy_.url(), "--deadline", "60s"}, path("in"));
  }
  static bool ended(pid_t pid) {
    siginfo_t info = {};
    return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid;
  }
  /// Until `so`; false: it took too long.
  static bool wait_until(const std::function<bool()>& so) {
    for (int i = 0; i < 30'000 && !so(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return so();
  }
  /// The three runs at the sender, whatever became of what it sent.
  void expect_kept() {
    const StoredRuns here = runs_of(store());
    for (const char* id : {"r", "c"}) {
      ASSERT_EQ(here.count(id), 1u) << id;
      EXPECT_EQ(here.at(id).document.to_json(), document_of(all_numbers())) << id;
    }
  }
  void report_full(const char* whose, const char* counted, uint64_t count) {
    if (!HasFailure()) {
      std::printf(
          "sync: %s disk full: rounds %d, %s %lu, updates %ld, batches taken %lu, duplicates known %lu; lost 0, "
          "doubled "
          "0\n",
          whose, kRounds, counted, count, static_cast<long>(updates_), answers_.taken.load(), answers_.known.load());
    }
  }

  MountedDisk disk_;
  bool of_sender_ = false;
  int big_runs_ = 0;
  std::atomic<uint64_t> unable_{0};
  std::atomic<int> holds_at_{0};   // this ok, counted from 1, waits on its way to the sender
  std::atomic<bool> held_{false};  // until this is false again
};

// The sender waits in one process: it is not started anew when there is space.
TEST_F(FullDisk, OfTheReceiverMakesTheSenderWaitAndLosesNothing) {
  begin();
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    const uint64_t before = unable_;
    pid_t waits = -1;
    // What the receiver has laid out ahead takes some batches more, and its reserve goes.
    for (int i = 0; i < 60 && waits < 0 && !HasFailure(); ++i) {
      disk_.add_ballast();
      update();
      start_many();
      const pid_t pid = start_sync();
      ASSERT_TRUE(wait_until([&] { return ended(pid) || unable_ >= before + 2; }));
      if (ended(pid)) {
        const Ran ran = wait_for(pid);
        ASSERT_EQ(ran.exit, 0) << ran.out << ran.err;
      } else {
        waits = pid;
      }
    }
    ASSERT_GT(waits, 0) << "the disk is never full";
    expect_kept();
    ASSERT_EQ(waitpid(server_, nullptr, WNOHANG), 0) << "the receiver goes on";
    disk_.remove_ballast();
    const Ran ran = wait_for(waits);
    ASSERT_EQ(ran.exit, 0) << ran.out << ran.err << read_file(path("up.err")) << disk_.free_bytes();
    expect_all_there();
  }
  EXPECT_GE(unable_, 2u * kRounds);
  report_full("receiver's", "answers unable", unable_);
}

// Full between what the receiver took and what the sender makes of its answer. Somebody reads the store meanwhile, so
// that the tables cannot use pages again and need new ones for the acknowledgement.
TEST_F(FullDisk, OfTheSenderAtTheAcknowledgementLosesAndDoublesNothing) {
  of_sender_ = true;
  ASSERT_EQ(mkdir(disk_.path("store").c_str(), 0700), 0);
  ASSERT_EQ(mkdir(store().c_str(), 0700), 0);
  ASSERT_EQ(mount(disk_.path("store").c_str(), store().c_str(), nullptr, MS_BIND, nullptr), 0) << std::strerror(errno);
  begin();
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    update();
    start_many();
    engine::Tables::Options reading;
    reading.directory = store();
    reading.read_only = true;
    auto tables = engine::Tables::open(reading);
    ASSERT_TRUE(tables.ok()) << engine::error_detail().message;
    auto snapshot = (*tables)->snapshot();
    ASSERT_TRUE(snapshot.ok());
    holds_at_ = 5;  // of ten: by then the pages that were free before are used up
    const pid_t pid = start_sync();
    const bool answered = wait_until([this] { return held_.load(); });
    disk_.add_ballast();
    held_ = false;
    while (!ended(pid)) {
      disk_.add_ballast();  // also what the store's reserve gives back
    }
    const Ran full = wait_for(pid);
    *snapshot = nullptr;
    ASSERT_TRUE(answered);
    EXPECT_EQ(full.exit, 73) << full.out << full.err;
    expect_kept();
    disk_.remove_ballast();
    expect_sent();
    expect_all_there();
  }
  // The others stopped at the freeze of a later batch: it depends on the pages that were free before.
  EXPECT_GE(answers_.known, 1U) << "no answer was lost to the full disk";
  report_full("sender's", "answers not kept", answers_.known);
}

}  // namespace
}  // namespace cairn::tests
