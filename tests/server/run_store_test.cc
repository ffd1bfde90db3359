// What RunStore promises beyond the seam: of the store that it is over.
#include "api/server/run_store.h"

#include <atomic>
#include <set>
#include <thread>

#include "engine/tables/format.h"
#include "engine/tables/tables.h"
#include "tests/support/fake_clock.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;

class RunStoreTest : public StoreTest {
 protected:
  void open_runs() {
    open();
    runs_ = std::make_unique<server::RunStore>(*store_);
  }
  void close_runs() {
    runs_.reset();
    close();
  }
  std::string trigger(const std::string& batch = "") {
    if (!batch.empty()) {
      server::BatchItems items;
      items.batch = batch;
      items.items.resize(1);
      items.items[0].trigger.task = "t";
      items.items[0].index = next_++;
      return runs_->batch(items, {}).value().runs.back().second;
    }
    server::Trigger change;
    change.task = "t";
    return runs_->write(change, {}).value().id;
  }
  std::unique_ptr<server::RunStore> runs_;
  size_t next_ = 0;
};

// Nobody watches: the runs that changed do not stay in memory, and can be erased.
TEST_F(RunStoreTest, WithoutASubscriberRunsLeaveMemory) {
  open_runs();
  std::vector<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    ids.push_back(trigger());
  }
  ASSERT_TRUE(runs_->keep_time(0).ok());
  ASSERT_TRUE(store_->barrier().ok() && store_->checkpoint().ok());
  EXPECT_LT(store_->stats().runs_hot, 10U);
}

TEST_F(RunStoreTest, ABatchThatLostRunsToRetentionStaysSealed) {
  open_runs();
  server::BatchCreate create;
  create.runs = 2;
  const std::string batch = runs_->batch(create, {}).value().id;
  const std::string first = trigger(batch);
  trigger(batch);
  ASSERT_TRUE(store_->erase(first).ok());
  for (int i = 0; i < 2; ++i) {
    const server::BatchView view = runs_->batch(server::BatchGet{batch}, {}).value();
    EXPECT_TRUE(view.sealed);
    EXPECT_EQ(view.runs.size(), 1U);
    close_runs();
    open_runs();
  }
  next_ = 0;
  server::BatchItems items;
  items.batch = batch;
  items.items.resize(1);
  items.items[0].trigger.task = "t";
  EXPECT_EQ(runs_->batch(items, {}).value().deduplicated, 1U) << "one run an index, ever";
}

TEST_F(RunStoreTest, ARestartKnowsRequestsTokensAndKeys) {
  open_runs();
  server::Trigger change;
  change.task = "t";
  change.idempotency_key = "k";
  change.idempotency_until_us = INT64_MAX;
  const server::RequestKey key{"POST /x 1", "token", INT64_MAX};
  const std::string id = runs_->write(change, key).value().id;
  close_runs();
  open_runs();
  const auto repeated = runs_->write(change, key).value();
  EXPECT_TRUE(repeated.repeated);
  EXPECT_EQ(repeated.id, id);
  EXPECT_EQ(runs_->write(change, {"POST /x 2", "token", INT64_MAX}).value().refused, server::Refused::kTokenUsed);
  const auto cached = runs_->write(change, {"POST /x 3", "", 0}).value();
  EXPECT_TRUE(cached.cached);
  EXPECT_EQ(cached.id, id);
}

TEST_F(RunStoreTest, OneOfManyRequestsWithOneKeyHasTheEffect) {
  open_runs();
  std::vector<std::thread> threads;
  std::vector<std::string> ids(16);
  for (size_t i = 0; i < ids.size(); ++i) {
    threads.emplace_back([this, i, &ids] {
      server::Trigger change;
      change.task = "t";
      auto written = runs_->write(change, {"same", "", 0});
      while (written.code() == Code::kBusy) {  // only a few may wait
        std::this_thread::yield();
        written = runs_->write(change, {"same", "", 0});
      }
      ids[i] = written.value().id;
    });
  }
  for (std::thread& t : threads) {
    t.join();
  }
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1U);
  EXPECT_EQ(runs_->list({}, server::Order::kCreatedNewestFirst, {}, 100).value().runs.size(), 1U);
}

// A payload that cannot be read.
TEST_F(RunStoreTest, ADamagedRunKeepsNobodyFromTheOthers) {
  open_runs();
  server::Trigger change;
  change.task = "t";
  change.payload = server::TypedText{"text/plain", "p"};
  const std::string damaged = runs_->write(change, {}).value().id;
  const std::string whole = runs_->write(change, {}).value().id;
  engine::Tables::Options of;
  of.directory = path();
  of.store_id.assign(reinterpret_cast<const char*>(store_->store_id().data()), store_->store_id().size());
  close_runs();
  {
    auto tables = engine::Tables::open(of);
    ASSERT_TRUE(tables.ok());
    const auto damage = [&](engine::TablesTxn& txn) {
      return txn.put(engine::Table::kTexts, engine::text_key(damaged, engine::TextKind::kPayload), "garbage");
    };
    ASSERT_TRUE((*tables)->transact(4096, damage).ok());
    ASSERT_TRUE((*tables)->sync().ok());
  }
  open_runs();
  const server::Extent all = {server::kPayload, 10, SIZE_MAX};
  auto found = runs_->changes({}, std::nullopt, all);
  ASSERT_TRUE(found.ok()) << found.status().what;
  ASSERT_EQ(found->rows.size(), 1U);
  EXPECT_EQ(found->rows[0].id, whole);
  for (const std::string& id : {damaged, whole}) {
    ASSERT_TRUE(runs_->write(server::AddTags{id, {"x"}}, {}).ok());
  }
  const server::Position after = found->next;
  found = runs_->changes({}, after, all);
  ASSERT_TRUE(found.ok()) << found.status().what;
  ASSERT_EQ(found->rows.size(), 1U);
  EXPECT_EQ(found->rows[0].id, whole);
  EXPECT_EQ(runs_->changes({server::Shape::Kind::kRun, damaged, {}, 0}, std::nullopt, all).code(), Code::kCorrupt)
      << "who follows it alone learns so";
}

TEST_F(RunStoreTest, ARunThatOnlyWaitsForItsOwnerIsNone) {
  open_runs();
  server::Trigger change;
  change.task = "t";
  change.parent = "elsewhere";
  const std::string child = runs_->write(change, {}).value().id;
  server::MetadataUpdate update;
  update.run = child;
  update.parent_operations = engine::parse_operations(R"([{"type":"set","key":"p","value":1}])").value();
  EXPECT_EQ(runs_->write(update, {}).value().refused, server::Refused::kNo);
  update.run = "elsewhere";
  EXPECT_EQ(runs_->write(update, {}).value().refused, server::Refused::kNoSuchRun);
  EXPECT_FALSE(runs_->find("elsewhere", 0).value());
  EXPECT_EQ(runs_->list({}, server::Order::kCreatedNewestFirst, {}, 10).value().runs.size(), 1U);
}

// The cost of a look is that of what changed.
TEST_F(RunStoreTest, ALookVisitsOnlyRunsThatChanged) {
  open_runs();
  std::vector<std::string> ids;
  for (int i = 0; i < 500; ++i) {
    ids.push_back(trigger());
  }
  ASSERT_TRUE(store_->barrier().ok());
  server::Position at = runs_->changes({}, std::nullopt, {server::kMetadata, 1000, SIZE_MAX}).value().next;
  at = runs_->changes({}, at, {server::kMetadata, 1000, SIZE_MAX}).value().next;
  const uint64_t before = runs_->visited();
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(runs_->changes({}, at, {server::kMetadata, 1000, SIZE_MAX}).value().rows.empty());
  }
  EXPECT_EQ(runs_->visited(), before);
  server::StatusChange change;
  change.run = ids[7];
  EXPECT_EQ(runs_->write(change, {}).value().refused, server::Refused::kNo);
  const auto found = runs_->changes({}, at, {server::kMetadata, 1000, SIZE_MAX}).value();
  ASSERT_EQ(found.rows.size(), 1U);
  EXPECT_EQ(found.rows[0].id, ids[7]);
  EXPECT_EQ(runs_->visited(), before + 1);
}

// A run that is triggered while the snapshot is read is in it, or comes after it.
TEST_F(RunStoreTest, NothingFallsBetweenASnapshotAndWhatComesAfterIt) {
  open_runs();
  constexpr size_t kRuns = 3000;
  std::vector<std::string> made(kRuns);
  std::atomic<size_t> made_count{0};
  std::thread writer([&] {
    for (size_t i = 0; i < kRuns; ++i) {
      made[i] = trigger();
      made_count = i + 1;
    }
  });
  size_t before = 0;  // runs that were made before what comes after the snapshot was asked for
  while (before < kRuns) {
    auto found = runs_->changes({}, std::nullopt, {server::kMetadata, 100'000, SIZE_MAX}).value();
    std::set<std::string> all;
    for (const auto& row : found.rows) {
      all.insert(row.id);
    }
    before = made_count;
    found = runs_->changes({}, server::Position(found.next), {server::kMetadata, 100'000, SIZE_MAX}).value();
    for (const auto& row : found.rows) {
      EXPECT_TRUE(all.insert(row.id).second) << "told twice";
    }
    for (size_t i = 0; i < before; ++i) {
      EXPECT_EQ(all.count(made[i]), 1U) << "in neither: run " << i << " of " << before;
    }
  }
  writer.join();
}

}  // namespace
}  // namespace cairn::tests
