// Listing in the owner and beside it: newer layers over the tables' indexes, pages while runs change.
#include <rapidcheck.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "engine/document/stored_document.h"
#include "tests/support/crashing_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/property.h"
#include "tests/support/run_listing.h"
#include "tests/support/updates.h"

namespace cairn::tests {
namespace {

using engine::RunOrder;
using engine::RunQuery;
using engine::RunRecord;
using engine::RunStatus;
using engine::RunView;

class Lists : public CrashingStoreTest {
 public:
  testing::FakeClock& clock() { return clock_; }

 protected:
  void SetUp() override {
    engine::StoreOptions o = options();
    testing::use_clock(o.hooks, *this);
    o.mark_crashed = false;
    CrashingStoreTest::open(std::move(o));
  }
  std::unique_ptr<engine::StoreReader> reader(bool salvage = false, size_t copied_log_bytes_max = 8u << 20) {
    engine::StoreReader::Options o;
    o.directory = path();
    o.salvage = salvage;
    o.copied_log_bytes_max = copied_log_bytes_max;
    o.hooks.files = files_.get();
    o.hooks.has_boot_id = true;
    o.hooks.boot_id.fill(1);
    auto opened = engine::StoreReader::open(o);
    EXPECT_TRUE(opened.ok()) << engine::error_detail().message;
    return std::move(*opened);
  }
  /// One page: appends its runs, gives the cursor, or "code N".
  template <class From>
  static std::string page(From& from, const RunQuery& q, std::vector<std::string>& out) {
    auto cursor = from.list(q, [&out](const RunView& v) {
      out.push_back(v.record.id + v.record.document.to_json());
      return true;
    });
    EXPECT_TRUE(cursor.ok()) << engine::error_detail().message;
    return cursor.ok() ? *cursor : "";
  }
  std::vector<std::string> listed(const RunQuery& q = {}) {
    std::vector<std::string> out;
    page(*store_, q, out);
    return out;
  }
  engine::RunRef start(const std::string& id, int64_t at_ms = 1) {
    clock_.advance_ms(at_ms);
    return StoreTest::start(id);
  }

  testing::FakeClock clock_;
};

// The stored document of a run in memory may be an older one: then the run is visited, whatever the judge says of it.
TEST_F(Lists, AJudgeOfStoredDocumentsSparesTheRunsThatItRefuses) {
  for (int i = 0; i < 300; ++i) {
    engine::StartOptions o;
    o.id = "run" + std::to_string(1000 + i);
    o.metadata = engine::Object{{"n", engine::Value(int64_t{i})}};
    ASSERT_TRUE(store_->start(o).ok());
  }
  ASSERT_TRUE(store_->barrier().ok());
  CrashingStoreTest::reopen();
  const auto held = store_->find("run1299");
  ASSERT_TRUE(held.ok());
  std::vector<std::string> visited;
  size_t judged = 0;
  const auto path = engine::parse_path("$.n").value();
  ASSERT_TRUE(store_
                  ->each_where(
                      [&](std::string_view document) {
                        ++judged;
                        engine::Value n;
                        return engine::find_in_stored(document, path, n) == engine::Found::kValue &&
                               *n.get<int64_t>() % 100 == 7;
                      },
                      [&](const RunView& view) {
                        visited.push_back(view.record.id + view.record.document.to_json());
                        return true;
                      })
                  .ok());
  EXPECT_EQ(visited, (std::vector<std::string>{R"(run1007{"n":7})", R"(run1107{"n":107})", R"(run1207{"n":207})",
                                               R"(run1299{"n":299})"}));
  EXPECT_EQ(judged, 300u);
}

// More than one portion of a walk, each of which ends at a run that the judge refuses.
TEST_F(Lists, AJudgeOfStoredDocumentsSeesEachRunOnceAcrossPortions) {
  for (int i = 0; i < 1200; ++i) {
    engine::StartOptions o;
    o.id = "run" + std::to_string(10'000 + i);
    o.metadata = engine::Object{{"n", engine::Value(int64_t{i})}, {"text", engine::Value(std::string(3000, 'x'))}};
    ASSERT_TRUE(store_->start(o).ok());
  }
  ASSERT_TRUE(store_->barrier().ok());
  CrashingStoreTest::reopen();
  std::vector<int64_t> judged;
  std::vector<std::string> visited;
  const auto path = engine::parse_path("$.n").value();
  ASSERT_TRUE(store_
                  ->each_where(
                      [&](std::string_view document) {
                        engine::Value n;
                        EXPECT_EQ(engine::find_in_stored(document, path, n), engine::Found::kValue);
                        judged.push_back(*n.get<int64_t>());
                        return judged.back() % 500 == 499;
                      },
                      [&](const RunView& view) {
                        visited.push_back(view.record.id);
                        return true;
                      })
                  .ok());
  EXPECT_EQ(visited, (std::vector<std::string>{"run10499", "run10999"}));
  EXPECT_EQ(judged.size(), 1200u);
  EXPECT_EQ(std::set<int64_t>(judged.begin(), judged.end()).size(), 1200u);
}

TEST_F(Lists, OwnerAndReaderListWhatEachOfTheRunsIsWhereverItStands) {
  const auto reader = this->reader();
  const auto looks_again = this->reader(false, 0);
  int lives = 0;
  check_property(60, [&] {
    std::set<std::string> names;
    const std::string life = std::to_string(lives++);
    for (int i = 0, n = *rc::gen::inRange(1, 60); i < n; ++i) {
      clock_.wall_us += *rc::gen::inRange(0, 3);
      const std::string id = testing::any_run_id() + life;
      const auto existing = store_->find(id);
      switch (existing.ok() ? *rc::gen::inRange(0, 10) : 0) {
        case 0: {
          const RunRecord wish = testing::any_run(id);
          engine::StartOptions o;
          o.id = id;
          o.task = wish.task;
          o.tags = wish.tags;
          o.parent = wish.parent;
          o.root = wish.root;
          o.metadata = testing::any_document();
          (void)store_->start(o);
          names.insert(id);
          break;
        }
        case 1:
          (void)store_->finish(**existing, RunStatus::kFailed);
          break;
        case 2:
          (void)store_->set_status(**existing, testing::any_status());
          break;
        case 3:
          (void)store_->set_tags(**existing, testing::any_tags());
          break;
        case 4:
          RC_ASSERT(store_->erase(id).ok());
          break;
        case 5:
          RC_ASSERT(store_->barrier().ok());
          break;
        case 6:
          RC_ASSERT(store_->barrier().ok() && store_->checkpoint().ok());
          break;
        default: {
          engine::Outcome outcome;
          engine::Object document = testing::any_document();
          (void)store_->apply(**existing, {engine::OperationType::kSet, "note", document[0].value}, outcome);
        }
      }
    }
    std::vector<RunRecord> runs;
    RC_ASSERT(store_
                  ->each([&runs](const RunView& v) {
                    runs.push_back(v.record);
                    return true;
                  })
                  .ok());
    for (int i = 0; i < 10; ++i) {
      RunQuery query = testing::any_query();
      if (query.updated_from_us) {
        query.updated_from_us = clock_.wall_us - 20 + *query.updated_from_us;
      }
      if (query.updated_to_us) {
        query.updated_to_us = clock_.wall_us + *query.updated_to_us;
      }
      const auto wanted = testing::expected(query, runs);
      const auto in = [](auto& from) {
        return [&from](const RunQuery& q, std::vector<std::string>& out) { return page(from, q, out); };
      };
      RC_ASSERT(testing::by_pages(query, in(*store_)) == wanted);
      RC_ASSERT(testing::by_pages(query, in(*reader)) == wanted);
      RC_ASSERT(testing::by_pages(query, in(*looks_again)) == wanted);
    }
    for (const std::string& id : names) {
      (void)store_->erase(id);
    }
  });
}

TEST_F(Lists, NewestFirstUnlessAskedOtherwise) {
  start("b");
  start("c");
  start("a");
  EXPECT_EQ(listed(), (std::vector<std::string>{"a{}", "c{}", "b{}"}));
  clock_.advance_ms(1);
  ASSERT_EQ(set(find("b"), "n", "1"), Code::kOk);
  EXPECT_EQ(listed(), (std::vector<std::string>{"b{\"n\":1}", "a{}", "c{}"}));
  RunQuery q;
  q.order = RunOrder::kId;
  EXPECT_EQ(listed(q), (std::vector<std::string>{"a{}", "b{\"n\":1}", "c{}"}));
}

TEST_F(Lists, PagesOfRunsOfTheSameTimeLeaveNoneOut) {
  std::vector<std::string> all;
  for (char c = 'a'; c < 'a' + 10; ++c) {
    start(std::string(1, c), 0);
    all.push_back(std::string(1, c) + "{}");
  }
  ASSERT_TRUE(store_->barrier().ok() && store_->checkpoint().ok());
  const auto reader = this->reader();
  for (const RunOrder order : {RunOrder::kNewestFirst, RunOrder::kOldestFirst}) {
    for (const bool beside : {false, true}) {
      RunQuery q;
      q.order = order;
      q.limit = 3;
      std::vector<std::string> seen;
      do {
        q.cursor = beside ? page(*reader, q, seen) : page(*store_, q, seen);
      } while (!q.cursor.empty());
      std::vector<std::string> wanted = all;
      if (order == RunOrder::kNewestFirst) {
        std::reverse(wanted.begin(), wanted.end());
      }
      EXPECT_EQ(seen, wanted) << beside;
    }
  }
}

TEST_F(Lists, WhatChangesBetweenPagesNeitherHidesNorRepeatsTheOthers) {
  std::set<std::string> still;
  for (int i = 0; i < 60; ++i) {
    const std::string id = (i % 3 == 0 ? "busy" : i % 3 == 1 ? "gone" : "still") + std::to_string(i);
    start(id);
    if (i % 3 == 2) {
      still.insert(id + "{}");
    }
    if (i == 30) {
      ASSERT_TRUE(store_->barrier().ok() && store_->checkpoint().ok());
    }
  }
  const auto reader = this->reader();
  for (const RunOrder order : {RunOrder::kNewestFirst, RunOrder::kId, RunOrder::kOldestFirst}) {
    for (const bool beside : {false, true}) {
      RunQuery q;
      q.order = order;
      q.limit = 7;
      std::vector<std::string> seen;
      int round = 0;
      do {
        q.cursor = beside ? page(*reader, q, seen) : page(*store_, q, seen);
        clock_.advance_ms(1);
        for (int i = round; i < 60; i += 4) {
          if (i % 3 == 0) {
            ASSERT_EQ(set(find("busy" + std::to_string(i)), "n", std::to_string(round)), Code::kOk);
          } else if (i % 3 == 1 && store_->erase("gone" + std::to_string(i)).ok() && i % 2 == 0) {
            start("gone" + std::to_string(i));
          }
        }
        if (round % 3 == 0) {
          ASSERT_TRUE(store_->barrier().ok() && store_->checkpoint().ok());
        }
      } while (!q.cursor.empty() && ++round < 100);
      std::multiset<std::string> found;
      for (const std::string& run : seen) {
        if (run.starts_with("still")) {
          found.insert(run);
        }
      }
      EXPECT_EQ(found, std::multiset<std::string>(still.begin(), still.end())) << static_cast<int>(order) << beside;
    }
  }
}

TEST_F(Lists, AVisitorThatEndsThePageGoesOnBehindItsRun) {
  for (const char* id : {"a", "b", "c", "d"}) {
    start(id);
  }
  RunQuery q;
  q.order = RunOrder::kId;
  const auto until_b = [](const RunView& v) { return v.record.id < "b"; };
  const auto reader = this->reader();
  for (const std::string& cursor : {*store_->list(q, until_b), *reader->list(q, until_b)}) {
    q.cursor = cursor;
    EXPECT_EQ(listed(q), (std::vector<std::string>{"c{}", "d{}"}));
  }
  EXPECT_EQ(*store_->list(q, [](const RunView& v) { return v.record.id < "d"; }), "") << "nothing is behind the last";
}

TEST_F(Lists, VisitorMayUseTheStoreAndTheRunsThatItIsShown) {
  start("a");
  start("b");
  ASSERT_TRUE(store_
                  ->list({},
                         [&](const RunView& v) {
                           EXPECT_EQ(set(find(v.record.id), "seen", "true"), Code::kOk);
                           EXPECT_TRUE(store_->barrier().ok() && store_->checkpoint().ok());
                           return listed().size() == 2;
                         })
                  .ok());
  EXPECT_EQ(json("a"), "{\"seen\":true}");
}

TEST_F(Lists, WithoutDocumentsNoneIsCopied) {
  ASSERT_EQ(set(start("hot"), "n", "1"), Code::kOk);
  start("cold");
  ASSERT_TRUE(store_->barrier().ok() && store_->checkpoint().ok());
  ASSERT_EQ(set(find("hot"), "n", "2"), Code::kOk);
  int runs = 0;
  const auto bare = [&runs](const RunView& v) { return ++runs > 0 && v.record.document.size() == 0; };
  EXPECT_TRUE(store_->list({}, bare, false).ok());
  EXPECT_EQ(runs, 2);
}

TEST_F(Lists, ErrorsAreThoseOfTheQueryAndTheStore) {
  RunQuery q;
  q.cursor = "nonsense";
  const auto all = [](const RunView&) { return true; };
  EXPECT_EQ(store_->list(q, all).code(), Code::kInvalidArgument);
  EXPECT_EQ(reader()->list(q, all).code(), Code::kInvalidArgument);
  ASSERT_TRUE(store_->close(0).ok());
  EXPECT_EQ(store_->list({}, all).code(), Code::kClosed);
}

TEST_F(Lists, OfRunsThatChangeAllTheTimeNoneIsShownTwiceInAPage) {
  constexpr int kRuns = 40;
  std::vector<engine::RunRef> runs;
  for (int i = 0; i < kRuns; ++i) {
    runs.push_back(start("r" + std::to_string(i)));
  }
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      (void)set_int(*store_, *runs[static_cast<size_t>(i) % kRuns], "n", i);
      if (i % 500 == 0) {
        (void)store_->checkpoint();
      }
    }
  });
  for (int round = 0; round < 300; ++round) {
    std::set<std::string> ids;
    int count = 0;
    ASSERT_TRUE(store_
                    ->list({},
                           [&](const RunView& v) {
                             ++count;
                             return ids.insert(v.record.id).second;
                           })
                    .ok());
    ASSERT_EQ(count, kRuns);
    ASSERT_EQ(ids.size(), size_t{kRuns});
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace cairn::tests
