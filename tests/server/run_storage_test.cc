// Each storage keeps what run_storage.h promises.
#include "api/server/run_storage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>

#include "engine/document/operation.h"
#include "tests/server/tested_storages.h"
#include "tests/support/memory_storage.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;
using server::Refused;

class RunStorages : public ::testing::TestWithParam<StorageKind> {
 protected:
  static StorageSetup setup(RunStorages* self) {
    StorageSetup out;
    out.metadata_bytes_max = 100;
    out.history_max = 8;
    out.now_us = [self] { return self->now_us_; };
    return out;
  }
  std::string trigger(const std::string& task = "t", std::vector<std::string> tags = {}) {
    server::Trigger change;
    change.task = task;
    change.tags = std::move(tags);
    now_us_ += 1000;
    return storage_.write(change, {}).value().id;
  }
  server::Written update(const std::string& run, const std::string& operations, const std::string& request = "") {
    server::MetadataUpdate change;
    change.run = run;
    change.operations = engine::parse_operations(operations).value();
    return storage_.write(change, {request, "", 0}).value();
  }
  server::Written move(const std::string& run, RunStatus to, std::optional<RunStatus> from = {}) {
    server::StatusChange change;
    change.run = run;
    change.to = to;
    change.from = from;
    return storage_.write(change, {}).value();
  }
  server::RunView run(const std::string& id, unsigned parts = server::kMetadata) {
    return storage_.find(id, parts).value().value();
  }

  static server::Extent all(size_t runs_max) {
    return {server::kMetadata | server::kPayload | server::kOutput, runs_max, SIZE_MAX};
  }

  int64_t now_us_ = 1'700'000'000'000'000;
  const std::unique_ptr<TestedStorage> tested_ = GetParam().make(setup(this));
  server::RunStorage& storage_ = tested_->storage();
};

TEST_P(RunStorages, AnOperationThatDoesNotApplyIsSkipped) {
  const std::string id = trigger();
  EXPECT_EQ(run(id).metadata, "");
  const auto written = update(id, R"([{"type":"set","key":"a","value":1},{"type":"set","key":"$.x.y","value":1},)"
                                  R"({"type":"increment","key":"a","value":2}])");
  EXPECT_EQ(written.metadata, R"({"a":3})");
  EXPECT_EQ(run(id).metadata, R"({"a":3})");
}

TEST_P(RunStorages, OnlyTheResultCountsAgainstTheLimit) {
  const std::string id = trigger();
  const std::string big(200, 'x');
  const auto written = update(id, R"([{"type":"set","key":"a","value":")" + big + R"("},{"type":"delete","key":"a"}])");
  EXPECT_EQ(written.refused, Refused::kNo);
  const uint64_t sequence = run(id).sequence;
  const auto refused =
      update(id, R"([{"type":"set","key":"b","value":1},{"type":"set","key":"a","value":")" + big + R"("}])");
  EXPECT_EQ(refused.refused, Refused::kTooLarge);
  EXPECT_EQ(refused.bytes_max, 100u);
  EXPECT_EQ(run(id).metadata, "") << "an empty object is none";
  EXPECT_EQ(run(id).sequence, sequence);
}

TEST_P(RunStorages, RelativesChangeInOneStepWithTheRun) {
  const std::string root = trigger();
  server::Trigger change;
  change.task = "t";
  change.parent = root;
  const std::string parent = storage_.write(change, {}).value().id;
  change.parent = parent;
  const std::string child = storage_.write(change, {}).value().id;
  EXPECT_EQ(run(child).root, root);
  EXPECT_EQ(run(child).depth, 2u);
  server::MetadataUpdate both;
  both.run = child;
  both.parent_operations = engine::parse_operations(R"([{"type":"set","key":"p","value":1}])").value();
  both.root_operations = engine::parse_operations(R"([{"type":"set","key":"r","value":1}])").value();
  EXPECT_EQ(storage_.write(both, {}).value().metadata, "{}");
  EXPECT_EQ(run(parent).metadata, R"({"p":1})");
  EXPECT_EQ(run(root).metadata, R"({"r":1})");
  both.run = root;
  EXPECT_EQ(storage_.write(both, {}).value().metadata, R"({"r":1,"p":1})") << "without relatives it is its own";
}

TEST_P(RunStorages, ARequestHasItsEffectOnceForTenMinutes) {
  const std::string id = trigger();
  const std::string by_one = R"([{"type":"increment","key":"n","value":1}])";
  EXPECT_FALSE(update(id, by_one, "k").repeated);
  EXPECT_TRUE(update(id, by_one, "k").repeated);
  EXPECT_EQ(update(id, by_one, "k").metadata, R"({"n":1})");
  now_us_ += server::kRequestKeptUs + 1;
  EXPECT_FALSE(update(id, by_one, "k").repeated);
  EXPECT_EQ(run(id).metadata, R"({"n":2})");
}

TEST_P(RunStorages, AOneUseTokenIsSpentByAnEffectAlone) {
  server::Trigger change;
  change.task = "t";
  change.metadata = "[]";
  const server::RequestKey key{"", "token", now_us_ + 1'000'000};
  EXPECT_EQ(storage_.write(change, key).value().refused, Refused::kBadRequest);
  change.metadata = "{}";
  EXPECT_EQ(storage_.write(change, key).value().refused, Refused::kNo);
  EXPECT_EQ(storage_.write(change, key).value().refused, Refused::kTokenUsed);
  EXPECT_EQ(storage_.list({}, server::Order::kCreatedNewestFirst, {}, 10).value().runs.size(), 1u);
}

TEST_P(RunStorages, AnIdempotencyKeyIsOfItsTaskAndNotOfARunThatFailed) {
  server::Trigger change;
  change.task = "t";
  change.idempotency_key = "k";
  change.idempotency_until_us = now_us_ + 1'000'000;
  const std::string first = storage_.write(change, {}).value().id;
  const auto again = storage_.write(change, {}).value();
  EXPECT_EQ(again.id, first);
  EXPECT_TRUE(again.cached);
  change.task = "other";
  EXPECT_NE(storage_.write(change, {}).value().id, first);
  change.task = "t";
  EXPECT_EQ(move(first, RunStatus::kFailed).refused, Refused::kNo);
  const std::string second = storage_.write(change, {}).value().id;
  EXPECT_NE(second, first);
  EXPECT_EQ(move(second, RunStatus::kCompleted).refused, Refused::kNo);
  EXPECT_EQ(storage_.write(change, {}).value().id, second) << "one that completed is what the key stands for";
  EXPECT_EQ(storage_.write(server::ResetIdempotencyKey{"t", "k"}, {}).value().refused, Refused::kNo);
  EXPECT_EQ(storage_.write(server::ResetIdempotencyKey{"t", "k"}, {}).value().refused, Refused::kNoSuchKey);
  const std::string third = storage_.write(change, {}).value().id;
  EXPECT_NE(third, second);
  now_us_ = change.idempotency_until_us;
  EXPECT_NE(storage_.write(change, {}).value().id, third);
}

TEST_P(RunStorages, PagesNeitherSkipNorRepeatWhileRunsChange) {
  std::vector<std::string> made;
  for (int i = 0; i < 7; ++i) {
    made.insert(made.begin(), trigger());
  }
  std::vector<std::string> seen;
  server::Cursor cursor;
  for (bool more = true; more;) {
    const server::Page page = storage_.list({}, server::Order::kCreatedNewestFirst, cursor, 3).value();
    for (const auto& one : page.runs) {
      seen.push_back(one.id);
    }
    update(made.back(), R"([{"type":"increment","key":"n","value":1}])");
    trigger();
    EXPECT_EQ(page.previous.empty(), cursor.text.empty());
    cursor.text = page.next;
    more = !page.next.empty();
  }
  EXPECT_EQ(seen, made);
}

TEST_P(RunStorages, APageBackwardsIsTheRunsJustBeforeNewestFirst) {
  std::vector<std::string> made;
  for (int i = 0; i < 7; ++i) {
    made.insert(made.begin(), trigger());
  }
  const auto ids = [](const server::Page& page) {
    std::vector<std::string> out;
    for (const auto& one : page.runs) {
      out.push_back(one.id);
    }
    return out;
  };
  using Ids = std::vector<std::string>;
  const auto order = server::Order::kCreatedNewestFirst;
  const server::Page first = storage_.list({}, order, {}, 3).value();
  const server::Page second = storage_.list({}, order, {first.next, false}, 3).value();
  const server::Page third = storage_.list({}, order, {second.next, false}, 3).value();
  EXPECT_EQ(ids(third), Ids({made[6]}));
  EXPECT_EQ(third.next, "");
  const server::Page back = storage_.list({}, order, {third.previous, true}, 2).value();
  EXPECT_EQ(ids(back), Ids({made[4], made[5]}));
  EXPECT_EQ(ids(storage_.list({}, order, {back.next, false}, 3).value()), Ids({made[6]}));
  const server::Page start = storage_.list({}, order, {back.previous, true}, 10).value();
  EXPECT_EQ(ids(start), Ids({made[0], made[1], made[2], made[3]}));
  EXPECT_EQ(start.previous, "");
  EXPECT_EQ(storage_.list({}, order, {"nonsense", false}, 3).code(), Code::kInvalidArgument);
}

TEST_P(RunStorages, ASetIsResumedByItsPositionOrIsReset) {
  const server::Shape tagged{server::Shape::Kind::kTags, "", {"a"}, 0};
  const std::string first = trigger("t", {"a"});
  trigger("t", {"b"});
  auto found = storage_.changes(tagged, {}, all(10)).value();
  ASSERT_EQ(found.rows.size(), 1u);
  const server::Position position = found.next;
  EXPECT_TRUE(storage_.changes(tagged, position, all(10)).value().rows.empty());
  const std::string second = trigger("t", {"a"});
  update(first, R"([{"type":"set","key":"n","value":1}])");
  update(first, R"([{"type":"set","key":"n","value":2}])");
  found = storage_.changes(tagged, position, all(1)).value();
  ASSERT_EQ(found.rows.size(), 1u);
  EXPECT_EQ(found.rows[0].id, second);
  ASSERT_EQ(found.numbers.size(), 1u);
  const uint64_t of_second = found.numbers[0];
  EXPECT_GT(of_second, position.number);
  EXPECT_FALSE(found.complete);
  found = storage_.changes(tagged, found.next, all(10)).value();
  ASSERT_EQ(found.rows.size(), 1u) << "a run that changed twice is one row";
  EXPECT_EQ(found.rows[0].metadata, R"({"n":2})");
  ASSERT_EQ(found.numbers.size(), 1u);
  EXPECT_GT(found.numbers[0], of_second) << "of its last change";
  EXPECT_LE(found.numbers[0], found.next.number);
  EXPECT_TRUE(found.complete);
  for (int i = 0; i < 9; ++i) {
    trigger();
    ASSERT_TRUE(storage_.changes({}, found.next, all(1)).ok());  // a look: what changes between two is one change
  }
  EXPECT_TRUE(storage_.changes(tagged, position, all(10)).value().reset) << "too old";
  found = storage_.changes(tagged, {}, all(10)).value();
  tested_->restart();
  EXPECT_TRUE(storage_.changes(tagged, found.next, all(10)).value().reset) << "of another feed";
}

TEST_P(RunStorages, ARunIsResumedByItsSequence) {
  const server::Shape one{server::Shape::Kind::kRun, trigger(), {}, 0};
  auto found = storage_.changes(one, {}, all(10)).value();
  ASSERT_EQ(found.rows.size(), 1u);
  const server::Position position = found.next;
  tested_->restart();
  EXPECT_TRUE(storage_.changes(one, position, all(10)).value().rows.empty());
  update(one.id, R"([{"type":"set","key":"n","value":1}])");
  EXPECT_EQ(storage_.changes(one, position, all(10)).value().rows.size(), 1u);
  EXPECT_TRUE(storage_.changes(one, server::Position{"other life", 1}, all(10)).value().reset);
  EXPECT_FALSE(storage_.changes({server::Shape::Kind::kRun, "run_none", {}, 0}, {}, all(10)).value().found);
}

TEST_P(RunStorages, ASnapshotThatIsCutGoesOnWhereItWas) {
  const server::Extent extent{server::kMetadata, 6, 16};  // two runs reach it
  std::vector<std::string> made;
  for (int i = 0; i < 8; ++i) {
    made.push_back(trigger("t", {"a"}));
    update(made.back(), R"([{"type":"set","key":"n","value":100}])");
    now_us_ -= i % 3 == 1 ? 1000 : 0;  // some were created at the same time
  }
  for (const server::Shape& shape : {server::Shape(), server::Shape{server::Shape::Kind::kTags, "", {"a"}, 0}}) {
    std::vector<std::string> wanted;
    const server::Changes whole = storage_.changes(shape, {}, all(6)).value();
    for (const server::RunView& row : whole.rows) {
      wanted.push_back(row.id);
    }
    ASSERT_EQ(wanted.size(), 6u);
    std::vector<std::string> seen;
    std::optional<server::Position> at;
    for (size_t parts = 1; parts <= 3; ++parts) {
      const server::Changes found = storage_.changes(shape, at, extent).value();
      EXPECT_FALSE(found.reset);
      ASSERT_EQ(found.rows.size(), 2u);
      EXPECT_EQ(found.complete, parts == 3);
      EXPECT_EQ(found.next.rest.empty(), parts == 3);
      EXPECT_EQ(found.next.rest.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-"),
                std::string::npos);
      for (const server::RunView& row : found.rows) {
        seen.push_back(row.id);
      }
      at = found.next;
    }
    EXPECT_EQ(seen, wanted) << "the newest six, each once";
  }
}

TEST_P(RunStorages, WhatChangesBetweenTwoPartsOfASnapshotComesAfterThem) {
  const server::Extent one_run{server::kMetadata, 10, 1};
  std::vector<std::string> made;
  for (int i = 0; i < 3; ++i) {
    made.push_back(trigger("t", {"a"}));
    update(made.back(), R"([{"type":"set","key":"n","value":1}])");
  }
  const server::Shape tagged{server::Shape::Kind::kTags, "", {"a"}, 0};
  std::map<std::string, std::string> client;
  server::Changes found = storage_.changes(tagged, {}, one_run).value();
  for (int parts = 0; !found.complete && parts < 20; ++parts) {
    size_t bytes = 0;
    for (const server::RunView& row : found.rows) {
      EXPECT_EQ(bytes, 0u) << "a row after the bound was reached";
      bytes += row.metadata.size();
      client[row.id] = row.metadata;
    }
    if (parts == 0) {
      EXPECT_EQ(client.count(made[2]), 1u);
      update(made[2], R"([{"type":"set","key":"n","value":2}])");  // was told already
      update(made[0], R"([{"type":"set","key":"n","value":3}])");  // not yet
      made.push_back(trigger("t", {"a"}));
    }
    found = storage_.changes(tagged, found.next, one_run).value();
    ASSERT_FALSE(found.reset);
  }
  EXPECT_TRUE(found.complete);
  for (const server::RunView& row : found.rows) {
    client[row.id] = row.metadata;
  }
  const std::map<std::string, std::string> wanted = {
      {made[0], R"({"n":3})"}, {made[1], R"({"n":1})"}, {made[2], R"({"n":2})"}, {made[3], ""}};
  EXPECT_EQ(client, wanted);
}

TEST_P(RunStorages, ABatchIsReadInPartsToo) {
  server::BatchCreate create;
  create.runs = 5;
  server::BatchItems items;
  items.batch = storage_.batch(create, {}).value().id;
  items.items.resize(5);
  for (size_t i = 0; i < items.items.size(); ++i) {
    items.items[i].index = i;
    items.items[i].trigger.task = "t";
    items.items[i].trigger.metadata = R"({"n":1})";
  }
  const server::BatchView batch = storage_.batch(items, {}).value();
  std::set<std::string> seen;
  server::Changes found;
  std::optional<server::Position> at;
  size_t parts = 0;
  do {
    found =
        storage_.changes({server::Shape::Kind::kBatch, items.batch, {}, 0}, at, {server::kMetadata, 100, 8}).value();
    for (const server::RunView& row : found.rows) {
      EXPECT_TRUE(seen.insert(row.id).second);
    }
    at = found.next;
  } while (++parts < 10 && !found.complete);
  EXPECT_EQ(parts, 3u);
  EXPECT_EQ(seen.size(), batch.runs.size());
}

TEST_P(RunStorages, ARestThatNobodyGaveIsAReset) {
  trigger("t", {"a"});
  trigger("t", {"a"});
  const server::Changes begun = storage_.changes({}, {}, all(10)).value();
  for (const char* rest : {"x", "-", "1", "1-", "1-x", "a", "9a", "99999999999999999999-0", "1-0000000000000000-",
                           "1-000000000000000g-run_1", "1-0000000000000000-..", "-1-0000000000000000-run_1"}) {
    EXPECT_TRUE(storage_.changes({}, server::Position{begun.next.feed, begun.next.number, rest}, all(10)).value().reset)
        << rest;
  }
  EXPECT_TRUE(storage_.changes({}, server::Position{"other", begun.next.number, "1-x"}, all(10)).value().reset);
}

TEST_P(RunStorages, OnlyThePartsThatAreAskedForAreRead) {
  server::Trigger change;
  change.task = "t";
  change.payload = server::TypedText{"text/plain", "p"};
  change.metadata = R"({"n":1})";
  const std::string id = storage_.write(change, {}).value().id;
  server::StatusChange finish{id, {}, RunStatus::kCompleted, "", server::TypedText{"text/plain", "o"}};
  ASSERT_EQ(storage_.write(finish, {}).value().refused, Refused::kNo);
  const server::Position before = {storage_.changes({}, {}, all(1)).value().next.feed, 0, ""};
  for (const unsigned parts : {0u, 1u, 2u, 4u, 3u, 5u, 6u, 7u}) {
    std::vector<server::Changes> looks;
    for (const server::Shape& shape : {server::Shape(), server::Shape{server::Shape::Kind::kRun, id, {}, 0}}) {
      looks.push_back(storage_.changes(shape, {}, {parts, 10, SIZE_MAX}).value());
    }
    looks.push_back(storage_.changes({}, before, {parts, 10, SIZE_MAX}).value());
    for (const server::Changes& found : looks) {
      ASSERT_EQ(found.rows.size(), 1u);
      EXPECT_EQ(!found.rows[0].metadata.empty(), (parts & server::kMetadata) != 0);
      EXPECT_EQ(found.rows[0].payload.has_value(), (parts & server::kPayload) != 0);
      EXPECT_EQ(found.rows[0].output.has_value(), (parts & server::kOutput) != 0);
    }
  }
}

TEST_P(RunStorages, WhatWasErasedIsToldToWhoFollowsAll) {
  const std::string first = trigger("t", {"a"});
  const std::string second = trigger("t", {"a"});
  const server::Changes begun = storage_.changes({}, {}, all(10)).value();
  EXPECT_TRUE(begun.erased.empty());
  tested_->erase(first);
  tested_->erase(second);
  server::Changes found = storage_.changes({}, begun.next, all(1)).value();
  EXPECT_TRUE(found.rows.empty());
  EXPECT_FALSE(found.complete);
  ASSERT_EQ(found.erased.size(), 1u);
  EXPECT_EQ(found.erased[0].first, first);
  EXPECT_GT(found.erased[0].second, begun.next.number);
  EXPECT_LE(found.erased[0].second, found.next.number);
  found = storage_.changes({}, found.next, all(1)).value();
  ASSERT_EQ(found.erased.size(), 1u);
  EXPECT_EQ(found.erased[0].first, second);
  EXPECT_TRUE(found.complete);
  EXPECT_TRUE(storage_.changes({}, found.next, all(1)).value().erased.empty()) << "once";
  const server::Shape tagged{server::Shape::Kind::kTags, "", {"a"}, 0};
  EXPECT_TRUE(storage_.changes(tagged, begun.next, all(10)).value().erased.empty());
}

TEST_P(RunStorages, EachDoorHasAHintOfItsOwn) {
  std::atomic<int> here{0};
  std::atomic<int> there{0};
  const auto door = tested_->door();
  storage_.on_change([&here] { ++here; });
  door->on_change([&there] { ++there; });
  trigger();
  EXPECT_GE(here, 1);
  EXPECT_GE(there, 1);
  door->on_change({});
  const int before = here;
  const int last = there;
  trigger();
  EXPECT_GT(here, before);
  EXPECT_EQ(there, last);
}

TEST_P(RunStorages, TimeEndsDelaysAndTimesToLive) {
  server::Trigger change;
  change.task = "t";
  change.delayed_until_us = now_us_ + 100;
  change.ttl = "2s";
  change.ttl_us = 2'000'000;
  const std::string id = storage_.write(change, {}).value().id;
  EXPECT_EQ(run(id).status, RunStatus::kDelayed);
  EXPECT_EQ(storage_.keep_time(now_us_).value(), now_us_ + 100);
  now_us_ += 100;
  EXPECT_EQ(storage_.keep_time(now_us_).value(), now_us_ + change.ttl_us);
  EXPECT_EQ(run(id).status, RunStatus::kQueued);
  now_us_ += change.ttl_us;
  EXPECT_EQ(storage_.keep_time(now_us_).value(), INT64_MAX);
  EXPECT_EQ(run(id).status, RunStatus::kExpired);
  EXPECT_EQ(run(id).finished_us, now_us_);
}

TEST_P(RunStorages, AFinishedRunTakesMetadataForAWhile) {
  const std::string id = trigger();
  EXPECT_EQ(move(id, RunStatus::kCompleted).refused, Refused::kNo);
  EXPECT_EQ(move(id, RunStatus::kExecuting).refused, Refused::kOtherStatus);
  server::MetadataUpdate late;
  late.run = id;
  late.operations = engine::parse_operations(R"([{"type":"set","key":"n","value":1}])").value();
  late.late_us = 1000;
  now_us_ += 1000;
  EXPECT_EQ(storage_.write(late, {}).value().refused, Refused::kNo);
  now_us_ += 1;
  EXPECT_EQ(storage_.write(late, {}).value().refused, Refused::kFinished);
}

TEST_P(RunStorages, ARepeatedBatchCallGetsTheFirstAnswer) {
  server::BatchCreate create;
  create.runs = 2;
  create.idempotency_key = std::string(1000, '"');
  create.idempotency_until_us = now_us_ + 1'000'000'000;
  const std::string id = storage_.batch(create, {"create", "", 0}).value().id;
  const auto known = storage_.batch(create, {"again", "token", now_us_ + 1'000'000}).value();
  EXPECT_TRUE(known.cached);
  EXPECT_EQ(known.id, id);
  EXPECT_EQ(storage_.batch(create, {"third", "token", now_us_ + 1'000'000}).value().refused, Refused::kTokenUsed);
  server::BatchItems items;
  items.batch = id;
  items.items.resize(1);
  items.items[0].trigger.task = "t";
  EXPECT_EQ(storage_.batch(items, {"items", "", 0}).value().accepted, 1u);
  const auto repeated = storage_.batch(items, {"items", "", 0}).value();
  EXPECT_EQ(repeated.accepted, 1u) << "as the first time";
  EXPECT_EQ(repeated.deduplicated, 0u);
  EXPECT_EQ(storage_.batch(items, {"other", "", 0}).value().deduplicated, 1u);
}

TEST_P(RunStorages, AnItemOfABatchWhoseKeyHasARunGetsThatOne) {
  server::Trigger first;
  first.task = "t";
  first.idempotency_key = "k";
  first.idempotency_until_us = now_us_ + 1'000'000'000;
  const std::string there = storage_.write(first, {}).value().id;
  server::BatchCreate create;
  create.runs = 2;
  const std::string id = storage_.batch(create, {}).value().id;
  server::BatchItems items;
  items.batch = id;
  items.items.resize(2);
  items.items[0].trigger = first;
  items.items[1].index = 1;
  items.items[1].trigger.task = "t";
  const auto found = storage_.batch(items, {}).value();
  EXPECT_TRUE(found.sealed);
  ASSERT_EQ(found.runs.size(), 2u);
  EXPECT_EQ(found.runs[0].second, there);
  EXPECT_EQ(storage_.list({}, server::Order::kCreatedNewestFirst, {}, 10).value().runs.size(), 2u);
}

TEST_P(RunStorages, ParentsThatEndedLongAgoDoNotRefuseTheirChildren) {
  const std::string parent = trigger();
  server::Trigger change;
  change.task = "t";
  change.parent = parent;
  const std::string child = storage_.write(change, {}).value().id;
  EXPECT_EQ(move(parent, RunStatus::kCompleted).refused, Refused::kNo);
  now_us_ += 10'000'000'000;
  server::MetadataUpdate both;
  both.run = child;
  both.late_us = 1000;
  both.parent_operations = engine::parse_operations(R"([{"type":"set","key":"p","value":1}])").value();
  EXPECT_EQ(storage_.write(both, {}).value().refused, Refused::kNo);
  EXPECT_EQ(run(parent).metadata, R"({"p":1})");
  EXPECT_EQ(move(child, RunStatus::kCompleted).refused, Refused::kNo);
  now_us_ += 1001;
  EXPECT_EQ(storage_.write(both, {}).value().refused, Refused::kFinished) << "the run itself ended too long ago";
}

TEST_P(RunStorages, ATimeToLiveBeginsAnewWhenARunIsQueuedAgain) {
  server::Trigger change;
  change.task = "t";
  change.ttl = "10s";
  change.ttl_us = 10'000'000;
  const std::string id = storage_.write(change, {}).value().id;
  EXPECT_EQ(move(id, RunStatus::kExecuting).refused, Refused::kNo);
  now_us_ += 60'000'000;
  EXPECT_TRUE(storage_.keep_time(now_us_).ok());
  EXPECT_EQ(run(id).status, RunStatus::kExecuting);
  EXPECT_EQ(move(id, RunStatus::kQueued).refused, Refused::kNo);
  EXPECT_TRUE(storage_.keep_time(now_us_ + 1'000'000).ok());
  EXPECT_EQ(run(id).status, RunStatus::kQueued);
  now_us_ += 10'000'000;
  EXPECT_TRUE(storage_.keep_time(now_us_).ok());
  EXPECT_EQ(run(id).status, RunStatus::kExpired);
}

TEST_P(RunStorages, ABatchHasOneRunAnIndexEver) {
  server::BatchCreate create;
  create.runs = 2;
  const std::string id = storage_.batch(create, {}).value().id;
  server::BatchItems items;
  items.batch = id;
  items.items.resize(1);
  items.items[0].trigger.task = "t";
  auto found = storage_.batch(items, {}).value();
  EXPECT_FALSE(found.sealed);
  EXPECT_EQ(found.accepted, 1u);
  const std::string run_of_index = found.runs.at(0).second;
  items.items.resize(2);
  items.items[1].index = 1;
  items.items[1].trigger.task = "t";
  found = storage_.batch(items, {}).value();
  EXPECT_TRUE(found.sealed);
  EXPECT_EQ(found.accepted, 1u);
  EXPECT_EQ(found.deduplicated, 1u);
  EXPECT_EQ(found.runs.at(0).second, run_of_index);
  EXPECT_EQ(run(run_of_index).batch, id);
  EXPECT_EQ(run(run_of_index).function, engine::TriggerFunction::kBatchTrigger);
  items.items[1].index = 2;
  found = storage_.batch(items, {}).value();
  EXPECT_EQ(found.refused, Refused::kBadRequest);
  EXPECT_EQ(found.refused_index, 2u);
}

TEST(StorageInMemory, OperationsForARunElsewhereAreTakenForItsOwner) {
  MemoryStorage storage;
  server::Trigger change;
  change.task = "t";
  change.parent = "run_of_another_store";
  const std::string id = storage.write(change, {}).value().id;
  server::MetadataUpdate update;
  update.run = id;
  update.parent_operations = engine::parse_operations(R"([{"type":"set","key":"p","value":1}])").value();
  EXPECT_EQ(storage.write(update, {}).value().metadata, "{}");
  ASSERT_EQ(storage.foreign_operations().size(), 1u);
  EXPECT_EQ(storage.foreign_operations().front().first, "run_of_another_store");
}

CAIRN_ON_EACH_STORAGE(RunStorages);

}  // namespace
}  // namespace cairn::tests
