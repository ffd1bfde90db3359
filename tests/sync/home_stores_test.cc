// What a receiver knows of the stores whose runs it has: who they are, when they were last heard of, and for how long.
#include "engine/store/home_stores.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "engine/base/host_name.h"
#include "engine/reader/store_reader.h"
#include "engine/store/run_table.h"
#include "engine/sync/heard_owner.h"
#include "engine/sync/question.h"
#include "engine/tables/format.h"
#include "engine/tables/tables.h"
#include "tests/support/hex.h"
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

TEST_F(HomeStores, WhoReadsTheDirectorySeesAWorkerThatWasIdleAndBeginsAnew) {
  worker.start("r");
  pass(6000);
  worker.finish("r");
  pass(120'000);
  ASSERT_TRUE(up.store().step(0).ok());
  worker.start("later");
  pass(3000);
  ASSERT_TRUE(up.store().step(0).ok());
  EXPECT_FALSE(read_home("later").value_or(HomeStore()).silent);
  EXPECT_GE(read_home("later").value_or(HomeStore()).heard_us, up.clock().wall_us - 3'000'000);
}

TEST_F(HomeStores, WhoReadsTheDirectoryCountsFromTheOpenToo) {
  worker.start("r");
  pass(6000);
  up.close();
  up.clock().advance_ms(100'000);
  up.open();
  EXPECT_FALSE(read_home("r").value_or(HomeStore()).silent) << "nobody could be heard before";
  up.clock().advance_ms(59'000);
  EXPECT_FALSE(read_home("r").value_or(HomeStore()).silent);
  up.clock().advance_ms(2'000);
  EXPECT_TRUE(read_home("r").value_or(HomeStore()).silent);
}

TEST_F(HomeStores, OneWhoseRateIsBoundedIsNotSilentWhileABatchMayTakeSoLong) {
  sync::SenderOptions slow = asks();
  slow.bytes_per_s = 1000;  // a batch of 256 KiB takes 262 s
  worker.attach(slow);
  worker.start("r");
  pass(10'000);
  ASSERT_EQ(home().host, engine::host_name());
  up.clock().advance_ms(1'000'000);
  EXPECT_FALSE(home().silent);
  up.clock().advance_ms(60'000);
  EXPECT_TRUE(home().silent);
}

TEST_F(HomeStores, AQuestionOfAnOwnerOfWhichNothingWasTakenLeavesNothing) {
  sync::Question question;
  question.owner.fill(7);
  question.follows = true;
  question.about = sync::About{"stranger", "/s", 1, 5000};
  up.receiver().handle(encode_question(question));
  EXPECT_TRUE(up.store().home_stores().on_host("stranger").empty());
  up.clock().advance_ms(2000);
  ASSERT_TRUE(up.store().step(0).ok());
  up.reopen();
  EXPECT_TRUE(up.store().home_stores().on_host("stranger").empty());
}

/// The part alone, over the tables of a store that is closed.
class HomeStoresAlone : public SyncTest {
 protected:
  static sync::OwnerId id(uint8_t digit) {
    sync::OwnerId owner;
    owner.fill(digit);
    return owner;
  }
  void SetUp() override {
    up.open();
    engine::Tables::Options of;
    of.directory = up.directory();
    of.store_id.assign(reinterpret_cast<const char*>(up.store().store_id().data()), up.store().store_id().size());
    up.close();
    auto tables = engine::Tables::open(of);
    ASSERT_TRUE(tables.ok()) << said(tables.status());
    runs_.open(std::move(*tables));
    testing::use_clock(hooks_, up);
  }
  [[nodiscard]] int64_t heard_us(const engine::HomeStores& homes, uint8_t digit) const {
    return homes.find(id(digit))->heard_us;
  }
  engine::Hooks hooks_;
  engine::RunTable runs_;
};

TEST_F(HomeStoresAlone, BeyondTheBoundTheOneHeardOfLongestAgoIsForgottenWithItsRow) {
  engine::HomeStores homes(hooks_, runs_, 2);
  homes.load();
  homes.took(id(1));
  up.clock().advance_ms(1000);
  homes.took(id(2));
  ASSERT_TRUE(homes.keep().ok());
  up.clock().advance_ms(1000);
  EXPECT_TRUE(homes.heard(id(1), nullptr));
  homes.took(id(3));
  EXPECT_FALSE(homes.heard(id(2), nullptr));
  EXPECT_NE(heard_us(homes, 1), 0);
  EXPECT_NE(heard_us(homes, 3), 0);
  ASSERT_TRUE(homes.keep().ok());
  engine::HomeStores later(hooks_, runs_);
  later.load();
  EXPECT_EQ(heard_us(later, 1), heard_us(homes, 1));
  EXPECT_EQ(heard_us(later, 2), 0) << "its row is gone, too";
  EXPECT_EQ(heard_us(later, 3), heard_us(homes, 3));
  engine::HomeStores smaller(hooks_, runs_, 1);
  smaller.load();
  homes.took(id(2));
  EXPECT_EQ(heard_us(homes, 1), 0);
  ASSERT_TRUE(homes.keep().ok());
  EXPECT_NE(heard_us(homes, 2), 0) << "it came back";
}

TEST_F(HomeStoresAlone, AStepWithoutTimeLeavesTheWritingToTheNext) {
  engine::HomeStores homes(hooks_, runs_);
  homes.load();
  homes.took(id(1));
  up.clock().advance_ms(2000);
  bool is_used_up = true;
  const auto look = [&is_used_up] { return is_used_up; };
  const FunctionRef<bool()> used_up(look);
  const auto kept = [this] {
    engine::HomeStores reader(hooks_, runs_);
    reader.load();
    return heard_us(reader, 1) != 0;
  };
  engine::StepTime step{up.clock().monotonic_ms, used_up};
  ASSERT_TRUE(homes.run(step).ok());
  EXPECT_TRUE(step.more);
  EXPECT_LE(homes.due_ms(), up.clock().monotonic_ms);
  EXPECT_FALSE(kept());
  is_used_up = false;
  engine::StepTime next{up.clock().monotonic_ms, used_up};
  ASSERT_TRUE(homes.run(next).ok());
  EXPECT_FALSE(next.more);
  EXPECT_TRUE(kept());
  EXPECT_GT(homes.due_ms(), up.clock().monotonic_ms);
}

TEST_F(HomeStoresAlone, TheTimeOfTheOpenIsKeptInTheseBytes) {
  engine::HomeStores homes(hooks_, runs_);
  homes.took(id(1));
  ASSERT_TRUE(homes.keep().ok());
  up.clock().wall_us = 0x0102030405060708;
  homes.load();
  std::string bytes;
  int64_t since_us = 0;
  ASSERT_TRUE(runs_.tables()
                  ->look([&](engine::TablesTxn& txn) -> Status {
                    CAIRN_TRY_ASSIGN(const auto payload, txn.get(engine::Table::kCursors, "a"));
                    bytes = payload.value_or("");
                    CAIRN_TRY_ASSIGN(since_us, sync::listening_since(txn));
                    return {};
                  })
                  .ok());
  EXPECT_EQ(testing::hex(bytes),
            "01"
            "0807060504030201");
  EXPECT_EQ(since_us, up.clock().wall_us);
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
  std::string upper = id;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  EXPECT_EQ(listed(upper), all);
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
  up.reopen();
  up.close();
  damage_log(up);
  repair(up);
  up.open();
  EXPECT_EQ(home().host, engine::host_name());
}

}  // namespace
}  // namespace cairn::tests
