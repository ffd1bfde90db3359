// A run as the realtime client takes it: every column, byte for byte.
#include "api/server/shape_columns.h"

#include <gtest/gtest.h>

#include "engine/json/json.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;
using server::ColumnSet;
using server::kAllColumns;
using server::RowOperation;
using server::RunView;

constexpr int64_t kAt = 1'796'335'199'919'000;  // 2026-12-03T21:59:59.919

/// The run of the example in the protocol's description.
RunView example() {
  RunView run;
  run.id = "run_1";
  run.life = "life";
  run.sequence = 4;
  run.status = RunStatus::kExecuting;
  run.task = "import-csv";
  run.created_us = run.queued_us = run.started_us = kAt;
  run.updated_us = kAt + 1999;
  run.ttl = "10m";
  run.payload = {"application/super+json", R"({"json":{"message":"hello"}})"};
  run.metadata = R"({"user":{"name":"Eric","id":"user_1234"},"progress":0})";
  run.tags = {"user:1234", "a\"b"};
  return run;
}

std::string column_of(const RunView& run, const std::string& name) {
  const auto row = engine::parse_json(change_text(run, kAllColumns, RowOperation::kInsert)).value();
  const auto* values = engine::find_property(*row.get<engine::Object>(), "value")->get<engine::Object>();
  const engine::Value* value = engine::find_property(*values, name);
  return value == nullptr ? "missing" : value->is(engine::Type::kNull) ? "null" : *value->get<std::string>();
}

TEST(ShapeColumns, ARowIsTheTextOfEachColumn) {
  EXPECT_EQ(
      change_text(example(), kAllColumns, RowOperation::kInsert),
      R"({"key":"\"public\".\"TaskRun\"/\"run_1\"","value":{"id":"run_1","taskIdentifier":"import-csv",)"
      R"("createdAt":"2026-12-03T21:59:59.919","updatedAt":"2026-12-03T21:59:59.920",)"
      R"("startedAt":"2026-12-03T21:59:59.919","delayUntil":null,"queuedAt":"2026-12-03T21:59:59.919",)"
      R"("expiredAt":null,"completedAt":null,"friendlyId":"run_1","number":"1","isTest":"f","status":"EXECUTING",)"
      R"("usageDurationMs":"0","costInCents":"0","baseCostInCents":"0","ttl":"10m",)"
      R"("payload":"{\"json\":{\"message\":\"hello\"}}","payloadType":"application/super+json",)"
      R"("metadata":"{\"user\":{\"name\":\"Eric\",\"id\":\"user_1234\"},\"progress\":0}",)"
      R"("metadataType":"application/json","output":null,"outputType":"application/json",)"
      R"("runTags":"{\"a\\\"b\",\"user:1234\"}","error":null,"realtimeStreams":"{}"},)"
      R"("headers":{"operation":"insert"}})");
}

TEST(ShapeColumns, TheSchemaSaysTheTypeOfEach) {
  EXPECT_EQ(
      server::schema_text(kAllColumns),
      R"({"id":{"type":"text"},"taskIdentifier":{"type":"text"},"createdAt":{"type":"timestamp"},)"
      R"("updatedAt":{"type":"timestamp"},"startedAt":{"type":"timestamp"},"delayUntil":{"type":"timestamp"},)"
      R"("queuedAt":{"type":"timestamp"},"expiredAt":{"type":"timestamp"},"completedAt":{"type":"timestamp"},)"
      R"("friendlyId":{"type":"text"},"number":{"type":"int4"},"isTest":{"type":"bool"},"status":{"type":"text"},)"
      R"("usageDurationMs":{"type":"int4"},"costInCents":{"type":"float8"},"baseCostInCents":{"type":"float8"},)"
      R"("ttl":{"type":"text"},"payload":{"type":"text"},"payloadType":{"type":"text"},"metadata":{"type":"text"},)"
      R"("metadataType":{"type":"text"},"output":{"type":"text"},"outputType":{"type":"text"},)"
      R"("runTags":{"type":"text","dims":1},"error":{"type":"jsonb"},"realtimeStreams":{"type":"text","dims":1}})");
}

TEST(ShapeColumns, WhatARunHasNotIsNull) {
  RunView run;
  run.id = "run_1";
  run.created_us = run.updated_us = kAt;
  for (const char* name : {"startedAt", "delayUntil", "queuedAt", "expiredAt", "completedAt", "ttl", "payload",
                           "payloadType", "metadata", "output", "runTags", "error"}) {
    EXPECT_EQ(column_of(run, name), "null") << name;
  }
}

TEST(ShapeColumns, AFinishedRunHasItsEndItsOutputAndItsDuration) {
  RunView run = example();
  run.status = RunStatus::kCompleted;
  run.finished_us = kAt + 1'500'900;
  run.is_test = true;
  run.delayed_until_us = kAt - 919'000;
  run.output = {"text/plain", "done"};
  EXPECT_EQ(column_of(run, "completedAt"), "2026-12-03T22:00:01.419");
  EXPECT_EQ(column_of(run, "usageDurationMs"), "1500");
  EXPECT_EQ(column_of(run, "isTest"), "t");
  EXPECT_EQ(column_of(run, "delayUntil"), "2026-12-03T21:59:59.000");
  EXPECT_EQ(column_of(run, "output"), "done");
  EXPECT_EQ(column_of(run, "outputType"), "text/plain");
  EXPECT_EQ(column_of(run, "expiredAt"), "null");
  run.status = RunStatus::kExpired;
  EXPECT_EQ(column_of(run, "expiredAt"), "2026-12-03T22:00:01.419");
  run.status = RunStatus::kCrashed;
  EXPECT_EQ(column_of(run, "completedAt"), "null") << "it can go on";
}

TEST(ShapeColumns, SomeStatusesHaveAnotherNameThere) {
  const std::pair<RunStatus, const char*> names[] = {{RunStatus::kPendingVersion, "PENDING_VERSION"},
                                                     {RunStatus::kQueued, "PENDING"},
                                                     {RunStatus::kDequeued, "DEQUEUED"},
                                                     {RunStatus::kExecuting, "EXECUTING"},
                                                     {RunStatus::kWaiting, "WAITING_TO_RESUME"},
                                                     {RunStatus::kCompleted, "COMPLETED_SUCCESSFULLY"},
                                                     {RunStatus::kCanceled, "CANCELED"},
                                                     {RunStatus::kFailed, "COMPLETED_WITH_ERRORS"},
                                                     {RunStatus::kCrashed, "CRASHED"},
                                                     {RunStatus::kSystemFailure, "SYSTEM_FAILURE"},
                                                     {RunStatus::kDelayed, "DELAYED"},
                                                     {RunStatus::kExpired, "EXPIRED"},
                                                     {RunStatus::kTimedOut, "TIMED_OUT"}};
  static_assert(std::size(names) == engine::kRunStatuses);
  RunView run = example();
  for (const auto& [status, name] : names) {
    run.status = status;
    EXPECT_EQ(column_of(run, "status"), name);
  }
}

TEST(ShapeColumns, TextsWithQuotesComeThroughBothLayers) {
  RunView run = example();
  run.tags = {R"(a\b)", R"("q")", "comma,brace}"};
  EXPECT_EQ(column_of(run, "runTags"), R"({"\"q\"","a\\b","comma,brace}"})");
  run.error = "line 1\n\"quoted\"";
  EXPECT_EQ(column_of(run, "error"),
            R"({"type":"BUILT_IN_ERROR","name":"Error","message":"line 1\n\"quoted\"","stackTrace":""})");
}

TEST(ShapeColumns, WhatIsLeftOutIsMissingInRowAndSchema) {
  ColumnSet columns = kAllColumns;
  for (const char* name : {"payload", "output", "metadata", "no such column", ""}) {
    columns = server::leave_out(columns, name);
  }
  const std::string row = change_text(example(), columns, RowOperation::kUpdate);
  EXPECT_EQ(row.find("\"payload\""), std::string::npos);
  EXPECT_EQ(row.find("\"metadata\""), std::string::npos);
  EXPECT_NE(row.find("\"payloadType\""), std::string::npos);
  EXPECT_NE(row.find(R"("headers":{"operation":"update"})"), std::string::npos);
  EXPECT_TRUE(engine::parse_json(row).ok());
  const std::string schema = server::schema_text(columns);
  EXPECT_EQ(schema.find("\"output\""), std::string::npos);
  EXPECT_NE(schema.find("\"outputType\""), std::string::npos);
  EXPECT_TRUE(engine::parse_json(schema).ok());
}

TEST(ShapeColumns, WhatTheClientNeedsCannotBeLeftOut) {
  for (const char* name : {"id", "taskIdentifier", "friendlyId", "status", "createdAt"}) {
    EXPECT_EQ(server::leave_out(kAllColumns, name), kAllColumns) << name;
  }
}

}  // namespace
}  // namespace cairn::tests
