// Runs that were triggered: they wait in the store, and belong to no process until one takes them.
#include "tests/support/fake_clock.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

using engine::RunRecord;
using engine::RunStatus;

class TriggeredRun : public StoreTest {
 protected:
  void open_at(int64_t grace_ms = 0) {
    engine::StoreOptions o = options();
    o.crash_grace_ms = static_cast<uint32_t>(grace_ms);
    testing::use_clock(o.hooks, *this);
    open(std::move(o));
  }
  engine::RunRef trigger(const std::string& id, RunStatus status = RunStatus::kQueued, const std::string& parent = "") {
    engine::StartOptions o;
    o.id = id;
    o.status = status;
    o.parent = parent;
    o.details.ttl = "10m";
    auto run = store_->start(o);
    EXPECT_TRUE(run.ok()) << engine::error_detail().message;
    return run.ok() ? *run : nullptr;
  }
  RunRecord record(const std::string& id) {
    auto view = store_->peek(id, true);
    EXPECT_TRUE(view.ok() && *view);
    orphaned_ = (*view)->orphaned;
    return (*view)->record;
  }

 public:
  testing::FakeClock& clock() { return clock_; }

 protected:
  testing::FakeClock clock_;
  bool orphaned_ = false;
};

TEST_F(TriggeredRun, IsNeitherOrphanedNorCrashedByARestart) {
  open_at();
  trigger("queued");
  trigger("delayed", RunStatus::kDelayed);
  start("executing");
  for (int i = 0; i < 2; ++i) {
    close();
    open_at();
    clock_.advance_ms(60'000);
    ASSERT_TRUE(store_->step(0).ok());
    EXPECT_EQ(record("queued").status, RunStatus::kQueued);
    EXPECT_FALSE(orphaned_);
    EXPECT_EQ(record("delayed").status, RunStatus::kDelayed);
    EXPECT_EQ(record("executing").status, RunStatus::kCrashed);  // of a process that is gone
    EXPECT_EQ(record("queued").details->ttl, "10m");
  }
}

TEST_F(TriggeredRun, BelongsToTheProcessThatResumesIt) {
  open_at();
  trigger("a");
  close();
  open_at();
  ASSERT_TRUE(store_->resume("a").ok());
  EXPECT_EQ(record("a").status, RunStatus::kExecuting);
  EXPECT_EQ(record("a").session, store_->session());
  close();
  open_at();
  clock_.advance_ms(60'000);
  ASSERT_TRUE(store_->step(0).ok());
  EXPECT_EQ(record("a").status, RunStatus::kCrashed);
}

TEST_F(TriggeredRun, ItsTimesFollowItsStatusAlsoThroughTheLog) {
  open_at();
  const int64_t begin = clock_.wall_us.load();
  auto run = trigger("a", RunStatus::kDelayed);
  EXPECT_EQ(record("a").details->queued_us, 0);
  clock_.advance_ms(1000);
  ASSERT_TRUE(store_->set_status(*run, RunStatus::kQueued).ok());
  clock_.advance_ms(1000);
  ASSERT_TRUE(store_->set_status(*run, RunStatus::kDequeued).ok());
  clock_.advance_ms(1000);
  ASSERT_TRUE(store_->set_status(*run, RunStatus::kExecuting).ok());
  clock_.advance_ms(1000);
  ASSERT_TRUE(store_->set_status(*run, RunStatus::kWaiting).ok());
  ASSERT_TRUE(store_->set_status(*run, RunStatus::kExecuting).ok());
  for (int i = 0; i < 2; ++i) {
    const RunRecord r = record("a");
    EXPECT_EQ(r.details->queued_us, begin + 1'000'000);
    EXPECT_EQ(r.details->started_us, begin + 3'000'000);
    run.reset();
    close();
    open_at(1'000'000);
  }
}

TEST_F(TriggeredRun, DepthIsCountedAlongItsParents) {
  open_at();
  start("a");
  trigger("b", RunStatus::kQueued, "a");
  trigger("c", RunStatus::kQueued, "b");
  trigger("d", RunStatus::kQueued, "elsewhere");
  EXPECT_FALSE(record("a").details);
  EXPECT_EQ(record("b").details->depth, 1U);
  EXPECT_EQ(record("c").details->depth, 2U);
  EXPECT_EQ(record("c").root, "a");
  EXPECT_EQ(record("d").details->depth, 1U);
}

TEST_F(TriggeredRun, CannotStartAsFinished) {
  open_at();
  for (const RunStatus status : {RunStatus::kCompleted, RunStatus::kCrashed, RunStatus::kExpired}) {
    engine::StartOptions o;
    o.status = status;
    EXPECT_EQ(store_->start(o).code(), Code::kInvalidArgument);
  }
  engine::StartOptions o;
  o.details.ttl = std::string(65, '1');
  EXPECT_EQ(store_->start(o).code(), Code::kTooLarge);
}

TEST_F(TriggeredRun, StartedOnceMoreIsToldToBeResumed) {
  open_at();
  trigger("a");
  engine::StartOptions o;
  o.id = "a";
  EXPECT_EQ(store_->start(o).code(), Code::kExists);
  EXPECT_NE(engine::error_detail().message.find("waits to be taken"), std::string::npos)
      << engine::error_detail().message;
}

TEST_F(TriggeredRun, ThatIsImportedStillWaits) {
  open_at();
  trigger("a");
  RunRecord r = record("a");
  r.id = "b";
  ASSERT_TRUE(store_->import_run(r, false).ok());
  r.id = "c";
  r.status = RunStatus::kExecuting;
  ASSERT_TRUE(store_->import_run(r, false).ok());
  clock_.advance_ms(60'000);
  record("b");
  EXPECT_FALSE(orphaned_);
  record("c");
  EXPECT_TRUE(orphaned_);
}

// Nothing is added to the record of a run that has none of it.
TEST_F(TriggeredRun, OthersHaveNoDetails) {
  open_at();
  auto run = start("a");
  ASSERT_TRUE(store_->set_status(*run, RunStatus::kWaiting).ok());
  ASSERT_TRUE(store_->set_status(*run, RunStatus::kExecuting).ok());
  ASSERT_TRUE(store_->finish(*run, RunStatus::kCompleted).ok());
  EXPECT_FALSE(record("a").details);
}

}  // namespace
}  // namespace cairn::tests
