// The upstream's calls on a disk that fails, with a clock that stands still, and on tables that are damaged.
#include <cerrno>
#include <filesystem>
#include <utility>

#include "engine/tables/format.h"
#include "engine/tables/tables.h"
#include "tests/api/host_fixture.h"
#include "tests/api/sync_fixture.h"

namespace cairn::tests {
namespace {

using testing::FileCall;

class SyncDisk : public HostTest {
 protected:
  cairn_status next() { return cairn_sync_next(store_, append_bytes, &message_, nullptr); }
  std::string message_;
};

TEST_F(SyncDisk, ALatchedStoreIsNotAttached) {
  reopen(CAIRN_DURABILITY_POWER);
  faults_->fail({FileCall::kSync, 1, Status(Code::kIo, "injected", EIO), false});
  CAIRN_EXPECT(CAIRN_INDETERMINATE, set("a", 3));
  CAIRN_EXPECT(CAIRN_LATCHED, cairn_sync_attach(store_, "up", nullptr));
  CAIRN_EXPECT(CAIRN_LATCHED, cairn_sync_detach(store_));
  close_run();
  CAIRN_EXPECT(CAIRN_LATCHED, cairn_store_close(store_, -1));
  store_ = nullptr;
  open_with_host();
}

TEST_F(SyncDisk, NoSpaceAndTheDisksErrorsEndTheCallAndNothingIsLost) {
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "up", nullptr));
  const std::pair<Status, cairn_status> faults[] = {{Status(Code::kNoSpace, "injected", ENOSPC), CAIRN_NO_SPACE},
                                                    {Status(Code::kIo, "injected", EIO), CAIRN_IO}};
  int n = 10;
  for (const auto& [fault, expected] : faults) {
    CAIRN_EXPECT(CAIRN_OK, set("a", ++n));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(store_));
    for (const FileCall call : {FileCall::kWrite, FileCall::kResize, FileCall::kOpen, FileCall::kRead}) {
      faults_->fail({call, 1, fault, true});
    }
    const cairn_status s = next();
    EXPECT_EQ(s, expected) << explain(s);
    faults_->fail_none();
  }
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_control(store_, CAIRN_SYNC_HURRY));
  CAIRN_EXPECT(CAIRN_OK, next());
  EXPECT_NE(message_, "");
}

TEST_F(SyncDisk, TheFirstAttachEndsWithTheDisksErrorsAndWorksLater) {
  const std::pair<Status, cairn_status> faults[] = {{Status(Code::kNoSpace, "injected", ENOSPC), CAIRN_NO_SPACE},
                                                    {Status(Code::kIo, "injected", EIO), CAIRN_IO}};
  for (const auto& [fault, expected] : faults) {
    CAIRN_EXPECT(CAIRN_OK, set("a", 11));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(store_));
    for (const FileCall call : {FileCall::kWrite, FileCall::kResize, FileCall::kOpen, FileCall::kRead}) {
      faults_->fail({call, 1, fault, true});
    }
    const cairn_status s = cairn_sync_attach(store_, "up", nullptr);
    EXPECT_EQ(s, expected) << explain(s);
    faults_->fail_none();
    CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
  }
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_attach(store_, "up", nullptr));
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_detach(store_));
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_attach(store_, "up", nullptr));
}

TEST_F(SyncDisk, AReceiverWithoutSpaceAnswersAndTakesItLater) {
  SyncSide worker(directory_.path() + "/worker");
  worker.open();
  worker.attach();
  worker.start("w", R"({"n":1})");
  const std::string message = worker.next();
  const auto take = [&](cairn_status expected) {
    std::string answer;
    CAIRN_EXPECT(expected, cairn_sync_receive(store_, message.data(), message.size(), append_bytes, &answer));
    EXPECT_NE(answer, "");
    return answer;
  };
  faults_->fail({FileCall::kWrite, 1, Status(Code::kNoSpace, "injected", ENOSPC), true});
  worker.feed(take(CAIRN_NO_SPACE));
  EXPECT_STRNE(worker.state().last_error, "");
  EXPECT_EQ(worker.state().batches, 0u);
  cairn_run* run = nullptr;
  CAIRN_EXPECT(CAIRN_NO_SUCH_RUN, cairn_run_open(store_, "w", &run));
  faults_->fail_none();
  CAIRN_EXPECT(CAIRN_OK, cairn_store_step(store_, 0));
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  EXPECT_EQ(worker.next_now(), message);
  worker.feed(take(CAIRN_OK));
  EXPECT_EQ(worker.state().batches, 1u);
  CAIRN_ASSERT_OK(cairn_run_open(store_, "w", &run));
  EXPECT_EQ(current(run), R"({"n":1})");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
}

TEST_F(SyncDisk, AReceiverWhoseSyncFailsAcknowledgesNothing) {
  SyncSide worker(directory_.path() + "/worker");
  worker.open();
  worker.attach();
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "further up", nullptr));
  worker.start("w", R"({"n":1})");
  const std::string message = worker.next();
  std::string answer;
  faults_->fail({FileCall::kSync, 1, Status(Code::kIo, "injected", EIO), false});
  CAIRN_EXPECT(CAIRN_INDETERMINATE, cairn_sync_receive(store_, message.data(), message.size(), append_bytes, &answer));
  worker.feed(answer);
  answer.clear();
  EXPECT_EQ(worker.state().batches, 0u);
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  EXPECT_EQ(worker.next_now(), message);
  CAIRN_EXPECT(CAIRN_LATCHED, cairn_sync_receive(store_, message.data(), message.size(), append_bytes, &answer));
  worker.feed(answer);
  answer.clear();
  EXPECT_EQ(worker.state().batches, 0u);
  CAIRN_EXPECT(CAIRN_LATCHED, cairn_sync_wait(store_, -1));
  close_run();
  CAIRN_EXPECT(CAIRN_LATCHED, cairn_store_close(store_, -1));
  store_ = nullptr;
  open_with_host();
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  EXPECT_EQ(worker.next_now(), message);
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_receive(store_, message.data(), message.size(), append_bytes, &answer));
  worker.feed(answer);
  EXPECT_EQ(worker.state().batches, 1u);
}

TEST_F(SyncDisk, TheTimeToWaitIsTheHostsClocks) {
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "up", nullptr));
  CAIRN_ASSERT_OK(cairn_store_barrier(store_));
  CAIRN_EXPECT(CAIRN_OK, next());
  const std::string first = std::exchange(message_, {});
  ASSERT_NE(first, "");
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_failed(store_, CAIRN_SYNC_TRANSIENT, "busy", 90'000));
  context_.monotonic_ms += 89'999;
  CAIRN_EXPECT(CAIRN_OK, next());
  EXPECT_EQ(message_, "");
  context_.monotonic_ms += 60'001;
  CAIRN_EXPECT(CAIRN_OK, next());
  EXPECT_EQ(message_, first);
  context_.monotonic_ms = 0;  // a clock that begins at 0, and a wait that ends there
  CAIRN_EXPECT(CAIRN_TIMEOUT, cairn_sync_wait(store_, 0));
}

/// A value of the tables that no checksum shows to be none.
class SyncDamage : public SyncApiTest {
 protected:
  void damage(engine::Table table, const std::string& key) {
    uint8_t id[16];
    CAIRN_ASSERT_OK(cairn_store_id(worker.store(), id));
    worker.close();
    {
      engine::Tables::Options o;
      o.directory = std::filesystem::absolute(worker.directory());
      o.store_id.assign(reinterpret_cast<const char*>(id), sizeof id);
      auto tables = engine::Tables::open(o);
      ASSERT_TRUE(tables.ok()) << tables.status().what;
      ASSERT_TRUE(
          (*tables)->transact(4096, [&](engine::TablesTxn& txn) { return txn.put(table, key, "damaged"); }).ok());
    }
    worker.open();
  }
};

TEST_F(SyncDamage, ADeadLetterThatDoesNotDecode) {
  worker.start("r");
  worker.send_to(up);
  damage(engine::Table::kDead, "r");
  CAIRN_EXPECT(CAIRN_CORRUPT, cairn_sync_dead_letters(worker.store(), ignore_letter, nullptr));
  EXPECT_STRNE(last_error().message, "");
  CAIRN_EXPECT(CAIRN_CORRUPT, cairn_sync_release(worker.store(), "r", CAIRN_SYNC_RETRY));
  cairn_sync_state state = {};
  state.struct_bytes = sizeof state;
  CAIRN_EXPECT(CAIRN_CORRUPT, cairn_sync_get_state(worker.store(), "r", &state));
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_get_state(worker.store(), nullptr, &state));
  EXPECT_EQ(state.held_runs, 1u);
}

TEST_F(SyncDamage, AWaitingChangeThatDoesNotDecode) {
  worker.start("r", R"({"n":1})");
  worker.send_to(up);
  worker.set("r", "n", "2");
  damage(engine::Table::kOutbox, "r");
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_HURRY));
  std::string message;
  CAIRN_EXPECT(CAIRN_CORRUPT, cairn_sync_next(worker.store(), append_bytes, &message, nullptr));
  EXPECT_EQ(message, "");
  EXPECT_STRNE(last_error().message, "");
  EXPECT_EQ(up.look("r"), R"({"n":1})");
}

}  // namespace
}  // namespace cairn::tests
