// The upstream in C++: the calls of sync_test.cc, both error styles side by side.
#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "cairn/cairn.hpp"
#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

using std::chrono::milliseconds;

class SyncCpp : public ::testing::Test {
 protected:
  static Options options(uint32_t metadata_bytes_max = 0) {
    Options o;
    o.background = false;
    o.segment_bytes = 256u << 10;
    o.metadata_bytes_max = metadata_bytes_max;
    return o;
  }
  template <class Call>
  static Code code_of(Call&& call) {
    try {
      call();
    } catch (const Error& e) {
      return e.code();
    }
    return Code::kOk;
  }
  std::string next() {
    store_.barrier();
    sync_.control(SyncControl::kHurry);
    std::string message;
    (void)sync_.next([&message](std::string_view bytes) { message = bytes; });
    return message;
  }
  static std::string receive(Store& store, std::string_view message) {
    std::string answer;
    store.sync().receive(message, [&answer](std::string_view bytes) { answer = bytes; });
    return answer;
  }
  void send() {
    for (std::string message = next(); !message.empty(); message = next()) {
      sync_.feed(receive(up_, message));
    }
  }

  Directory directory_;
  Store up_ = Store::open(directory_.path() + "/up", options(100));
  Store store_ = Store::open(directory_.store(), options());
  Sync sync_ = store_.sync();
};

TEST_F(SyncCpp, CarriesARunUpstream) {
  EXPECT_FALSE(sync_.state().attached);
  sync_.attach("up");
  cairn::Run run = store_.start({"r"});
  run.set("n", 1);
  const std::string message = next();
  SyncState state = sync_.state();
  EXPECT_TRUE(state.attached);
  EXPECT_FALSE(state.all_acknowledged);
  EXPECT_EQ(state.in_flight_bytes, message.size());
  EXPECT_TRUE(state.oldest.has_value());
  EXPECT_EQ(state.next_try, std::nullopt);
  EXPECT_EQ(state.sequence, std::nullopt);
  sync_.feed(receive(up_, message));
  state = sync_.state("r");
  EXPECT_TRUE(state.all_acknowledged);
  EXPECT_EQ(state.acknowledged, state.sequence);
  EXPECT_GT(state.sequence.value_or(0), 0u);
  EXPECT_EQ(sync_.state().oldest, std::nullopt);
  EXPECT_EQ(up_.find("r")->text(), R"({"n":1})");
  sync_.detach();
  EXPECT_FALSE(sync_.state().attached);
}

TEST_F(SyncCpp, NextSaysWhenToAskAgain) {
  SyncOptions o;
  o.interval = std::chrono::hours(1);
  sync_.attach("up", o);
  store_.start({"r"}).set("n", 1);
  store_.barrier();
  int given = 0;
  EXPECT_EQ(sync_.next([&given](std::string_view) { ++given; }), std::nullopt) << "an answer comes first";
  EXPECT_EQ(given, 1);
  sync_.failed(SyncFailure::kTransient, "refused");
  const std::optional<milliseconds> in = sync_.next([&given](std::string_view) { ++given; });
  ASSERT_TRUE(in.has_value());
  EXPECT_GT(in->count(), 0);
  EXPECT_EQ(sync_.state().last_error, "refused");
  EXPECT_EQ(sync_.state().failures, 1u);
  EXPECT_EQ(given, 1);
}

TEST_F(SyncCpp, ErrorsAreThrownOrReturned) {
  const auto ignore = [](std::string_view) {};
  EXPECT_EQ(code_of([&] { (void)sync_.next(ignore); }), Code::kInvalidArgument);
  EXPECT_EQ(sync_.try_next(ignore).code(), Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] { sync_.feed("x"); }), Code::kInvalidArgument);
  EXPECT_EQ(sync_.try_feed("x").code, Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] { sync_.failed(SyncFailure::kDenied, "401"); }), Code::kInvalidArgument);
  EXPECT_EQ(sync_.try_failed(SyncFailure::kDenied, "401").code, Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] { sync_.control(SyncControl::kHurry); }), Code::kInvalidArgument);
  EXPECT_EQ(sync_.try_control(SyncControl::kMoved).code, Code::kInvalidArgument);
  EXPECT_EQ(code_of([&] { sync_.wait(milliseconds(0)); }), Code::kInvalidArgument);
  EXPECT_EQ(sync_.try_wait(milliseconds(0)).code, Code::kInvalidArgument);
  EXPECT_TRUE(sync_.dead_letters().empty());
  EXPECT_TRUE(sync_.try_each_dead_letter([](const DeadLetter&) {}).ok());
  EXPECT_FALSE(sync_.release("r", SyncRelease::kSkip));
  EXPECT_FALSE(*sync_.try_release("r", SyncRelease::kSkip));
  EXPECT_EQ(code_of([&] { (void)sync_.state("none"); }), Code::kNoSuchRun);
  EXPECT_EQ(sync_.try_state("none").code(), Code::kNoSuchRun);
  EXPECT_TRUE(sync_.try_state().ok());
  EXPECT_EQ(code_of([&] { sync_.attach(""); }), Code::kInvalidArgument);
  EXPECT_EQ(sync_.try_attach("").code, Code::kInvalidArgument);
  SyncOptions o;
  o.interval = milliseconds(-1);
  EXPECT_EQ(sync_.try_attach("up", o).code, Code::kInvalidArgument);
  o = SyncOptions();
  o.unsynced_max = milliseconds(-1);
  EXPECT_EQ(code_of([&] { sync_.attach("up", o); }), Code::kInvalidArgument);
  EXPECT_TRUE(sync_.try_attach("up").ok());
  store_.start({"r"}).set("n", 1);
  EXPECT_EQ(sync_.try_wait(milliseconds(1)).code, Code::kTimeout);
  EXPECT_TRUE(sync_.try_next(ignore).ok());
  EXPECT_TRUE(sync_.try_detach().ok());
}

TEST_F(SyncCpp, AMessageThatIsNoneIsAnsweredAndThrown) {
  std::string answer;
  const auto reply = [&answer](std::string_view bytes) { answer = bytes; };
  EXPECT_EQ(code_of([&] { up_.sync().receive("junk", reply); }), Code::kCorrupt);
  EXPECT_NE(answer, "");
  answer.clear();
  EXPECT_EQ(up_.sync().try_receive("junk", reply).code, Code::kCorrupt);
  EXPECT_NE(answer, "");
}

TEST_F(SyncCpp, WhatACallbackThrowsIsPassedOn) {
  const auto throws = [](std::string_view) { throw std::runtime_error("the host's"); };
  sync_.attach("up");
  store_.start({"r"}).set("n", 1);
  store_.barrier();
  EXPECT_THROW((void)sync_.next(throws), std::runtime_error);
  EXPECT_EQ(sync_.state().in_flight_runs, 1u);
  EXPECT_EQ(next(), "") << "it was given out";
  sync_.failed(SyncFailure::kTransient, "not sent");
  sync_.control(SyncControl::kResume);
  EXPECT_EQ(sync_.try_next(throws).code(), Code::kInvalidArgument);
  sync_.failed(SyncFailure::kTransient, "not sent");
  sync_.control(SyncControl::kResume);
  const std::string message = next();
  EXPECT_THROW(up_.sync().receive(message, throws), std::runtime_error);
  EXPECT_EQ(up_.sync().try_receive(message, throws).code, Code::kInvalidArgument);
  sync_.feed(receive(up_, message));
  EXPECT_TRUE(sync_.state().all_acknowledged);
}

TEST_F(SyncCpp, DeadLettersAreVisitedListedAndReleased) {
  sync_.attach("up");
  for (const char* id : {"a", "b", "c"}) {
    store_.start({id}).set("text", std::string(200, 'x'));
  }
  send();
  const std::vector<DeadLetter> letters = sync_.dead_letters();
  ASSERT_EQ(letters.size(), 3u);
  EXPECT_EQ(letters[0].run, "a");
  EXPECT_NE(letters[0].reason, "");
  EXPECT_GT(letters[0].since, TimePoint());
  EXPECT_EQ(sync_.state().held_runs, 3u);
  int visits = 0;
  sync_.each_dead_letter([&visits](const DeadLetter&) { return ++visits < 2; });
  EXPECT_EQ(visits, 2);
  EXPECT_THROW(sync_.each_dead_letter([](const DeadLetter&) { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_TRUE(sync_.release("a", SyncRelease::kSkip));
  EXPECT_FALSE(sync_.release("a", SyncRelease::kSkip));
  store_.find("b")->set("text", "short");
  const Result<bool> released = sync_.try_release("b", SyncRelease::kReplace);
  ASSERT_TRUE(released.ok());
  EXPECT_TRUE(*released);
  EXPECT_TRUE(sync_.release("c", SyncRelease::kRetry));
  send();
  EXPECT_EQ(up_.find("b")->text(), R"({"text":"short"})");
  ASSERT_EQ(sync_.dead_letters().size(), 1u);
  EXPECT_EQ(sync_.dead_letters()[0].run, "c");
}

TEST_F(SyncCpp, OptionsArrive) {
  SyncOptions o;
  o.batch_runs_max = 2;
  o.unsynced_runs_max = 3;
  sync_.attach("up", o);
  for (const char* id : {"a", "b", "c"}) {
    store_.start({id}).set("n", 1);
  }
  store_.barrier();
  store_.checkpoint();
  EXPECT_TRUE(sync_.state().backlog);
  EXPECT_EQ(store_.try_start().code(), Code::kBacklog);
  EXPECT_NE(next(), "");
  EXPECT_EQ(sync_.state().in_flight_runs, 2u);
}

TEST_F(SyncCpp, PauseAndResume) {
  sync_.attach("up");
  store_.start({"r"}).set("n", 1);
  sync_.control(SyncControl::kPause);
  EXPECT_TRUE(sync_.state().paused);
  EXPECT_EQ(next(), "");
  sync_.control(SyncControl::kResume);
  EXPECT_NE(next(), "");
}

TEST_F(SyncCpp, WaitReturnsOnceAnotherThreadHasCarriedIt) {
  sync_.attach("up");
  cairn::Run run = store_.start({"r"});
  run.set("n", 1);
  std::atomic<bool> stop{false};
  std::thread carrier([&] {
    Sync sync = store_.sync();  // a view: as many as one likes
    while (!stop) {
      std::string message;
      (void)sync.next([&message](std::string_view bytes) { message = bytes; });
      if (message.empty()) {
        std::this_thread::yield();
      } else {
        sync.feed(receive(up_, message));
      }
    }
  });
  sync_.wait();
  EXPECT_EQ(up_.find("r")->text(), R"({"n":1})");
  stop = true;
  carrier.join();
}

static_assert(std::is_trivially_copyable_v<Sync>, "a view");

}  // namespace
}  // namespace cairn::tests
