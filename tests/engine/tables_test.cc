// What tables give back, and that indexes follow records.
#include "engine/tables/tables.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <map>
#include <random>
#include <thread>

#include "tables_fixture.h"

namespace cairn::engine {
namespace {

class TablesTest : public TablesFixture {
 protected:
  void SetUp() override {
    TablesFixture::SetUp();
    open();
  }
};

TEST_F(TablesTest, WrittenRunIsFoundWholeAndAfterReopen) {
  RunRecord r = record("a", "hello");
  r.created_lsn = 5;
  r.sequence = 9;
  r.status = RunStatus::kFailed;
  r.tags = {"x", "y"};
  r.finished_us = 77;
  must_write({put(r)}, 9);
  for (int round = 0; round < 2; ++round) {
    const auto found = tables_->find("a");
    ASSERT_TRUE(found.ok() && found->has_value());
    EXPECT_EQ((*found)->created_lsn, 5U);
    EXPECT_EQ((*found)->sequence, 9U);
    EXPECT_EQ((*found)->status, RunStatus::kFailed);
    EXPECT_EQ((*found)->tags, r.tags);
    EXPECT_EQ((*found)->finished_us, 77);
    EXPECT_TRUE((*found)->document == r.document);
    EXPECT_EQ(tables_->applied_lsn(), 9U);
    open();
  }
}

TEST_F(TablesTest, AbsentAndImpossibleIdsAreNotThere) {
  must_write({put("a")});
  EXPECT_EQ(text("b"), "absent");
  EXPECT_EQ(text(""), "absent");
  EXPECT_EQ(text(std::string(600, 'a')), "absent");
}

TEST_F(TablesTest, EachGoesInIdOrderFromBehindTheGivenOne) {
  must_write({put("c"), put("a"), put("B"), put("ab")});
  EXPECT_EQ(ids(), "B a ab c ");
  EXPECT_EQ(ids("a"), "ab c ");
  EXPECT_EQ(ids("b"), "c ");
  EXPECT_EQ(ids("c"), "");
}

TEST_F(TablesTest, EachEndsWhenTheVisitorSaysSo) {
  must_write(many(0, 500, 10));
  int seen = 0;
  EXPECT_TRUE(tables_->each("", [&](const RunRecord&) { return ++seen < 300; }).ok());
  EXPECT_EQ(seen, 300);
}

TEST_F(TablesTest, EachVisitsAllOfManyPortions) {
  must_write(many(0, 5000, 100));
  int next = 0;
  EXPECT_TRUE(tables_->each("", [&](const RunRecord& r) { return r.id == id(next++); }).ok());
  EXPECT_EQ(next, 5000);
}

TEST_F(TablesTest, VisitorOfEachMayWrite) {
  must_write(many(0, 300, 1000));
  const Status s = tables_->each("", [&](const RunRecord& r) {
    must_write({put(r.id, "seen")});
    return true;
  });
  EXPECT_TRUE(s.ok());
  EXPECT_EQ(text(id(0)), "seen");
  EXPECT_EQ(text(id(299)), "seen");
}

TEST_F(TablesTest, IndexesFollowEveryChange) {
  RunRecord r = record("a", "1");
  must_write({put(r), put("b")});
  EXPECT_EQ(damage(), "");
  r.status = RunStatus::kCompleted;
  must_write({put(r)});
  EXPECT_EQ(damage(), "");
  r.updated_us = -5;
  r.task = "";
  must_write({put(r)});
  EXPECT_EQ(damage(), "");
  r.parent = "";
  r.updated_us = std::numeric_limits<int64_t>::max();
  r.task = std::string(1024, 't');
  must_write({put(r)});
  EXPECT_EQ(damage(), "");
  r.task[1000] = 'u';
  r.parent = "b";
  must_write({put(r)});
  EXPECT_EQ(damage(), "");
  must_write({erase("a")});
  EXPECT_EQ(damage(), "");
  EXPECT_EQ(tables_->stats().runs, 1U);
}

TEST_F(TablesTest, RandomHistoryKeepsIndexesAndRecordsTogether) {
  std::mt19937_64 random(7);
  std::map<std::string, std::string> model;
  for (int round = 0; round < 60; ++round) {
    std::vector<Tables::Change> changes;
    for (int i = 0; i < 50; ++i) {
      const std::string run = id(static_cast<int>(random() % 120));
      if (random() % 4 == 0) {
        changes.push_back(erase(run));
        model.erase(run);
        continue;
      }
      RunRecord r = record(run, std::string(random() % 6000, static_cast<char>('a' + random() % 26)));
      r.status = static_cast<RunStatus>(random() % 13);
      r.updated_us = static_cast<int64_t>(random());
      r.task = std::string(random() % 1024, static_cast<char>('a' + random() % 3));
      r.parent = random() % 2 == 0 ? "" : id(static_cast<int>(random() % 5));
      model[run] = *r.document.member(0).value.get<std::string>();
      changes.push_back(put(std::move(r)));
    }
    must_write(std::move(changes));
  }
  EXPECT_EQ(damage(), "");
  std::map<std::string, std::string> stored;
  ASSERT_TRUE(tables_
                  ->each("",
                         [&](const RunRecord& r) {
                           stored[r.id] = *r.document.member(0).value.get<std::string>();
                           return true;
                         })
                  .ok());
  EXPECT_EQ(stored, model);
}

TEST_F(TablesTest, OfTwoChangesOfOneRunTheLaterCounts) {
  must_write({put("a", "1"), put("b"), put("a", "2"), erase("b")});
  EXPECT_EQ(text("a"), "2");
  EXPECT_EQ(text("b"), "absent");
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesTest, ErasingWhatIsNotThereIsFine) {
  must_write({erase("a")}, 3);
  EXPECT_EQ(ids(), "");
  EXPECT_EQ(tables_->applied_lsn(), 3U);
}

TEST_F(TablesTest, AppliedLsnNeverFalls) {
  must_write({put("a")}, 10);
  must_write({put("a")}, 4);
  EXPECT_EQ(tables_->applied_lsn(), 10U);
  must_write({}, 11);
  open();
  EXPECT_EQ(tables_->applied_lsn(), 11U);
  must_write({put("b")}, 5);
  open();
  EXPECT_EQ(tables_->applied_lsn(), 11U);
}

TEST_F(TablesTest, SessionStaysUntilAnotherIsGiven) {
  EXPECT_EQ(tables_->session(), 0U);
  ASSERT_TRUE(tables_->write({}, 0, engine::Life{42, 7, {1, 2, 3}}).ok());
  must_write({put("a")}, 1);
  open();
  EXPECT_EQ(tables_->session(), 42U);
}

TEST_F(TablesTest, ChangesThatCannotBeStoredChangeNothing) {
  EXPECT_EQ(write({put("a"), put("b/c")}, 5).code, Code::kInvalidArgument);
  EXPECT_EQ(write({{"a", record("b")}}, 5).code, Code::kInvalidArgument);
  RunRecord r = record("a");
  r.task = std::string(1025, 't');
  EXPECT_EQ(write({put(r)}, 5).code, Code::kTooLarge);
  r.task = "\xff";
  EXPECT_EQ(write({put(r)}, 5).code, Code::kInvalidUtf8);
  EXPECT_EQ(ids(), "");
  EXPECT_EQ(tables_->applied_lsn(), 0U);
}

TEST_F(TablesTest, LongestIdTaskAndParentFitTheKeys) {
  RunRecord r = record(std::string(64, 'i'));
  r.parent = std::string(64, 'p');
  r.root = std::string(64, 'r');
  for (const size_t bytes : {445U, 446U, 447U, 1024U}) {
    r.task = std::string(bytes, 't');
    must_write({put(r)});
    EXPECT_EQ(damage(), "");
  }
  r.task = std::string("a\0b", 3);
  must_write({put(r)});
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesTest, SnapshotStaysWhileCommitsGoOn) {
  must_write({put("a", "old"), put("b", "old")}, 1);
  const auto snapshot = tables_->snapshot();
  ASSERT_TRUE(snapshot.ok());
  must_write({put("a", "new"), erase("b"), put("c")}, 2);
  EXPECT_EQ((*snapshot)->applied_lsn(), 1U);
  const auto a = (*snapshot)->find("a");
  ASSERT_TRUE(a.ok() && a->has_value());
  EXPECT_EQ((*a)->document.to_json(), R"({"text":"old"})");
  std::string seen;
  EXPECT_TRUE((*snapshot)
                  ->each("",
                         [&](const RunRecord& r) {
                           seen += r.id;
                           return (*snapshot)->find(r.id)->has_value();
                         })
                  .ok());
  EXPECT_EQ(seen, "ab");
  EXPECT_EQ(ids(), "a c ");
}

TEST_F(TablesTest, SnapshotOutlivesItsTables) {
  must_write({put("a", "kept")});
  auto snapshot = tables_->snapshot();
  ASSERT_TRUE(snapshot.ok());
  close();
  EXPECT_TRUE((*snapshot)->find("a")->has_value());
}

TEST_F(TablesTest, SyncWorksWithAndWithoutCommits) {
  EXPECT_TRUE(tables_->sync().ok());
  must_write({put("a")});
  EXPECT_TRUE(tables_->sync().ok());
  open();
  EXPECT_TRUE(tables_->sync().ok());
  EXPECT_EQ(text("a"), "");
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesTest, StatsCountRunsAndPages) {
  const TableStats before = tables_->stats();
  EXPECT_EQ(before.runs, 0U);
  EXPECT_EQ(before.map_bytes, 1U << 20);
  EXPECT_LT(before.file_bytes, 256U << 10);
  must_write(many(0, 100, 3000), 8);
  const TableStats after = tables_->stats();
  EXPECT_EQ(after.runs, 100U);
  EXPECT_EQ(after.applied_lsn, 8U);
  EXPECT_GT(after.used_bytes, 300000U);
  EXPECT_GE(after.file_bytes, after.used_bytes - (64U << 10));
  EXPECT_GE(after.map_bytes, after.used_bytes);
}

TEST_F(TablesTest, ReadersAndAWriterWorkAtOnce) {
  must_write(many(0, 200, 500, 'a'));
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      for (int i = t; !stop.load(); i = (i + 7) % 200) {
        const std::string found = text(id(i));
        if (found.size() != 500 || found != std::string(500, found[0])) {
          ++wrong;
        }
        if (i % 50 == 0) {
          const auto snapshot = tables_->snapshot();
          if (!snapshot.ok() || !(*snapshot)->find(id(i))->has_value()) {
            ++wrong;
          }
        }
      }
    });
  }
  for (int round = 0; round < 30; ++round) {
    must_write(many(0, 200 + 40 * round, 500, static_cast<char>('a' + round % 26)));
  }
  stop = true;
  for (std::thread& t : readers) {
    t.join();
  }
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_GT(tables_->stats().map_bytes, 1U << 20);  // so the map was replaced under the readers
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesTest, HundredThousandRunsAreWrittenAndFound) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point t) {
    return std::chrono::duration<double, std::milli>(Clock::now() - t).count();
  };
  constexpr int kRuns = 100000;
  auto start = Clock::now();
  for (int from = 0; from < kRuns; from += 10000) {
    must_write(many(from, from + 10000, 300));
  }
  const double write_ms = since(start);
  start = Clock::now();
  for (int i = 0; i < kRuns; ++i) {
    const int at = static_cast<int>(static_cast<uint64_t>(i) * 7919 % kRuns);
    if (!tables_->find(id(at))->has_value()) {
      FAIL() << at;
    }
  }
  const double find_ms = since(start);
  start = Clock::now();
  int seen = 0;
  ASSERT_TRUE(tables_->each("", [&](const RunRecord&) { return ++seen > 0; }).ok());
  const double each_ms = since(start);
  EXPECT_EQ(seen, kRuns);
  start = Clock::now();
  open();
  const double open_ms = since(start);
  start = Clock::now();
  EXPECT_EQ(damage(), "");
  printf(
      "100,000 runs of 300 bytes: write %.0f ms, find %.0f ms, each %.0f ms, open %.1f ms, verify %.0f ms, %.1f MiB\n",
      write_ms, find_ms, each_ms, open_ms, since(start), static_cast<double>(tables_->stats().file_bytes) / (1 << 20));
}

}  // namespace
}  // namespace cairn::engine
