// The ambient metadata of a run: what is inside it, what is outside, and how it travels.
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cairn/cairn.hpp"
#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class Ambient : public ::testing::Test {
 protected:
  static Options options() {
    Options o;
    o.background = false;
    o.segment_bytes = 256u << 10;
    return o;
  }
  Directory directory_;
  Store store_ = Store::open(directory_.store(), options());
  cairn::Run run_ = store_.start({.id = "job"});
};

void somewhere_deep() { metadata::set("progress", 0.5); }

TEST_F(Ambient, UpdatesAndReadsGoToTheRunOfTheScope) {
  const RunScope scope(run_);
  metadata::set("phase", "training").increment("steps").append("logs", "first").set("gone", nullptr).del("gone");
  metadata::decrement("left", 2);
  metadata::append("logs", {{"line", 2}});
  metadata::remove("logs", "first");
  somewhere_deep();
  EXPECT_EQ(run_.text(), R"({"phase":"training","steps":1,"logs":[{"line":2}],"left":-2,"progress":0.5})");
  EXPECT_EQ(metadata::get<std::string>("phase"), "training");
  EXPECT_EQ(metadata::get("steps"), json(1));
  EXPECT_EQ(metadata::get("none"), std::nullopt);
  EXPECT_EQ(metadata::get<double>(Key<double>("progress")), 0.5);
  EXPECT_EQ(metadata::current(), run_.current());
  EXPECT_EQ(metadata::get(), run_.current());
  metadata::save({{"all", "new"}});
  EXPECT_EQ(run_.text(), R"({"all":"new"})");
}

TEST_F(Ambient, OutsideARunUpdatesDoNothingAndReadsGiveNothing) {
  const uint64_t before = run_.info().sequence;
  metadata::set("progress", 0.5).increment("n").append("logs", 1).remove("logs", 1).del("n").decrement("n").save({});
  EXPECT_TRUE(metadata::try_set("a", 1).ok());
  EXPECT_TRUE(metadata::try_increment("a").ok());
  EXPECT_TRUE(metadata::try_append("a", 1).ok());
  EXPECT_EQ(metadata::get("progress"), std::nullopt);
  EXPECT_EQ(metadata::get<double>("progress"), std::nullopt);
  EXPECT_TRUE(metadata::current().is_null());
  EXPECT_TRUE(metadata::get().is_null());
  EXPECT_EQ(metadata::current<json>(), std::nullopt);
  metadata::parent().increment("n");
  metadata::root().set("a", 1);
  metadata::flush();
  metadata::refresh();
  EXPECT_EQ(run_.info().sequence, before);
}

TEST_F(Ambient, ParentAndRootAreUpdatedFromTheChild) {
  const cairn::Run child = store_.start({.id = "child", .parent = "job"});
  const cairn::Run grandchild = store_.start({.id = "grandchild", .parent = "child"});
  const RunScope scope(grandchild);
  metadata::parent().set("from", "below").append("log", 1).increment("n", 2);
  metadata::root().increment("n").del("none");
  metadata::set("own", true);
  EXPECT_EQ(child.text(), R"({"from":"below","log":[1],"n":2})");
  EXPECT_EQ(run_.text(), R"({"n":1})");
  EXPECT_EQ(grandchild.text(), R"({"own":true})");
  EXPECT_EQ(grandchild.parent().id(), "child");
  EXPECT_EQ(grandchild.root().id(), "job");
  EXPECT_EQ(run_.parent().id(), "job");
  // In one step.
  cairn::Run(grandchild.share())
      .apply({{"operations", {{{"type", "set"}, {"key", "own"}, {"value", false}}}},
              {"parentOperations", {{{"type", "increment"}, {"key", "n"}, {"value", 1}}}},
              {"rootOperations", {{{"type", "increment"}, {"key", "n"}, {"value", 1}}}}});
  EXPECT_EQ(child.text(), R"({"from":"below","log":[1],"n":3})");
  EXPECT_EQ(run_.text(), R"({"n":2})");
  EXPECT_EQ(grandchild.text(), R"({"own":false})");
}

TEST_F(Ambient, AParentThatIsElsewhereTakesUpdatesAndGivesNothing) {
  const cairn::Run child = store_.start({.id = "child", .parent = "far"});
  const RunScope scope(child);
  metadata::parent().increment("done").append("log", "x");
  cairn::Run far = child.parent();
  EXPECT_EQ(far.try_set("a", 1).code, Code::kAccepted);
  EXPECT_EQ(far.get("a"), std::nullopt);
  EXPECT_EQ(far.try_current().status().code, Code::kNotFound);
  EXPECT_TRUE(far.info().foreign);
  EXPECT_EQ(far.try_finish().code, Code::kInvalidArgument);
  metadata::flush();
  metadata::refresh();
  EXPECT_EQ(child.text(), "{}");
}

TEST_F(Ambient, ScopesNestAndEnd) {
  const cairn::Run other = store_.start({.id = "other"});
  {
    const RunScope outer(run_);
    metadata::set("at", "outer");
    {
      const RunScope inner(other);
      metadata::set("at", "inner");
      {
        const RunScope none{Context()};
        metadata::set("at", "nowhere");
      }
    }
    metadata::set("then", "outer");
  }
  metadata::set("at", "outside");
  EXPECT_EQ(run_.text(), R"({"at":"outer","then":"outer"})");
  EXPECT_EQ(other.text(), R"({"at":"inner"})");
}

TEST_F(Ambient, ErrorsAreThoseOfTheRun) {
  const RunScope scope(run_);
  EXPECT_EQ(metadata::try_set("large", std::string(5000, 'x')).code, Code::kTooLarge);
  EXPECT_THROW(metadata::set("large", std::string(5000, 'x')), Error);
  EXPECT_THROW(metadata::remove("none", 1), Error);
  metadata::set("text", "no number");
  EXPECT_THROW((void)metadata::get<double>("text"), Error);
  run_.finish();
  EXPECT_EQ(metadata::try_increment("n").code, Code::kFinished);
}

TEST_F(Ambient, AnotherThreadIsOutsideUntilTheContextIsCarriedThere) {
  const RunScope scope(run_);
  const Context context = Context::capture();
  EXPECT_TRUE(context.inside_run());
  std::thread([&] {
    metadata::set("a", "lost");
    {
      const RunScope inside(context);
      metadata::set("b", "kept");
    }
    metadata::set("c", "lost");
  }).join();
  std::thread(context.wrap([] { metadata::set("d", "kept"); })).join();
  std::jthread(context.wrap([] { metadata::set("e", "kept"); })).join();
  std::jthread(context.wrap([](const std::stop_token& stop) { metadata::set("f", stop.stop_requested()); })).join();
  EXPECT_EQ(run_.text(), R"({"b":"kept","d":"kept","e":"kept","f":false})");
}

TEST_F(Ambient, ACapturedContextOutlivesScopeHandleAndStore) {
  Context context;
  {
    const cairn::Run run = store_.start({.id = "short"});
    const RunScope scope(run);
    context = Context::capture();
  }
  context.run([] { metadata::set("after", true); });
  EXPECT_EQ(store_.find("short")->text(), R"({"after":true})");
  store_.close();
  EXPECT_EQ(context.run([] { return metadata::try_set("after", false).code; }), Code::kClosed);
}

TEST_F(Ambient, ACallbackRunsInTheContextOfTheOneWhoGaveIt) {
  std::vector<std::function<int(int)>> callbacks;
  {
    const RunScope scope(run_);
    callbacks.emplace_back(Context::capture().wrap([](int by) {
      metadata::increment("calls", by);
      return by;
    }));
  }
  const cairn::Run other = store_.start({.id = "other"});
  const RunScope scope(other);
  EXPECT_EQ(callbacks[0](2), 2);
  metadata::set("mine", true);
  EXPECT_EQ(run_.text(), R"({"calls":2})");
  EXPECT_EQ(other.text(), R"({"mine":true})");
}

/// A pool of one queue, as a host would have it.
class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { work(); });
    }
  }
  ~Pool() {
    {
      const std::lock_guard guard(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    for (std::thread& t : threads_) {
      t.join();
    }
  }
  void post(std::function<void()> job) {
    {
      const std::lock_guard guard(mutex_);
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return ended_ || !jobs_.empty(); });
      if (jobs_.empty()) {
        return;
      }
      auto job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

TEST_F(Ambient, JobsOfAThreadPoolCountInTheirOwnRuns) {
  std::vector<cairn::Run> runs;
  for (int i = 0; i < 4; ++i) {
    runs.push_back(store_.start({.id = "run" + std::to_string(i)}));
  }
  {
    Pool pool(3);
    for (const cairn::Run& run : runs) {
      const RunScope scope(run);
      for (int job = 0; job < 250; ++job) {
        pool.post(Context::capture().wrap([] { metadata::increment("jobs"); }));
      }
    }
  }
  for (const cairn::Run& run : runs) {
    EXPECT_EQ(run.text(), R"({"jobs":250})");
  }
}

/// A coroutine that nobody waits for.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

/// co_await: goes on when somebody resumes it.
struct Parked {
  std::coroutine_handle<>* out;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> handle) { *out = handle; }
  int await_resume() { return 7; }
};

Detached count(std::coroutine_handle<>* parked, bool* done) {
  CoroutineScope scope;
  metadata::increment("steps");
  const int got = co_await scope(Parked{parked});
  metadata::increment("steps", got);
  co_await scope(Parked{parked});
  metadata::increment("steps", 100);
  *done = true;
}

TEST_F(Ambient, ACoroutineStaysInItsRunOnEveryThreadAndLeavesNoTrace) {
  std::coroutine_handle<> parked;
  bool done = false;
  const cairn::Run other = store_.start({.id = "other"});
  {
    const RunScope scope(run_);
    count(&parked, &done);
  }
  EXPECT_FALSE(Context::capture().inside_run());
  {
    const RunScope scope(other);
    parked.resume();
    metadata::set("mine", true);  // the coroutine gave the thread's own context back
  }
  std::thread([&] {
    parked.resume();
    EXPECT_FALSE(Context::capture().inside_run());
  }).join();
  EXPECT_TRUE(done);
  EXPECT_EQ(run_.text(), R"({"steps":108})");
  EXPECT_EQ(other.text(), R"({"mine":true})");
}

}  // namespace
}  // namespace cairn::tests
