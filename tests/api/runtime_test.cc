// Tasks and the runtime: statuses, hooks and their order, retries, children, replay.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cairn/cairn.hpp"
#include "tests/api/api_fixture.h"

namespace demo {
struct Message {
  std::string message;
  int times = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Message, message, times)
}  // namespace demo

namespace cairn::tests {
namespace {

using namespace std::chrono_literals;

class Tasks : public ::testing::Test {
 protected:
  static Options options() {
    Options o;
    o.background = false;
    o.segment_bytes = 256u << 10;
    return o;
  }
  RunInfo info(const TaskHandle& handle) { return handle.run().info(); }
  /// Notes what was said, from any thread.
  void say(const std::string& what) {
    const std::lock_guard lock(mutex_);
    said_ += (said_.empty() ? "" : " ") + what;
  }
  Hooks saying(const std::string& who) {
    Hooks hooks;
    hooks.on_start([this, who] { say(who + ".start"); });
    hooks.on_success([this, who] { say(who + ".success"); });
    hooks.on_failure([this, who] { say(who + ".failure"); });
    hooks.on_complete([this, who](const TaskEvent& e) { say(who + ".complete:" + std::string(name(e.status))); });
    return hooks;
  }
  Task saying_task(std::function<void()> run) {
    Task task("t");
    const Hooks hooks = saying("task");
    return task
        .run([this, run] {
          say("run");
          run();
        })
        .on_start(hooks.start())
        .on_success(hooks.success())
        .on_failure(hooks.failure())
        .on_complete(hooks.complete());
  }

  Directory directory_;
  Store store_ = Store::open(directory_.store(), options());
  std::mutex mutex_;
  std::string said_;
};

TEST_F(Tasks, ARunGetsItsPayloadMetadataTagsAndOutput) {
  Runtime runtime(store_);
  const Task task = Task("greet").run([](const json& payload) {
    metadata::set("progress", 0.5);
    return json{{"said", payload.at("message")}, {"user", (*metadata::get("user"))["name"]}};
  });
  const TaskHandle handle =
      runtime.trigger(task, {{"message", "hello"}}, {.metadata = {{"user", {{"name", "Eric"}}}}, .tags = {"a", "b"}});
  const TaskResult result = handle.wait();
  EXPECT_TRUE(result.ok()) << result.error;
  EXPECT_EQ(result.output, json({{"said", "hello"}, {"user", "Eric"}}));
  EXPECT_EQ(handle.run().text(), R"({"user":{"name":"Eric"},"progress":0.5})");
  EXPECT_EQ(info(handle).status, RunStatus::kCompleted);
  EXPECT_EQ(info(handle).task, "greet");
  EXPECT_EQ(info(handle).tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(info(handle).parent, "");
}

TEST_F(Tasks, APayloadIsReadAsTheTypeThatTheRunFunctionTakes) {
  Runtime runtime(store_);
  const Task task = Task("t").run([](const demo::Message& m) { return m.message + std::to_string(m.times); });
  EXPECT_EQ(runtime.trigger(task, demo::Message{"x", 3}).wait().output, "x3");
  EXPECT_EQ(runtime.trigger_and_wait(task, {{"message", "y"}, {"times", 4}}).output, "y4");
  std::atomic<int> calls = 0;
  const Task retried = Task("t").retry({.attempts = 3, .delay = 0ms}).run([&](const demo::Message&) { ++calls; });
  const TaskResult wrong = runtime.trigger(retried, {{"message", "y"}, {"times", "four"}}).wait();
  EXPECT_EQ(wrong.status, RunStatus::kFailed);
  EXPECT_NE(wrong.error.find("times: expected number, found string"), std::string::npos) << wrong.error;
  EXPECT_EQ(calls, 0);
}

TEST_F(Tasks, AFunctionThatThrowsFailsItsRunWithTheErrorRecorded) {
  Runtime runtime(store_);
  const Task task = Task("t").run([] {
    metadata::set("progress", 0.1);
    throw std::runtime_error("the disk is on fire");
  });
  const TaskHandle handle = runtime.trigger(task);
  EXPECT_EQ(handle.wait().error, "the disk is on fire");
  EXPECT_EQ(info(handle).status, RunStatus::kFailed);
  EXPECT_EQ(info(handle).error, "the disk is on fire");
  store_.close();
  store_ = Store::open(directory_.store(), options());
  EXPECT_EQ(store_.find(handle.id())->info().error, "the disk is on fire");
  EXPECT_EQ(store_.find(handle.id())->text(), R"({"progress":0.1})");
}

TEST_F(Tasks, WhatIsThrownAndIsNoExceptionFailsTheRunToo) {
  Runtime runtime(store_);
  EXPECT_EQ(runtime.trigger(Task("t").run([] { throw 7; })).wait().status, RunStatus::kFailed);
  const std::string not_utf8 = "\xff";
  EXPECT_EQ(runtime.trigger(Task("t").run([&] { throw std::runtime_error(not_utf8); })).wait().status,
            RunStatus::kFailed);
  const std::string long_text(10'000, 'x');
  const TaskHandle handle = runtime.trigger(Task("t").run([&] { throw std::runtime_error(long_text); }));
  EXPECT_EQ(handle.wait().error.size(), 10'000U);
  EXPECT_EQ(info(handle).status, RunStatus::kFailed);
  EXPECT_EQ(info(handle).error.size(), 4096U);
}

TEST_F(Tasks, HooksRunInTheDocumentedOrder) {
  Runtime runtime(store_, {.hooks = saying("global")});
  runtime.trigger(saying_task([] {})).wait();
  EXPECT_EQ(said_,
            "global.start task.start run task.success global.success task.complete:COMPLETED "
            "global.complete:COMPLETED");
  said_.clear();
  runtime.trigger(saying_task([] { throw std::runtime_error("no"); })).wait();
  EXPECT_EQ(said_,
            "global.start task.start run task.failure global.failure task.complete:FAILED global.complete:FAILED");
}

TEST_F(Tasks, HooksActOnTheMetadataOfTheirRun) {
  Runtime::Options o;
  o.hooks.on_start([] { metadata::set("progress", 0.5); });
  o.hooks.on_complete([](const TaskEvent& e) { metadata::set("run", e.run).set("attempt", e.attempt); });
  Runtime runtime(store_, std::move(o));
  const Task task = Task("t").run([] {}).on_success(
      [](const TaskEvent& e) { metadata::set("progress", 1.0).set("payload", e.payload); });
  const TaskHandle handle = runtime.trigger(task, {{"k", 1}});
  handle.wait();
  EXPECT_EQ(handle.run().current(),
            json({{"progress", 1.0}, {"payload", {{"k", 1}}}, {"run", handle.id()}, {"attempt", 1}}));
}

TEST_F(Tasks, AHookThatThrowsFailsTheRunOnlyBeforeItsEnd) {
  std::vector<std::string> complaints;
  Runtime runtime(store_, {.on_error = [&](std::string_view, std::string_view what) {
                    const std::lock_guard lock(mutex_);
                    complaints.emplace_back(what);
                  }});
  const auto thrower = [] { throw std::runtime_error("hook"); };
  EXPECT_EQ(runtime.trigger(Task("t").run([] {}).on_start(thrower)).wait().status, RunStatus::kFailed);
  EXPECT_EQ(runtime.trigger(Task("t").run([] {}).on_success(thrower)).wait().status, RunStatus::kFailed);
  EXPECT_TRUE(complaints.empty());
  EXPECT_EQ(runtime.trigger(Task("t").run([] {}).on_complete(thrower)).wait().status, RunStatus::kCompleted);
  EXPECT_EQ(complaints, std::vector<std::string>{"hook"});
}

TEST_F(Tasks, ARunIsTriedAgainWithItsMetadataAndWaitsBetween) {
  Runtime runtime(store_);
  std::vector<std::string> seen;
  const Task task = Task("t")
                        .retry({.attempts = 3, .delay = 1ms})
                        .run([&] {
                          metadata::increment("attempts");
                          if (*metadata::get<int>("attempts") < 3) {
                            throw std::runtime_error("not yet");
                          }
                        })
                        .on_start([] { metadata::increment("starts"); })
                        .on_complete([](const TaskEvent& e) { metadata::set("last", e.attempt); });
  const TaskHandle handle = runtime.trigger(task);
  EXPECT_TRUE(handle.wait().ok());
  EXPECT_EQ(handle.run().text(), R"({"starts":1,"attempts":3,"last":3})");
  const Task hopeless = Task("t").retry({.attempts = 2, .delay = 1ms}).run([] {
    metadata::increment("attempts");
    throw std::runtime_error("never");
  });
  const TaskResult direct = runtime.trigger_and_wait(hopeless, json());
  EXPECT_EQ(direct.status, RunStatus::kFailed);
  EXPECT_EQ(store_.find(direct.run)->text(), R"({"attempts":2})");
}

TEST_F(Tasks, AChildKnowsItsParentAndGetsNoMetadataUnlessItIsPassed) {
  Runtime runtime(store_, {.threads = 1});
  const Task child = Task("child").run([] { return metadata::current(); });
  const Task parent = Task("parent").run([&] {
    metadata::set("progress", 0.5);
    const TaskResult bare = runtime.trigger_and_wait(child, json());
    const TaskResult given = runtime.trigger_and_wait(child, json(), {.metadata = metadata::current()});
    return json{{"bare", bare.output}, {"given", given.output}, {"child", bare.run}};
  });
  const TaskHandle handle = runtime.trigger(parent);
  const json output = handle.wait().output;
  EXPECT_EQ(output["bare"], json::object());
  EXPECT_EQ(output["given"], json({{"progress", 0.5}}));
  const RunInfo of_child = store_.find(output["child"])->info();
  EXPECT_EQ(of_child.parent, handle.id());
  EXPECT_EQ(of_child.root, handle.id());
}

TEST_F(Tasks, AReplayStartsFromWhatWasGivenAtTheTrigger) {
  Runtime runtime(store_);
  const Task task = Task("t").run([](const json& payload) { metadata::increment("n", payload.get<int>()); });
  const TaskHandle first = runtime.trigger(task, 5, {.metadata = {{"n", 1}}, .tags = {"x"}});
  first.wait();
  const TaskHandle second = runtime.replay(first);
  second.wait();
  EXPECT_NE(first.id(), second.id());
  EXPECT_EQ(second.run().text(), R"({"n":6})");
  EXPECT_EQ(info(second).tags, std::vector<std::string>{"x"});
}

TEST_F(Tasks, MetadataThatIsNoObjectIsRefusedAtTheTrigger) {
  Runtime runtime(store_);
  const Task task = Task("t").run([] { ADD_FAILURE() << "it ran"; });
  for (const json& wrong : {json::array({1}), json("text"), json(1), json(nullptr)}) {
    try {
      runtime.trigger(task, json(), {.metadata = wrong});
      ADD_FAILURE() << wrong;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::kTypeMismatch) << wrong;
    }
  }
  EXPECT_TRUE(store_.list().empty());
}

TEST_F(Tasks, ADelayedRunSaysSoAndIsCanceledIfTheRuntimeEndsBefore) {
  std::optional<TaskHandle> never;
  {
    Runtime runtime(store_);
    const Task task = Task("t").run([] {});
    const TaskHandle soon = runtime.trigger(task, json(), {.delay = 20ms});
    EXPECT_EQ(info(soon).status, RunStatus::kDelayed);
    EXPECT_TRUE(soon.wait().ok());
    never = runtime.trigger(task, json(), {.delay = 1h});
    EXPECT_EQ(never->wait_for(1ms), std::nullopt);
  }
  EXPECT_EQ(never->wait().status, RunStatus::kCanceled);
  EXPECT_EQ(info(*never).status, RunStatus::kCanceled);
}

TEST_F(Tasks, TheEndOfTheRuntimeWaitsForWhatWasTriggered) {
  std::atomic<int> done = 0;
  {
    Runtime runtime(store_, {.threads = 2});
    for (int i = 0; i < 50; ++i) {
      runtime.trigger(Task("t").run([&] { ++done; }));
    }
  }
  EXPECT_EQ(done, 50);
}

TEST_F(Tasks, TheHostsExecutorRunsTheJobs) {
  std::vector<std::thread> hosts;
  std::mutex mutex;
  std::vector<std::thread::id> ran_on;
  {
    Runtime runtime(store_, {.executor = [&](std::function<void()> job) {
                      const std::lock_guard lock(mutex);
                      hosts.emplace_back(std::move(job));
                    }});
    const Task task = Task("t").run([&] {
      const std::lock_guard lock(mutex);
      ran_on.push_back(std::this_thread::get_id());
    });
    for (int i = 0; i < 5; ++i) {
      EXPECT_TRUE(runtime.trigger(task).wait().ok());
    }
  }
  EXPECT_EQ(hosts.size(), 5U);
  EXPECT_EQ(ran_on.size(), 5U);
  for (std::thread& host : hosts) {
    host.join();
  }
}

}  // namespace
}  // namespace cairn::tests
