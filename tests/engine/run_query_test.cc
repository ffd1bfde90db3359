// Pages and cursors, without a store; and queries by the indexes of real tables.
#include "engine/records/run_query.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

#include "engine/base/error_detail.h"
#include "engine/tables/select.h"
#include "tables_fixture.h"
#include "tests/support/property.h"
#include "tests/support/run_listing.h"

namespace cairn::engine {
namespace {

using testing::any_query;
using testing::any_run;
using testing::by_pages;
using testing::expected;

std::vector<RunRecord> any_runs() {
  std::vector<RunRecord> runs;
  std::set<std::string> ids;
  for (int i = 0, n = *rc::gen::inRange(0, 30); i < n; ++i) {
    const std::string id = testing::any_run_id() + std::to_string(*rc::gen::inRange(0, 3));
    if (ids.insert(id).second) {
      runs.push_back(any_run(id));
    }
  }
  return runs;
}

RunPage page_of(const RunQuery& q) {
  auto page = RunPage::make(q);
  RC_ASSERT(page.ok());
  return std::move(*page);
}

/// Ends a page: appends what it holds, gives the cursor.
std::string end_page(RunPage& page, std::vector<std::string>& out) {
  const RunQuery q = page.query();
  bool more = false;
  std::string cursor;
  for (const RunPage::Entry& entry : page.take(more)) {
    out.push_back(entry.record.id + entry.record.document.to_json());
    cursor = encode_cursor(q, {entry.record.updated_us, entry.record.id});
    RC_ASSERT(cursor.size() <= kCursorBytesMax);
  }
  return more ? cursor : std::string();
}

TEST(RunQueries, ACursorKeepsToItsAlphabetWhateverTheIdHolds) {
  for (const std::string id : {"pod-7.web", "2026-01-31T12:05:07.250", "a_d", "a.d", "a:c", "_", "__",
                               "_._:", "z..::..::..::..::..::..::..::..::..::..::..::..::..::..::..::..:"}) {
    ASSERT_TRUE(valid_run_id(id)) << id;
    RunQuery q;
    q.cursor = encode_cursor(q, {7, id});
    EXPECT_EQ(q.cursor.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"),
              std::string::npos)
        << q.cursor;
    EXPECT_LE(q.cursor.size(), kCursorBytesMax);
    const auto page = RunPage::make(q);
    ASSERT_TRUE(page.ok()) << q.cursor;
    EXPECT_EQ(page->after()->id, id);
  }
}

TEST(RunQueries, PagesAreTheWholeListInItsOrderWhateverIsOfferedFirst) {
  check_property(2000, [] {
    const std::vector<RunRecord> runs = any_runs();
    const RunQuery query = any_query();
    const auto pages = by_pages(query, [&](const RunQuery& q, std::vector<std::string>& out) {
      RunPage page = page_of(q);
      for (const RunRecord& r : runs) {
        if (page.matches(r) && page.takes(r.updated_us, r.id) && page.has_text(r)) {
          page.add(r, true);
        }
      }
      return end_page(page, out);
    });
    RC_ASSERT(pages == expected(query, runs));
  });
}

class TablesQueries : public TablesFixture {};

TEST_F(TablesQueries, IndexesGiveWhatLookingAtEachRunGives) {
  open();
  check_property(400, [this] {
    const std::vector<RunRecord> before = any_runs();
    std::vector<Tables::Change> changes;
    for (const RunRecord& r : before) {
      changes.push_back(put(r));
    }
    RC_ASSERT(tables_->write(changes, 0).ok());
    for (int i = 0; i < 10; ++i) {
      const RunQuery query = any_query();
      const std::string hidden = testing::any_run_id() + "1";
      std::vector<RunRecord> seen = before;
      std::erase_if(seen, [&](const RunRecord& r) { return r.id == hidden; });
      const auto pages = by_pages(query, [&](const RunQuery& q, std::vector<std::string>& out) {
        RunPage page = page_of(q);
        auto snapshot = tables_->snapshot();
        RC_ASSERT(snapshot.ok());
        RC_ASSERT((*snapshot)->select(page, [&](std::string_view id) { return id == hidden; }).ok());
        bool more = false;
        std::vector<RunPage::Entry> entries = page.take(more);
        RC_ASSERT(read_documents(**snapshot, entries.begin(), entries.end()).ok());
        for (const RunPage::Entry& e : entries) {
          out.push_back(e.record.id + e.record.document.to_json());
        }
        return more ? encode_cursor(q, {entries.back().record.updated_us, entries.back().record.id}) : std::string();
      });
      RC_ASSERT(pages == expected(query, seen));
    }
    uint64_t finished = 0;
    for (const RunRecord& r : before) {
      finished += is_final(r.status) ? 1 : 0;
    }
    RC_ASSERT(*tables_->count(final_statuses()) == finished);
    for (Tables::Change& c : changes) {
      c.record.reset();
    }
    RC_ASSERT(tables_->write(changes, 0).ok());
  });
}

/// "by_status in order, by_status in order"
std::string plan(const RunQuery& q) {
  std::string text;
  for (const SelectRange& range : plan_select(*RunPage::make(q))) {
    text += std::string(text.empty() ? "" : ", ") + table_name(range.table) + (range.in_order ? " in order" : "");
  }
  return text;
}

TEST(RunQueries, TheMostSelectiveIndexAnswers) {
  RunQuery q;
  EXPECT_EQ(plan(q), "by_updated in order");
  q.tags = {"t"};
  q.text = "x";
  q.root = "r";
  EXPECT_EQ(plan(q), "by_updated in order") << "filters over the scan";
  q.statuses = status_bit(RunStatus::kFailed) | status_bit(RunStatus::kCrashed);
  EXPECT_EQ(plan(q), "by_status in order, by_status in order");
  q.task = "t";
  EXPECT_EQ(plan(q), "by_task");
  q.parent = "p";
  EXPECT_EQ(plan(q), "by_parent");
  q.order = RunOrder::kId;
  EXPECT_EQ(plan(q), "by_parent in order");
  q.parent = "";
  EXPECT_EQ(plan(q), "by_task in order");
  q.task = "";
  EXPECT_EQ(plan(q), "runs in order");
}

TEST_F(TablesQueries, APageReadsNoMoreThanItNeeds) {
  open();
  std::vector<Tables::Change> changes;
  for (int i = 0; i < 2000; ++i) {
    RunRecord r = record(id(i));
    r.updated_us = i;
    r.status = i % 2 == 0 ? RunStatus::kCompleted : RunStatus::kExecuting;
    changes.push_back(put(r));
  }
  must_write(changes);
  for (const RunOrder order : {RunOrder::kNewestFirst, RunOrder::kOldestFirst, RunOrder::kId}) {
    RunQuery q;
    q.order = order;
    q.limit = 5;
    q.statuses = status_bit(RunStatus::kCompleted);
    for (int pages = 0; pages < 3; ++pages) {
      auto page = RunPage::make(q);
      int looked_at = 0;
      const auto count = [&looked_at](std::string_view) { return ++looked_at < 0; };
      ASSERT_TRUE((*tables_->snapshot())->select(*page, count).ok());
      EXPECT_LE(looked_at, order == RunOrder::kId ? 13 : 7) << static_cast<int>(order) << " page " << pages;
      bool more = false;
      const auto entries = page->take(more);
      ASSERT_EQ(entries.size(), 5U);
      q.cursor = encode_cursor(q, {entries.back().record.updated_us, entries.back().record.id});
    }
  }
}

TEST(RunQueries, ACursorIsTakenBackOnlyWholeAndByItsOwnListing) {
  RunQuery q;
  q.statuses = status_bit(RunStatus::kFailed);
  q.task = "copy";
  q.tags = {"a", "b"};
  q.parent = "p";
  q.root = "r";
  q.text = "Text";
  const std::string cursor = encode_cursor(q, {-5, "run_1"});
  EXPECT_EQ(cursor.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string::npos) << cursor;
  q.cursor = cursor;
  q.limit = 7;
  q.updated_from_us = 3;
  q.text = "tEXT";
  const auto page = RunPage::make(q);
  ASSERT_TRUE(page.ok()) << "limit and time range may change";
  EXPECT_EQ(page->after()->time_us, -5);
  EXPECT_EQ(page->after()->id, "run_1");

  const auto code = [](const RunQuery& other) { return RunPage::make(other).code(); };
  for (size_t i = 0; i < cursor.size(); ++i) {
    RunQuery bad = q;
    bad.cursor[i] = bad.cursor[i] == 'a' ? 'b' : 'a';
    EXPECT_EQ(code(bad), Code::kInvalidArgument) << i;
    bad.cursor = cursor.substr(0, i);
    EXPECT_EQ(code(bad), i == 0 ? Code::kOk : Code::kInvalidArgument) << i;
  }
  for (const std::string& text : {cursor + "0", std::string(1000, '2'), std::string("next"), std::string(34, '2')}) {
    RunQuery bad = q;
    bad.cursor = text;
    EXPECT_EQ(code(bad), Code::kInvalidArgument) << text;
  }
  EXPECT_NE(error_detail().message.find("list from the start"), std::string::npos);
  const std::vector<void (*)(RunQuery&)> others = {
      [](RunQuery& o) { o.statuses = status_bit(RunStatus::kCrashed); },
      [](RunQuery& o) { o.task = "cop"; },
      [](RunQuery& o) { o.tags = {"ab"}; },
      [](RunQuery& o) { o.parent = "q"; },
      [](RunQuery& o) { o.root = "q"; },
      [](RunQuery& o) { o.text = "texts"; },
      [](RunQuery& o) { o.order = RunOrder::kId; },
      [](RunQuery& o) { o.order = RunOrder::kOldestFirst; },
  };
  for (size_t i = 0; i < others.size(); ++i) {
    RunQuery other = q;
    others[i](other);
    EXPECT_EQ(code(other), Code::kInvalidArgument) << i;
  }
}

TEST(RunQueries, WhatCannotBeAskedIsRefused) {
  const auto code = [](void (*change)(RunQuery&)) {
    RunQuery q;
    change(q);
    return RunPage::make(q).code();
  };
  EXPECT_EQ(code([](RunQuery&) {}), Code::kOk);
  EXPECT_EQ(code([](RunQuery& q) { q.statuses = kAllStatuses; }), Code::kOk);
  EXPECT_EQ(code([](RunQuery& q) { q.statuses = kAllStatuses + 1; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](RunQuery& q) { q.order = static_cast<RunOrder>(5); }), Code::kInvalidArgument);
  EXPECT_EQ(code([](RunQuery& q) { q.parent = "no id"; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](RunQuery& q) { q.root = "no/id"; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](RunQuery& q) {
              q.updated_from_us = 2;
              q.updated_to_us = 1;
            }),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::engine
