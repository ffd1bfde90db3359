// What a run was given and gave: kept only where that was asked for, and read back as another process reads it.
#include "cairn/cairn.hpp"
#include "engine/reader/store_reader.h"
#include "engine/records/run_view.h"
#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

engine::RunTexts texts_of(const std::string& directory, const std::string& run) {
  engine::StoreReader::Options o;
  o.directory = directory;
  auto reader = engine::StoreReader::open(o);
  EXPECT_TRUE(reader.ok());
  auto view = (*reader)->read(run, true);
  EXPECT_TRUE(view.ok() && *view) << run;
  return (*view)->record.texts ? *(*view)->record.texts : engine::RunTexts();
}

class RunTexts : public ApiTest {
 protected:
  cairn_run* start(const char* payload, size_t bytes, const char* type = nullptr) {
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.id = "r";
    o.payload = payload;
    o.payload_bytes = bytes;
    o.payload_type = type;
    cairn_run* run = nullptr;
    started_ = cairn_run_start(store_, &o, &run);
    return run;
  }
  cairn_status started_ = CAIRN_OK;
};

TEST_F(RunTexts, AreKeptWithTheRun) {
  cairn_run* run = start("{}", 2);
  ASSERT_EQ(started_, CAIRN_OK);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_output(run, "text/plain", "half", 4));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_output(run, "text/plain", "done", 4));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_finish(run, CAIRN_RUN_COMPLETED));
  CAIRN_EXPECT(CAIRN_FINISHED, cairn_run_set_output(run, nullptr, "late", 4));
  const engine::RunTexts texts = texts_of(path(), "r");
  EXPECT_EQ(texts.payload, (engine::TypedText{"application/json", "{}"}));
  EXPECT_EQ(texts.output, (engine::TypedText{"text/plain", "done"}));
  cairn_run_close(run);
}

TEST_F(RunTexts, OutputChangesNothingElse) {
  cairn_run* run = start(nullptr, 0);
  ASSERT_EQ(started_, CAIRN_OK);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_status(run, CAIRN_RUN_WAITING));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_output(run, nullptr, "1", 1));
  cairn_run_info info = {};
  info.struct_bytes = sizeof info;
  std::vector<char> block(1024);
  size_t needed = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_info(run, &info, block.data(), block.size(), &needed));
  EXPECT_EQ(info.status, CAIRN_RUN_WAITING);
  EXPECT_EQ(info.sequence, 3U);
  cairn_run_close(run);
}

TEST_F(RunTexts, WhatCannotBeKeptIsRefusedAndNothingStarts) {
  const std::string large((256u << 10) + 1, 'x');
  EXPECT_EQ(start(large.data(), large.size()), nullptr);
  EXPECT_EQ(started_, CAIRN_TOO_LARGE);
  EXPECT_EQ(start("\xff", 1), nullptr);
  EXPECT_EQ(started_, CAIRN_INVALID_UTF8);
  EXPECT_EQ(start(nullptr, 1), nullptr);
  EXPECT_EQ(started_, CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(start("x", 1, std::string(129, 't').c_str()), nullptr);
  EXPECT_EQ(started_, CAIRN_TOO_LARGE);
  cairn_run* run = start(nullptr, 0);
  ASSERT_EQ(started_, CAIRN_OK);
  CAIRN_EXPECT(CAIRN_TOO_LARGE, cairn_run_set_output(run, nullptr, large.data(), large.size()));
  CAIRN_EXPECT(CAIRN_INVALID_UTF8, cairn_run_set_output(run, nullptr, "\xff", 1));
  EXPECT_EQ(texts_of(path(), "r").kinds(), 0);
  cairn_run_close(run);
}

class RecordedTasks : public ::testing::Test {
 protected:
  engine::RunTexts run(const Task& task, Runtime::Options options = {}) {
    Directory directory;
    Store store = Store::open(directory.store());
    std::string id;
    {
      options.threads = 1;
      options.on_error = [this](std::string_view, std::string_view what) { complaint_ = what; };
      Runtime runtime(store, std::move(options));
      TaskHandle handle = runtime.trigger(task, json{{"secret", "no"}});
      id = handle.id();
      EXPECT_EQ(handle.wait().status, RunStatus::kCompleted);
    }
    return texts_of(directory.store(), id);
  }
  std::string complaint_;
};

TEST_F(RecordedTasks, KeepNothingUnlessTheyAreToldTo) {
  EXPECT_EQ(run(Task("t").run([](const json&) { return json(7); })).kinds(), 0);
}

TEST_F(RecordedTasks, KeepWhatTheTaskOrTheRuntimeSays) {
  const auto of_task = run(Task("t").run([](const json&) { return json(7); }).record_payload().record_output());
  EXPECT_EQ(of_task.payload, (engine::TypedText{"application/json", R"({"secret":"no"})"}));
  EXPECT_EQ(of_task.output, (engine::TypedText{"application/json", "7"}));
  Runtime::Options options;
  options.record_output = true;
  const auto of_runtime = run(Task("t").run([](const json&) { return json("x"); }), std::move(options));
  EXPECT_FALSE(of_runtime.payload);
  EXPECT_EQ(of_runtime.output->text, R"("x")");
}

TEST_F(RecordedTasks, AnOutputThatIsTooLargeIsLeftOutAndTheRunCompletes) {
  const auto texts = run(Task("t").run([](const json&) { return json(std::string(300u << 10, 'x')); }).record_output());
  EXPECT_FALSE(texts.output);
  EXPECT_NE(complaint_, "");
}

}  // namespace
}  // namespace cairn::tests
