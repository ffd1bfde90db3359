// A run that was read from its JSON is the run that the JSON was made of, as far as that says.
#include "api/report/read_run.h"

#include <gtest/gtest.h>

#include <memory>

#include "api/report/run_json.h"
#include "api/report/wide_numbers.h"
#include "engine/base/error_detail.h"
#include "engine/json/json.h"

namespace cairn::tests {
namespace {

engine::RunView example() {
  engine::RunView run;
  engine::RunRecord& r = run.record;
  r.id = "run_1";
  r.status = engine::RunStatus::kFailed;
  r.task = "backup";
  r.tags = {"b", "a"};
  r.parent = "p";
  r.root = "q";
  r.created_us = 1'796'000'000'001'000;
  r.updated_us = 1'796'000'000'002'000;
  r.finished_us = 1'796'000'000'003'000;
  r.error = "no \"disk\"\n";
  r.sequence = 9'007'199'254'740'993;
  engine::RunDetails details;
  details.queued_us = 1'796'000'000'000'000;
  details.started_us = 1'796'000'000'004'000;
  details.delayed_until_us = 1'796'000'000'005'000;
  details.ttl = "10m";
  details.is_test = true;
  details.function = engine::TriggerFunction::kBatchTrigger;
  details.batch = "batch_1";
  details.batch_index = 7;
  details.idempotency_key = "k";
  details.depth = 2;
  r.details = engine::Boxed(std::move(details));
  engine::RunTexts texts;
  texts.payload = engine::TypedText{"text/plain", "in"};
  texts.output = engine::TypedText{"application/json", "[1]"};
  r.texts = std::make_shared<const engine::RunTexts>(std::move(texts));
  auto metadata = engine::parse_json(R"({"n":9007199254740993,"d":0.1,"deep":{"a":[null,true,"\u001b"]},"":{}})");
  r.document = engine::Document::from_object(std::move(*metadata.value().get<engine::Object>()));
  return run;
}

std::string json_of(const engine::RunView& run, std::optional<uint64_t> children = {}) {
  engine::Value value(report::run_json(run, children));
  report::write_wide_as_text(value);
  return engine::to_json(value);
}

/// Read, and written again.
std::string there_and_back(const std::string& json, std::optional<uint64_t> children = {}) {
  auto parsed = engine::parse_json(json, SIZE_MAX, engine::kStoredDepthMax + 1);
  uint64_t counted = 0;
  const auto run = report::read_run(*parsed.value().get<engine::Object>(), &counted);
  EXPECT_TRUE(run.ok()) << engine::error_text(run.status());
  EXPECT_EQ(counted, children.value_or(0));
  return run.ok() ? json_of(*run, children) : "";
}

TEST(ReadRun, EachMemberComesBack) {
  const engine::RunView run = example();
  EXPECT_EQ(there_and_back(json_of(run, 3), 3), json_of(run, 3));
  EXPECT_EQ(there_and_back(json_of(run)), json_of(run));
}

TEST(ReadRun, SoDoesARunWithNothing) {
  engine::RunView run;
  run.record.id = "r";
  run.record.status = engine::RunStatus::kExecuting;
  run.record.sequence = 1;
  run.orphaned = true;
  EXPECT_EQ(there_and_back(json_of(run)), json_of(run));
  run.record.foreign = true;
  run.orphaned = false;
  EXPECT_EQ(there_and_back(json_of(run)), json_of(run));
}

TEST(ReadRun, WhatIsNoRunIsRefusedByItsMember) {
  const std::pair<const char*, const char*> wrong[] = {
      {R"({})", "id"},
      {R"({"id":"r"})", "status"},
      {R"({"id":"r","status":"EXECUTING","tags":[1]})", "tags"},
      {R"({"id":"r","status":"EXECUTING","sequence":"x"})", "sequence"},
      {R"({"id":"r","status":"EXECUTING","created_at":"yesterday"})", "created_at"},
      {R"({"id":"r","status":"EXECUTING","metadata":[]})", "metadata"},
      {R"({"id":"r","status":"EXECUTING","payload":{"type":1}})", "payload"},
      {R"({"id":"r","status":"EXECUTING","trigger_function":"none"})", "trigger_function"}};
  for (const auto& [json, member] : wrong) {
    auto parsed = engine::parse_json(json);
    const auto run = report::read_run(*parsed.value().get<engine::Object>());
    EXPECT_EQ(run.code(), Code::kInvalidArgument) << json;
    EXPECT_EQ(engine::error_detail().key, member) << json;
  }
}

}  // namespace
}  // namespace cairn::tests
