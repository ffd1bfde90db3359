// How a run was triggered goes with it.
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using engine::RunDetails;
using engine::RunStatus;

class Triggered : public SyncTest {
 protected:
  engine::RunRef trigger(const std::string& id, const RunDetails& details) {
    engine::StartOptions o;
    o.id = id;
    o.status = RunStatus::kQueued;
    o.details = details;
    auto run = worker.store().start(o);
    EXPECT_TRUE(run.ok()) << engine::error_detail().message;
    return *run;
  }
  static RunDetails details(Site& site, const std::string& id) {
    auto view = site.store().peek(id, true);
    EXPECT_TRUE(view.ok() && *view && (*view)->record.details) << id;
    return *(*view)->record.details;
  }
};

TEST_F(Triggered, DetailsArriveAndFollowTheStatus) {
  RunDetails d;
  d.ttl = "10m";
  d.is_test = true;
  d.batch = "batch_1";
  d.batch_index = 3;
  d.function = engine::TriggerFunction::kBatchTrigger;
  d.idempotency_key = "k";
  auto run = trigger("r", d);
  worker.sync_with(up);
  EXPECT_EQ(details(up, "r"), details(worker, "r"));
  EXPECT_EQ(details(up, "r").batch, "batch_1");
  worker.clock().advance_ms(5000);
  ASSERT_TRUE(worker.store().set_status(*run, RunStatus::kExecuting).ok());
  worker.sync_with(up);
  EXPECT_NE(details(worker, "r").started_us, 0);
  EXPECT_EQ(details(up, "r"), details(worker, "r"));
  up.reopen();
  EXPECT_EQ(details(up, "r"), details(worker, "r"));
}

TEST_F(Triggered, ItIsNotOrphanedUpstream) {
  trigger("r", {});
  worker.sync_with(up);
  up.reopen();
  auto view = up.store().peek("r", false);
  ASSERT_TRUE(view.ok() && *view);
  EXPECT_FALSE((*view)->orphaned);
}

// A later version's sender, through a relay and a receiver of this one.
TEST_F(Triggered, MembersThatNobodyHereKnowsPassThrough) {
  RunDetails d;
  d.ttl = "1h";
  d.unknown = std::string("\x20\x92\x01\xa1x", 5);
  trigger("r", d);
  worker.sync_with(up);
  EXPECT_EQ(details(up, "r").unknown, d.unknown);
  worker.set("r", "progress", "1");
  worker.sync_with(up);
  worker.finish("r");
  worker.sync_with(up);
  up.reopen();
  EXPECT_EQ(details(up, "r").unknown, d.unknown);
  EXPECT_EQ(up.state("r"), R"(COMPLETED {"progress":1})");
}

TEST_F(Triggered, ARunWithoutDetailsIsSentAsBefore) {
  worker.start("r");
  const std::string message = worker.frozen();
  auto batch = sync::decode_batch(message);
  ASSERT_TRUE(batch.ok());
  ASSERT_EQ(batch->entries.size(), 1U);
  EXPECT_FALSE(batch->entries[0].head->details);
}

}  // namespace
}  // namespace cairn::tests
