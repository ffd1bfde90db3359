// What a receiver knows of the stores whose runs it has: who they are, when they were last heard of, and for how long.
#include "engine/store/home_stores.h"

#include <unistd.h>

#include "engine/base/host_name.h"
#include "engine/reader/store_reader.h"
#include "engine/sync/question.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using engine::HomeStore;

class HomeStores : public SyncTest {
 protected:
  void SetUp() override {
    up.open();
    worker.open();
    worker.attach(asks());
  }
  static sync::SenderOptions asks(int64_t interval_ms = 5000) {
    sync::SenderOptions o;
    o.poll_interval_ms = interval_ms;
    o.stays = true;
    return o;
  }
  /// Time of both passes, and what the worker has to say is heard.
  void pass(int64_t ms) {
    for (int64_t at = 0; at < ms; at += 1000) {
      worker.clock().advance_ms(1000);
      up.clock().advance_ms(1000);
      for (std::string m = worker.next(); !m.empty(); m = worker.next()) {
        worker.feed(up.receiver().handle(m));
      }
    }
  }
  sync::OwnerId owner() { return worker.store().store_id(); }
  HomeStore home() { return *up.store().home_stores().find(owner()); }
  /// As a process sees it that reads the directory; nothing of a run without a home.
  std::optional<HomeStore> read_home(const std::string& id) {
    engine::StoreReader::Options options;
    options.directory = up.directory();
    testing::use_clock(options.hooks, up);
    auto reader = engine::StoreReader::open(std::move(options));
    EXPECT_TRUE(reader.ok()) << said(reader.status());
    auto view = (*reader)->read(id);
    EXPECT_TRUE(view.ok() && *view) << id;
    return (*view)->home == nullptr ? std::nullopt : std::optional(*(*view)->home);
  }
  std::vector<std::string> listed(const std::string& from) {
    engine::StoreReader::Options options;
    options.directory = up.directory();
    testing::use_clock(options.hooks, up);
    auto reader = engine::StoreReader::open(std::move(options));
    engine::RunQuery query;
    query.from = from;
    query.order = engine::RunOrder::kId;
    query.limit = 2;
    std::vector<std::string> ids;
    do {
      auto next = (*reader)->list(query, [&ids](const engine::RunView& run) {
        ids.push_back(run.record.id);
        return true;
      });
      EXPECT_TRUE(next.ok()) << said(next.status());
      query.cursor = next.ok() ? *next : "";
    } while (!query.cursor.empty());
    return ids;
  }
};

TEST_F(HomeStores, AWorkerThatAsksIsKnownByItsHostItsDirectoryAndItsProcess) {
  worker.start("r");
  pass(2000);
  const HomeStore known = home();
  EXPECT_EQ(known.id, owner());
  EXPECT_EQ(known.host, engine::host_name());
  EXPECT_FALSE(known.host.empty());
  EXPECT_EQ(known.directory, worker.directory());
  EXPECT_EQ(known.process, static_cast<uint64_t>(getpid()));
  EXPECT_GE(known.heard_us, known.taken_us);
  EXPECT_GE(known.taken_us, up.clock().wall_us - 2'000'000);
  EXPECT_FALSE(known.silent);
}

TEST_F(HomeStores, OneThatDoesNotAskIsKnownByItsIdAndByWhenItSent) {
  worker.attach();
  worker.start("r");
  pass(2000);
  EXPECT_EQ(home().host, "");
  EXPECT_EQ(home().directory, "");
  EXPECT_NE(home().heard_us, 0);
  EXPECT_EQ(home().taken_us, home().heard_us);
  up.clock().advance_ms(3'600'000);
  EXPECT_FALSE(home().silent) << "nobody said that it asks";
}

TEST_F(HomeStores, OneOfWhichNothingIsHeardForAMinuteIsSilentUntilItIsHeardOf) {
  worker.start("r");
  pass(10'000);
  up.clock().advance_ms(54'000);  // it may have been heard of 5 s before
  EXPECT_FALSE(home().silent);
  up.clock().advance_ms(7'000);
  EXPECT_TRUE(home().silent);
  pass(6'000);
  EXPECT_FALSE(home().silent);
}

TEST_F(HomeStores, ACommandThatComesAndGoesIsNotTakenForAWorkerThatIsGone) {
  sync::SenderOptions once = asks();
  once.stays = false;
  worker.attach(once);
  worker.start("r");
  pass(6000);
  EXPECT_EQ(home().host, engine::host_name());
  up.clock().advance_ms(3'600'000);
  EXPECT_FALSE(home().silent);
}

TEST_F(HomeStores, AJumpOfTheWallClockSilencesNobody) {
  worker.start("r");
  pass(6000);
  up.clock().wall_us += int64_t{3'600'000'000};
  EXPECT_FALSE(home().silent);
}

TEST_F(HomeStores, WhatIsKnownIsThereAfterARestartAndTheSilenceCountsFromThere) {
  worker.start("r");
  pass(10'000);
  const HomeStore before = home();
  up.reopen();
  EXPECT_EQ(home().host, before.host);
  EXPECT_EQ(home().directory, before.directory);
  EXPECT_EQ(home().process, before.process);
  EXPECT_EQ(home().heard_us, before.heard_us);
  EXPECT_EQ(home().taken_us, before.taken_us);
  up.clock().advance_ms(59'000);
  EXPECT_FALSE(home().silent) << "nobody could be heard before";
  up.clock().advance_ms(2'000);
  EXPECT_TRUE(home().silent);
}

TEST_F(HomeStores, AStepKeepsWhatIsNewAndTheTimesEveryHalfMinute) {
  worker.start("r");
  pass(2000);
  ASSERT_TRUE(up.store().step(0).ok());
  EXPECT_EQ(read_home("r").value_or(HomeStore()).host, engine::host_name());
  const int64_t kept_us = read_home("r").value_or(HomeStore()).heard_us;
  pass(20'000);
  ASSERT_TRUE(up.store().step(0).ok());
  EXPECT_EQ(read_home("r").value_or(HomeStore()).heard_us, kept_us) << "not with each step";
  EXPECT_LE(up.store().next_deadline(), up.clock().monotonic_ms + 30'000) << "a message wakes nobody";
  pass(10'000);
  ASSERT_TRUE(up.store().step(0).ok());
  EXPECT_GT(read_home("r").value_or(HomeStore()).heard_us, kept_us);
}

TEST_F(HomeStores, WhoReadsTheDirectorySeesTheSilenceOnlyWhileSomebodyListens) {
  worker.start("r");
  pass(6000);
  ASSERT_TRUE(up.store().step(0).ok());
  EXPECT_FALSE(read_home("r").value_or(HomeStore()).silent);
  up.clock().advance_ms(100'000);
  EXPECT_TRUE(read_home("r").value_or(HomeStore()).silent);
  up.close();
  EXPECT_FALSE(read_home("r").value_or(HomeStore()).silent) << "nobody has it open";
  EXPECT_EQ(read_home("r").value_or(HomeStore()).host, engine::host_name());
}

TEST_F(HomeStores, ARunOfTheStoresOwnHasNone) {
  worker.start("r");
  up.start("own");
  EXPECT_TRUE(up.store().barrier().ok());
  pass(2000);
  EXPECT_FALSE(read_home("own"));
  EXPECT_TRUE(read_home("r"));
}

TEST_F(HomeStores, RunsAreListedByTheHostAndByTheBeginningOfTheId) {
  for (const char* id : {"a", "b", "c"}) {
    worker.start(id);
  }
  up.start("own");
  EXPECT_TRUE(up.store().barrier().ok());
  pass(6000);
  ASSERT_TRUE(up.store().step(0).ok());
  const std::vector<std::string> all = {"a", "b", "c"};
  const std::string id = engine::store_id_text(owner());
  EXPECT_EQ(listed(engine::host_name()), all);
  EXPECT_EQ(listed(id), all);
  EXPECT_EQ(listed(id.substr(0, 4)), all);
  EXPECT_EQ(listed(id.substr(0, 3)), std::vector<std::string>()) << "too short to be meant";
  EXPECT_EQ(listed(id + "0"), std::vector<std::string>());
  EXPECT_EQ(listed("elsewhere"), std::vector<std::string>());
  EXPECT_TRUE(up.store().checkpoint().ok());
  EXPECT_EQ(listed(engine::host_name()), all) << "from the tables";
}

TEST_F(HomeStores, AHostThatIsNoTextIsNotKept) {
  sync::SenderOptions strange = asks();
  strange.about = sync::About{std::string("\x1b[31m\xff", 6), std::string(1000, 'd'), 1, 0};
  worker.attach(strange);
  worker.start("r");
  pass(6000);
  EXPECT_EQ(home().host, "\x1b[31m?") << "kept as it is: who shows it makes it harmless";
  EXPECT_EQ(home().directory.size(), sync::kAboutBytesMax);
  up.reopen();
  EXPECT_EQ(home().host, "\x1b[31m?");
}

TEST_F(HomeStores, ARepairKeepsThem) {
  worker.start("r");
  pass(6000);
  up.close();
  damage_log(up);
  repair(up);
  up.open();
  EXPECT_EQ(home().host, engine::host_name());
}

}  // namespace
}  // namespace cairn::tests
