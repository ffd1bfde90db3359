// Each storage does what the commands of `cairn` do: start, resume, operations, erase.
#include <gtest/gtest.h>

#include "api/server/run_storage.h"
#include "engine/document/operation.h"
#include "engine/json/json.h"
#include "tests/server/tested_storages.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;
using server::Refused;
using server::RunOperations;

class StorageCommands : public ::testing::TestWithParam<StorageKind> {
 protected:
  static StorageSetup setup(StorageCommands* self) {
    StorageSetup out;
    out.metadata_bytes_max = 100;
    out.now_us = [self] { return self->now_us_; };
    return out;
  }
  server::Written write(const server::Change& change, const std::string& request = "") {
    auto written = storage_.write(change, {request, "", 0});
    EXPECT_TRUE(written.ok()) << engine::error_text(written.status());
    return written.ok() ? std::move(*written) : server::Written();
  }
  server::Written start(const std::string& id, const std::string& metadata = "{}", bool resume = false,
                        const std::string& request = "") {
    server::StartRun change;
    change.id = id;
    change.resume = resume;
    change.metadata = *engine::parse_json(metadata).value().get<engine::Object>();
    return write(change, request);
  }
  static RunOperations::Part part(const std::string& run, const std::string& operations,
                                  RunOperations::Of of = RunOperations::Of::kRun) {
    return {run, engine::parse_operations(operations).value(), of};
  }
  server::Written in_turn(const std::string& run, const std::string& operations, const std::string& request = "") {
    return write(RunOperations{{part(run, operations)}, false}, request);
  }
  server::Written together(std::vector<RunOperations::Part> parts, const std::string& request = "") {
    return write(RunOperations{std::move(parts), true}, request);
  }
  static std::string outcomes(const server::Written& written) {
    std::string out;
    for (const engine::Outcome& outcome : written.outcomes) {
      out += (out.empty() ? "" : ", ") + engine::outcome_text(outcome);
    }
    return out;
  }
  std::string metadata(const std::string& id) { return storage_.find(id, server::kMetadata).value().value().metadata; }
  uint64_t sequence(const std::string& id) { return storage_.find(id, 0).value().value().sequence; }

  int64_t now_us_ = 1'700'000'000'000'000;
  const std::unique_ptr<TestedStorage> tested_ = GetParam().make(setup(this));
  server::RunStorage& storage_ = tested_->storage();
};

constexpr const char* kIncrement = R"([{"type":"increment","key":"n","value":1}])";

TEST_P(StorageCommands, ARunIsStartedUnderItsId) {
  server::StartRun change;
  change.id = "r";
  change.task = "backup";
  change.tags = {"b", "a"};
  change.parent = "p";
  EXPECT_EQ(write(change).id, "r");
  const auto run = storage_.find("r", server::kMetadata).value().value();
  EXPECT_EQ(run.status, RunStatus::kExecuting);
  EXPECT_EQ(run.task, "backup");
  EXPECT_EQ(run.parent, "p");
  EXPECT_EQ(run.root, "p");
  EXPECT_EQ(run.tags.size(), 2u);
  const std::string made = write(server::StartRun()).id;
  EXPECT_EQ(made.substr(0, 4), "run_");
  EXPECT_TRUE(storage_.find(made, 0).value().has_value());
}

TEST_P(StorageCommands, AnIdThatIsTakenIsRefusedAndARepeatIsNot) {
  EXPECT_EQ(start("r", "{}", false, "1").refused, Refused::kNo);
  const auto taken = start("r", "{}", false, "2");
  EXPECT_EQ(taken.refused, Refused::kFailed);
  EXPECT_EQ(taken.failure.code, Code::kExists);
  EXPECT_EQ(taken.failure.message, "an earlier process left this run unfinished: resume it");
  EXPECT_EQ(taken.failure.key, "r");
  const auto again = start("r", "{}", false, "1");
  EXPECT_EQ(again.refused, Refused::kNo);
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.id, "r");
  server::StatusChange end;
  end.run = "r";
  end.to = RunStatus::kCompleted;
  write(end);
  EXPECT_EQ(start("r").failure.message, "a finished run of this id is in the store: take another id, or erase it");
  EXPECT_EQ(start("r", "{}", true).failure.code, Code::kFinished);
}

TEST_P(StorageCommands, ARepeatedStartWithoutAnIdIsTheSameRun) {
  const std::string id = write(server::StartRun(), "1").id;
  EXPECT_EQ(write(server::StartRun(), "1").id, id);
  EXPECT_NE(write(server::StartRun(), "2").id, id);
}

TEST_P(StorageCommands, AStartMayTakeUpARunThatIsThere) {
  start("r", R"({"a":1})");
  EXPECT_EQ(start("r", R"({"a":2})", true).refused, Refused::kNo);
  EXPECT_EQ(metadata("r"), R"({"a":1})");
  EXPECT_EQ(start("s", R"({"a":2})", true).refused, Refused::kNo);
  EXPECT_EQ(metadata("s"), R"({"a":2})");
}

TEST_P(StorageCommands, WhatDoesNotFitARunIsSaidInTheEnginesWords) {
  EXPECT_EQ(start(".x").failure.code, Code::kInvalidArgument);
  const auto large = start("r", R"({"a":")" + std::string(100, 'x') + "\"}");
  EXPECT_EQ(large.failure.code, Code::kTooLarge);
  EXPECT_EQ(large.failure.limit, 100u);
  EXPECT_FALSE(storage_.find("r", 0).value().has_value());
}

TEST_P(StorageCommands, AResumedRunExecutes) {
  start("r");
  server::StatusChange wait;
  wait.run = "r";
  wait.to = RunStatus::kCrashed;
  write(wait);
  EXPECT_EQ(write(server::ResumeRun{"r"}).refused, Refused::kNo);
  EXPECT_EQ(storage_.find("r", 0).value().value().status, RunStatus::kExecuting);
  EXPECT_EQ(write(server::ResumeRun{"none"}).failure.code, Code::kNoSuchRun);
  const std::string owner = tested_->set_owner("r");
  EXPECT_EQ(write(server::ResumeRun{"r"}).failure.code, Code::kUnapplied);
}

TEST_P(StorageCommands, OperationsInTurnSayWhatBecameOfEach) {
  start("r", R"({"n":1})");
  const auto done = in_turn("r", R"([{"type":"increment","key":"n","value":1},{"type":"remove","key":"x","value":1},
      {"type":"delete","key":"y"},{"type":"set","key":"a","value":[1]}])");
  EXPECT_EQ(outcomes(done), "applied, unapplied(no such key), unchanged, applied");
  EXPECT_EQ(metadata("r"), R"({"n":2,"a":[1]})");
  ASSERT_EQ(done.parts.size(), 1u);
  EXPECT_EQ(done.parts[0].sequence, sequence("r"));
  EXPECT_FALSE(done.parts[0].accepted);
}

TEST_P(StorageCommands, TheFirstThatFailsEndsThemAndTheOnesBeforeStay) {
  start("r");
  const auto stopped = in_turn("r", R"([{"type":"set","key":"a","value":1},{"type":"set","key":"b","value":")" +
                                        std::string(100, 'x') + R"("},{"type":"set","key":"c","value":1}])");
  EXPECT_EQ(stopped.refused, Refused::kFailed);
  EXPECT_EQ(stopped.failure.code, Code::kTooLarge);
  EXPECT_EQ(stopped.failure.limit, 100u);
  EXPECT_EQ(stopped.failed_index, 1u);
  EXPECT_EQ(outcomes(stopped), "applied");
  EXPECT_EQ(metadata("r"), R"({"a":1})");
}

TEST_P(StorageCommands, InTurnEachResultMustFit) {
  start("r");
  const std::string list =
      R"([{"type":"set","key":"a","value":")" + std::string(100, 'x') + R"("},{"type":"delete","key":"a"}])";
  EXPECT_EQ(in_turn("r", list).failure.code, Code::kTooLarge);
  EXPECT_EQ(together({part("r", list)}).refused, Refused::kNo) << "together only the last result counts";
}

TEST_P(StorageCommands, ARepeatedRequestCountsOnceAndGetsTheSameOutcomes) {
  start("r");
  const std::string list = R"([{"type":"increment","key":"n","value":1},{"type":"remove","key":"x","value":1}])";
  const auto first = in_turn("r", list, "1");
  const auto again = in_turn("r", list, "1");
  EXPECT_EQ(outcomes(again), outcomes(first));
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(metadata("r"), R"({"n":1})");
  tested_->restart();
  EXPECT_EQ(outcomes(in_turn("r", list, "1")), outcomes(first));
  EXPECT_EQ(metadata("r"), R"({"n":1})");
  const auto none = in_turn("r", R"([{"type":"remove","key":"x","value":1}])", "2");
  EXPECT_EQ(outcomes(none), "unapplied(no such key)") << "nothing changes, and it is known again";
  in_turn("r", R"([{"type":"set","key":"x","value":[1]}])");
  EXPECT_EQ(outcomes(in_turn("r", R"([{"type":"remove","key":"x","value":1}])", "2")), "unapplied(no such key)");
  EXPECT_EQ(metadata("r"), R"({"n":1,"x":[1]})");
}

TEST_P(StorageCommands, ARepeatOfOneThatFailedHalfwayIsThatFailure) {
  start("r");
  const std::string list = R"([{"type":"increment","key":"n","value":1},{"type":"set","key":"b","value":")" +
                           std::string(100, 'x') + R"("}])";
  const auto first = in_turn("r", list, "1");
  const auto again = in_turn("r", list, "1");
  EXPECT_EQ(again.refused, Refused::kFailed);
  EXPECT_EQ(again.failure.code, first.failure.code);
  EXPECT_EQ(again.failure.message, first.failure.message);
  EXPECT_EQ(again.failure.needed, first.failure.needed);
  EXPECT_EQ(again.failed_index, 1u);
  EXPECT_EQ(outcomes(again), "applied");
  EXPECT_EQ(metadata("r"), R"({"n":1})");
}

TEST_P(StorageCommands, OutcomesOfManyOperationsAreKnownAgain) {
  start("r");
  std::string list = "[";
  for (int i = 0; i < 5000; ++i) {
    list += R"({"type":"increment","key":"n","value":1},{"type":"delete","key":"x"},)";
  }
  list.back() = ']';
  const auto first = in_turn("r", list, "1");
  EXPECT_EQ(first.outcomes.size(), 10'000u);
  EXPECT_EQ(outcomes(in_turn("r", list, "1")), outcomes(first));
  EXPECT_EQ(metadata("r"), R"({"n":5000})");
}

TEST_P(StorageCommands, TogetherAllApplyOrNone) {
  start("a", R"({"left":1})");
  start("b", R"({"left":1})");
  const auto failed = together({part("a", kIncrement), part("b", R"([{"type":"remove","key":"x","value":1}])")});
  EXPECT_EQ(failed.refused, Refused::kFailed);
  EXPECT_EQ(failed.failure.code, Code::kUnapplied);
  EXPECT_EQ(failed.failed_index, 1u);
  EXPECT_EQ(metadata("a"), R"({"left":1})");
  const auto done = together({part("a", kIncrement), part("b", kIncrement)}, "1");
  ASSERT_EQ(done.parts.size(), 2u);
  EXPECT_EQ(done.parts[1].run, "b");
  EXPECT_EQ(done.parts[1].sequence, sequence("b"));
  together({part("a", kIncrement), part("b", kIncrement)}, "1");
  EXPECT_EQ(metadata("a"), R"({"left":1,"n":1})");
  EXPECT_EQ(metadata("b"), R"({"left":1,"n":1})");
}

TEST_P(StorageCommands, AParentAndARootChangeWithTheRun) {
  start("top");
  server::StartRun child;
  child.id = "child";
  child.parent = "top";
  write(child);
  using Of = RunOperations::Of;
  const auto done = together({part("child", kIncrement), part("child", kIncrement, Of::kParent),
                              part("top", kIncrement, Of::kRoot), part("child", kIncrement, Of::kRoot)});
  ASSERT_EQ(done.parts.size(), 4u);
  EXPECT_EQ(done.parts[1].run, "top");
  EXPECT_EQ(metadata("child"), R"({"n":1})");
  EXPECT_EQ(metadata("top"), R"({"n":3})");
}

TEST_P(StorageCommands, WhatIsForARunElsewhereIsAccepted) {
  server::StartRun child;
  child.id = "child";
  child.parent = "elsewhere";
  write(child);
  const auto done = together({part("child", kIncrement, RunOperations::Of::kParent)});
  ASSERT_EQ(done.parts.size(), 1u);
  EXPECT_EQ(done.parts[0].run, "elsewhere");
  EXPECT_TRUE(done.parts[0].accepted);
}

TEST_P(StorageCommands, AFinishedRunOrNoneIsNotChanged) {
  start("r");
  server::StatusChange end;
  end.run = "r";
  end.to = RunStatus::kCompleted;
  end.survives_power_loss = true;
  write(end);
  EXPECT_EQ(in_turn("r", kIncrement).failure.code, Code::kFinished);
  EXPECT_EQ(in_turn("r", kIncrement).failure.message, "the run is finished: it takes no more updates");
  EXPECT_EQ(in_turn("none", kIncrement).failure.code, Code::kNoSuchRun);
  EXPECT_EQ(together({part("none", kIncrement)}).failure.message, "there is no such run in this store");
}

TEST_P(StorageCommands, AnErasedRunIsErasedOnce) {
  start("r");
  EXPECT_EQ(write(server::EraseRun{"r", std::nullopt}, "1").refused, Refused::kNo);
  EXPECT_FALSE(storage_.find("r", 0).value().has_value());
  EXPECT_EQ(write(server::EraseRun{"r", std::nullopt}, "2").failure.code, Code::kNoSuchRun);
  start("r", R"({"new":1})");
  const auto again = write(server::EraseRun{"r", std::nullopt}, "1");
  EXPECT_EQ(again.refused, Refused::kNo);
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(metadata("r"), R"({"new":1})") << "a repeat does not erase the next run of this id";
}

TEST_P(StorageCommands, ARunThatChangedIsNotErasedAtAnEarlierSequence) {
  start("r", R"({"n":1})");
  const uint64_t then = storage_.find("r", 0).value()->sequence;
  together({part("r", kIncrement)});
  EXPECT_EQ(write(server::EraseRun{"r", then}, "1").refused, Refused::kOtherSequence);
  EXPECT_EQ(metadata("r"), R"({"n":2})");
  const uint64_t now = storage_.find("r", 0).value()->sequence;
  EXPECT_GT(now, then);
  EXPECT_EQ(write(server::EraseRun{"r", now}, "1").refused, Refused::kNo) << "the refusal is not remembered";
  EXPECT_FALSE(storage_.find("r", 0).value().has_value());
}

CAIRN_ON_EACH_STORAGE(StorageCommands);

}  // namespace
}  // namespace cairn::tests
