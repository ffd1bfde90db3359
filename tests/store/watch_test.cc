// What a watcher is told: every run that changed, once, in its newest state; across tokens, restarts and power cuts; in
// the owner and in a reader of another process's store.
#include "engine/watch/watch.h"

#include <gmock/gmock.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/crashing_store.h"
#include "tests/support/fake_clock.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;
using engine::WatchEvent;
using engine::WatchKind;
using engine::WatchOptions;

std::string text_of(const WatchEvent& e) {
  static constexpr const char* kKinds[] = {"", "changed", "finished", "erased", "reset", "orphaned"};
  std::string text = kKinds[static_cast<int>(e.kind)];
  if (!e.run.record.id.empty()) {
    text += " " + e.run.record.id;
  }
  if (e.kind != WatchKind::kReset) {
    text += "@" + std::to_string(e.run.record.sequence);
  }
  if (e.run.record.document.size() > 0) {
    text += " " + e.run.record.document.to_json();
  }
  return text;
}

/// A watch of the store or of a reader, as one.
struct Watcher {
  std::unique_ptr<engine::StoreReader> reader;
  std::unique_ptr<engine::WatchSource> source;
  std::unique_ptr<engine::Watch> watch;
  std::string token;

  /// All that there is now: "changed a@2 {...}; finished b@3".
  std::string told() {
    std::string all;
    while (true) {
      WatchEvent event;
      auto got = watch->next(event);
      if (!got.ok()) {
        return all + "code " + std::to_string(static_cast<int>(got.code()));
      }
      if (!*got) {
        return all;
      }
      all += (all.empty() ? "" : "; ") + text_of(event);
      token = event.token;
    }
  }
};

/// Each promise holds for both: the owner's watch and a reader's.
class Watching : public CrashingStoreTest, public ::testing::WithParamInterface<bool> {
 public:
  testing::FakeClock& clock() { return clock_; }

 protected:
  engine::StoreOptions timed() {
    engine::StoreOptions o = options();
    testing::use_clock(o.hooks, *this);
    o.mark_crashed = false;
    return o;
  }
  void SetUp() override { open(timed()); }

  Result<Watcher> try_watch(const WatchOptions& options) {
    Watcher w;
    if (GetParam()) {
      engine::StoreReader::Options o;
      o.directory = path();
      o.hooks.has_boot_id = true;
      o.hooks.boot_id = store_ ? store_->options().hooks.boot_id : o.hooks.boot_id;
      auto reader = engine::StoreReader::open(o);
      if (!reader.ok()) {
        return reader.status();
      }
      w.reader = std::move(*reader);
      w.source = std::make_unique<engine::ReaderSource>(*w.reader, true);
    } else {
      w.source = std::make_unique<engine::StoreSource>(*store_, true);
    }
    auto watch = engine::Watch::open(*w.source, options);
    if (!watch.ok()) {
      return watch.status();
    }
    w.watch = std::move(*watch);
    return w;
  }
  Watcher watch(const std::string& run, const std::string& token = {}, bool from_now = false) {
    WatchOptions o;
    o.run = run;
    o.token = token;
    o.from_now = from_now;
    auto w = try_watch(o);
    EXPECT_TRUE(w.ok()) << engine::error_detail().message;
    return std::move(*w);
  }
  void finish(const engine::RunRef& run) { ASSERT_TRUE(store_->finish(*run, RunStatus::kCompleted).ok()); }
  void erase(const std::string& id) { ASSERT_TRUE(store_->erase(id).ok()) << engine::error_detail().message; }

  testing::FakeClock clock_;
};

INSTANTIATE_TEST_SUITE_P(Of, Watching, ::testing::Values(false, true),
                         [](const auto& kind) { return kind.param ? "AReader" : "TheOwner"; });

TEST_P(Watching, ARunIsToldInItsNewestStateHoweverOftenItChanged) {
  const auto run = start("a");
  Watcher w = watch("a");
  EXPECT_EQ(w.told(), "changed a@1");
  EXPECT_EQ(w.told(), "");
  for (int i = 1; i <= 1000; ++i) {
    ASSERT_EQ(set(run, "n", std::to_string(i)), Code::kOk);
  }
  EXPECT_EQ(w.told(), R"(changed a@1001 {"n":1000})");
  EXPECT_EQ(w.told(), "");
  start("b");
  EXPECT_EQ(w.told(), "") << "another run";
  ASSERT_TRUE(store_->set_tags(*run, {"t"}).ok());
  EXPECT_EQ(w.told(), R"(changed a@1002 {"n":1000})");
  ASSERT_EQ(set(run, "n", "0"), Code::kOk);
  finish(run);
  EXPECT_EQ(w.told(), R"(finished a@1004 {"n":0})");
  EXPECT_EQ(w.told(), "");
}

TEST_P(Watching, AllRunsWithTheirStarts) {
  start("a");
  Watcher w = watch("");
  EXPECT_EQ(w.told(), "changed a@1");
  const auto b = start("b");
  EXPECT_EQ(w.told(), "changed b@1");
  ASSERT_EQ(set(b, "n", "1"), Code::kOk);
  finish(start("c"));
  Watcher late = watch("");
  EXPECT_EQ(late.told(), R"(changed a@1; changed b@2 {"n":1}; finished c@2)");
  const std::string told = w.told();
  EXPECT_THAT(told, ::testing::AnyOf(R"(changed b@2 {"n":1}; finished c@2)", R"(finished c@2; changed b@2 {"n":1})"));
}

TEST_P(Watching, WhatWasSealedFoldedAndEvictedBetweenTwoLooksIsToldAll) {
  Watcher w = watch("");
  EXPECT_EQ(w.told(), "");
  for (int round = 0; round < 3; ++round) {
    const std::string id = "r" + std::to_string(round);
    ASSERT_EQ(set(start(id), "n", "1"), Code::kOk);
    ASSERT_TRUE(store_->barrier().ok());
    ASSERT_TRUE(store_->checkpoint().ok());
    ASSERT_EQ(store_->stats().runs_hot, 0U) << "the run left memory";
    EXPECT_EQ(w.told(), "changed " + id + R"(@2 {"n":1})");
    EXPECT_EQ(w.told(), "");
  }
  erase("r1");
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  ASSERT_EQ(store_->stats().runs_hot, 0U);
  EXPECT_EQ(w.told(), "erased r1@3");
}

TEST_P(Watching, ASealThatChangedNothingIsNotToldAgain) {
  const auto run = start("a");
  Watcher w = watch("");
  ASSERT_EQ(set(run, "n", "1"), Code::kOk);
  EXPECT_EQ(w.told(), R"(changed a@2 {"n":1})");
  ASSERT_TRUE(store_->barrier().ok());
  EXPECT_EQ(w.told(), "");
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(w.told(), "");
}

TEST_P(Watching, AnErasedRunAndTheNextOfItsId) {
  const auto run = start("a");
  Watcher one = watch("a");
  Watcher all = watch("");
  EXPECT_EQ(one.told(), "changed a@1");
  EXPECT_EQ(all.told(), "changed a@1");
  erase("a");
  EXPECT_EQ(one.told(), "erased a@2");
  EXPECT_EQ(all.told(), "erased a@2");
  EXPECT_EQ(one.told() + all.told(), "");
  ASSERT_EQ(set(start("a"), "n", "1"), Code::kOk);
  EXPECT_EQ(one.told(), R"(changed a@2 {"n":1})");
  EXPECT_EQ(all.told(), R"(changed a@2 {"n":1})");
  erase("a");
  start("a");
  EXPECT_EQ(one.told(), "erased a@3; changed a@1") << "between two looks";
  EXPECT_EQ(all.told(), "erased a@3; changed a@1");
}

TEST_P(Watching, ARunThatDoesNotExistYetIsToldOnceItStarts) {
  Watcher w = watch("later");
  EXPECT_EQ(w.told(), "");
  start("other");
  EXPECT_EQ(w.told(), "");
  start("later");
  EXPECT_EQ(w.told(), "changed later@1");
}

TEST_P(Watching, FromNowTellsOnlyWhatChangesThen) {
  const auto a = start("a");
  start("b");
  Watcher w = watch("", {}, true);
  EXPECT_EQ(w.told(), "");
  ASSERT_EQ(set(a, "n", "1"), Code::kOk);
  EXPECT_EQ(w.told(), R"(changed a@2 {"n":1})");
}

TEST_P(Watching, ATokenOfARunGoesOnExactlyThere) {
  const auto run = start("a");
  Watcher w = watch("a");
  EXPECT_EQ(w.told(), "changed a@1");
  EXPECT_EQ(watch("a", w.token).told(), "") << "nothing changed since";
  ASSERT_EQ(set(run, "n", "1"), Code::kOk);
  Watcher again = watch("a", w.token);
  EXPECT_EQ(again.told(), R"(changed a@2 {"n":1})");
  EXPECT_EQ(watch("a", again.token).told(), "");
}

TEST_P(Watching, ATokenOfARunOutlivesRestartsAndKills) {
  ASSERT_EQ(set(start("a"), "n", "1"), Code::kOk);
  Watcher w = watch("a");
  EXPECT_EQ(w.told(), R"(changed a@2 {"n":1})");
  const std::string token = w.token;
  w = Watcher();
  close();
  open(timed());
  EXPECT_EQ(watch("a", token).told(), "");
  ASSERT_EQ(set(find("a"), "n", "2"), Code::kOk);
  kill();
  EXPECT_EQ(watch("a", token).told(), R"(changed a@3 {"n":2})") << "nothing that was acknowledged is lost";
  erase("a");
  EXPECT_THAT(watch("a", token).told(), ::testing::AnyOf("erased a@3", "erased a@4"));
  start("a");
  EXPECT_EQ(watch("a", token).told(), "erased a@3; changed a@1");
}

TEST_P(Watching, APowerCutResetsWhoeverWasToldOfMoreAndOfLess) {
  const auto run = start("a");
  ASSERT_EQ(set(run, "n", "1"), Code::kOk);
  ASSERT_TRUE(store_->barrier().ok());
  Watcher w = watch("a");
  Watcher all = watch("");
  EXPECT_EQ(w.told(), R"(changed a@2 {"n":1})");
  EXPECT_EQ(all.told(), R"(changed a@2 {"n":1})");
  for (int i = 2; i < 5; ++i) {
    ASSERT_EQ(set(run, "n", std::to_string(i)), Code::kOk);  // staged, never sealed
  }
  EXPECT_EQ(w.told(), R"(changed a@5 {"n":4})");
  const std::string token = w.token;
  const std::string token_of_all = all.token;
  w = Watcher();
  all = Watcher();
  reboot();
  EXPECT_EQ(json("a"), R"({"n":1})");
  EXPECT_EQ(watch("a", token).told(), R"(reset a; changed a@2 {"n":1})");
  EXPECT_EQ(watch("", token_of_all).told(), R"(reset; changed a@2 {"n":1})");
  ASSERT_EQ(set(find("a"), "n", "\"other\""), Code::kOk);
  // The same sequence as the token says, and another history.
  ASSERT_EQ(set(find("a"), "m", "1"), Code::kOk);
  ASSERT_EQ(set(find("a"), "m", "2"), Code::kOk);
  Watcher fresh = watch("a");
  const std::string now = fresh.told();
  EXPECT_THAT(now, ::testing::HasSubstr("a@5"));
  EXPECT_EQ(watch("a", token).told(), "reset a; " + now);
  // Once reset, the watcher goes on.
  EXPECT_EQ(watch("a", fresh.token).told(), "");
  close();
  open(timed());
  EXPECT_EQ(watch("a", fresh.token).told(), "") << "a clean close loses nothing";
}

TEST_P(Watching, ATokenOfAllRunsTellsWhatChangedSince) {
  const auto a = start("a");
  start("b");
  start("c");
  Watcher w = watch("");
  EXPECT_EQ(w.told(), "changed a@1; changed b@1; changed c@1");
  ASSERT_EQ(set(a, "n", "1"), Code::kOk);
  erase("c");
  Watcher again = watch("", w.token);
  EXPECT_THAT(again.told(), ::testing::AnyOf(R"(changed a@2 {"n":1}; erased c@2)", R"(erased c@2; changed a@2 {"n":1})",
                                             R"(changed a@2 {"n":1}; erased c@1)"));
  // What was folded since, it cannot tell any more.
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  start("d");
  const std::string told = watch("", w.token).told();
  EXPECT_THAT(told, ::testing::AnyOf(R"(reset; changed a@2 {"n":1}; changed b@1; changed d@1)",
                                     R"(changed a@2 {"n":1}; erased c@2; changed d@1)"));
}

TEST_P(Watching, AQueueThatWasNotDrainedIsNotCoveredByItsTokens) {
  for (const char* id : {"a", "b", "c"}) {
    start(id);
  }
  Watcher w = watch("");
  WatchEvent event;
  ASSERT_TRUE(*w.watch->next(event));
  EXPECT_EQ(watch("", event.token).told(), "reset; changed a@1; changed b@1; changed c@1");
  EXPECT_EQ(w.told(), "changed b@1; changed c@1");
  EXPECT_EQ(watch("", w.token).told(), "");
}

TEST_P(Watching, WhatWaitsInTheQueueIsHandedOutAsItIsThen) {
  std::vector<engine::RunRef> runs;
  for (const char* id : {"a", "b", "c"}) {
    runs.push_back(start(id));
  }
  WatchOptions o;
  o.interval_ms = 0;  // no look is young enough
  auto w = try_watch(o);
  WatchEvent event;
  ASSERT_TRUE(*w->watch->next(event));
  EXPECT_EQ(text_of(event), "changed a@1");
  for (int i = 1; i <= 9; ++i) {
    ASSERT_EQ(set(runs[2], "n", std::to_string(i)), Code::kOk);
  }
  EXPECT_EQ(w->told(), R"(changed b@1; changed c@10 {"n":9})");
}

TEST_P(Watching, TokensOfOthersAreRefused) {
  start("a");
  start("b");
  Watcher a = watch("a");
  (void)a.told();
  const auto code = [this](const std::string& run, const std::string& token) {
    WatchOptions o;
    o.run = run;
    o.token = token;
    return try_watch(o).code();
  };
  EXPECT_EQ(code("a", a.token), Code::kOk);
  EXPECT_EQ(code("b", a.token), Code::kInvalidArgument);
  EXPECT_EQ(code("", a.token), Code::kInvalidArgument);
  EXPECT_EQ(code("a", "w1-nonsense"), Code::kInvalidArgument);
  EXPECT_EQ(code("a", a.token + "0"), Code::kInvalidArgument);
  EXPECT_EQ(code("a", a.token.substr(0, a.token.size() - 1)), Code::kInvalidArgument);
  std::string other = a.token;
  other[3] = other[3] == '0' ? '1' : '0';  // the store's id
  EXPECT_EQ(code("a", other), Code::kInvalidArgument);
  EXPECT_EQ(code("no such id!", ""), Code::kInvalidArgument);
}

TEST(WatchToken, IsItsText) {
  engine::WatchToken t;
  for (size_t i = 0; i < t.store_id.size(); ++i) {
    t.store_id[i] = static_cast<uint8_t>(i * 17);
  }
  t.incarnation = 0x0123456789abcdef;
  t.scope = engine::watch_scope("run");
  t.created_lsn = UINT64_MAX;
  t.position = 1;
  const std::string text = to_text(t);
  EXPECT_EQ(text.size(), engine::kWatchTokenBytes);
  EXPECT_EQ(text.substr(0, 36), "w1-0011223344556677-8899aabbccddeeff");
  ASSERT_TRUE(engine::parse_watch_token(text).has_value());
  EXPECT_EQ(*engine::parse_watch_token(text), t);
  EXPECT_NE(engine::watch_scope("run"), engine::watch_scope("nur"));
  EXPECT_EQ(engine::watch_scope(""), 0U);
}

}  // namespace
}  // namespace cairn::tests
