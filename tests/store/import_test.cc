// Runs that come as whole records, also in the place of others.
#include "tests/support/child_process.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

class Import : public StoreTest {
 protected:
  static engine::RunRecord record(const std::string& id, const std::string& metadata) {
    engine::RunRecord r;
    r.id = id;
    r.sequence = 40;
    r.created_us = 1;
    r.updated_us = 2;
    auto value = engine::parse_json(metadata);
    r.document = engine::Document::from_object(*value->get<engine::Object>());
    return r;
  }
};

TEST_F(Import, SurvivesAKillAndGoesOnFromItsSequence) {
  in_child([&] {
    open();
    ASSERT_TRUE(store_->import_run(record("r", R"({"n":1})"), false).ok());
    set(find("r"), "n", "2");
  });
  open();
  EXPECT_EQ(json("r"), R"({"n":2})");
  const engine::RunView view = store_->view(*find("r"));
  EXPECT_EQ(view.record.sequence, 41u);
  EXPECT_EQ(view.record.created_us, 1);
  EXPECT_TRUE(view.orphaned) << "nobody works on it";
}

TEST_F(Import, InThePlaceOfARunWithUpdatesThatNoFlushHasSealed) {
  in_child([&] {
    open();
    const engine::RunRef old = start("r");
    set(old, "old", "1");
    ASSERT_TRUE(store_->barrier().ok());
    set(old, "old", "2");
    ASSERT_EQ(store_->import_run(record("r", R"({"new":1})"), false).code, Code::kExists);
    EXPECT_EQ(json("r"), R"({"old":2})");
    ASSERT_TRUE(store_->import_run(record("r", R"({"new":1})"), true).ok());
    EXPECT_EQ(set(old, "old", "3"), Code::kErased);
    EXPECT_EQ(json("r"), R"({"new":1})");
    set(find("r"), "new", "2");
  });
  EXPECT_EQ(read("r"), R"({"new":2})");
  open();
  EXPECT_EQ(json("r"), R"({"new":2})");
  reopen();
  EXPECT_EQ(json("r"), R"({"new":2})");
}

TEST_F(Import, IndexesFollowTheRunThatIsThere) {
  open();
  engine::StartOptions o;
  o.id = "r";
  o.task = "before";
  o.parent = "p";
  ASSERT_TRUE(store_->start(o).ok());
  reopen();
  engine::RunRecord after = record("r", "{}");
  after.task = "after";
  ASSERT_TRUE(store_->import_run(after, true).ok());
  close();
  engine::Tables::Options tables;
  tables.directory = path();
  std::vector<engine::TableDamage> damage;
  EXPECT_TRUE(engine::verify_in_child(tables, damage).ok()) << damage.size();
}

TEST_F(Import, OfPowerIsDurableWhenItReturns) {
  open();
  ASSERT_TRUE(store_->import_run(record("r", "{}"), false, engine::Durability::kPower).ok());
  EXPECT_EQ(store_->stats().durable_lsn, store_->stats().written_lsn);
}

// 2^63 and more once went into a log record that its own reader refused.
TEST_F(Import, ASequenceLeavesRoomToGoOnFrom) {
  open();
  engine::RunRecord high = record("high", "{}");
  for (const uint64_t sequence : {engine::kSequenceMax + 1, uint64_t{INT64_MAX}, uint64_t{1} << 63, UINT64_MAX}) {
    high.sequence = sequence;
    EXPECT_EQ(store_->import_run(high, false).code, Code::kInvalidArgument) << sequence;
  }
  EXPECT_EQ(store_->find("high").code(), Code::kNoSuchRun);
  high.sequence = engine::kSequenceMax;
  ASSERT_TRUE(store_->import_run(high, false).ok());
  set(find("high"), "n", "1");
  EXPECT_TRUE(store_->finish(*find("high"), engine::RunStatus::kCompleted).ok());
  reopen();
  EXPECT_EQ(store_->view(*find("high")).record.sequence, engine::kSequenceMax + 2);
}

TEST_F(Import, RefusesWhatNoRunCanBe) {
  open();
  engine::RunRecord bad = record("r", "{}");
  bad.sequence = 0;
  EXPECT_EQ(store_->import_run(bad, false).code, Code::kInvalidArgument);
  bad = record("r", "{}");
  bad.status = engine::RunStatus::kCompleted;
  EXPECT_EQ(store_->import_run(bad, false).code, Code::kInvalidArgument);
  bad = record("r r", "{}");
  EXPECT_EQ(store_->import_run(bad, false).code, Code::kInvalidArgument);
  EXPECT_EQ(store_->import_run(record("r", R"({"k":")" + std::string(5000, 'x') + "\"}"), false).code, Code::kTooLarge);
  EXPECT_EQ(store_->find("r").code(), Code::kNoSuchRun);
}

}  // namespace
}  // namespace cairn::tests
