// Pages of runs through the C ABI and the C++ headers, and retention as its options ask for it.
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "cairn/cairn.hpp"
#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class Listing : public ApiTest {
 protected:
  void SetUp() override {
    open();
    started("a", "copy", {"x"}, nullptr, R"({"note":"Hello"})");
    started("b", "copy", {"x", "y"}, "a", R"({"note":"World"})");
    started("c", "move", {}, "b", "{}");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // the wall clock is a coarse one
    cairn_run* run = nullptr;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_open(store_, "b", &run));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_finish(run, CAIRN_RUN_COMPLETED));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
  }
  void started(const char* id, const char* task, const std::vector<const char*>& tags, const char* parent,
               std::string_view metadata) {
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.id = id;
    o.task = task;
    o.parent = parent;
    o.tags = tags.data();
    o.tag_count = tags.size();
    o.metadata = metadata.data();
    o.metadata_bytes = metadata.size();
    cairn_run* run = nullptr;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_start(store_, &o, &run));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
  }
  static cairn_query query() {
    cairn_query q = {};
    q.struct_bytes = sizeof q;
    q.order = CAIRN_ORDER_ID;
    return q;
  }
  /// "a b " and the cursor in next_; or "status N".
  std::string ids(const cairn_query* q) {
    std::string out;
    const auto add = [](void* context, const cairn_run_info* info, const char* metadata, size_t bytes) -> int32_t {
      auto& text = *static_cast<std::string*>(context);
      text += info->id + std::string(metadata == nullptr ? "" : metadata);
      EXPECT_EQ(bytes, metadata == nullptr ? 0 : std::string_view(metadata).size());
      text += " ";
      return 0;
    };
    const cairn_status s = cairn_store_query(store_, q, add, &out, next_);
    return s == CAIRN_OK ? out : "status " + std::to_string(s);
  }
  std::string ids(const cairn_query& q) { return ids(&q); }

  char next_[CAIRN_CURSOR_BYTES] = "unset";
};

TEST_F(Listing, EachFilterAndAllTogether) {
  EXPECT_EQ(ids(nullptr), "b c a ") << "newest first";
  EXPECT_STREQ(next_, "");
  cairn_query q = query();
  EXPECT_EQ(ids(q), "a b c ");
  q.task = "copy";
  EXPECT_EQ(ids(q), "a b ");
  const char* const tags[] = {"x", "y"};
  q.tags = tags;
  q.tag_count = 2;
  EXPECT_EQ(ids(q), "b ");
  q.parent = "c";
  EXPECT_EQ(ids(q), "");
  q = query();
  q.parent = "a";
  EXPECT_EQ(ids(q), "b ");
  q = query();
  q.root = "a";
  EXPECT_EQ(ids(q), "b c ");
  q = query();
  q.statuses = CAIRN_STATUS_BIT(CAIRN_RUN_COMPLETED) | CAIRN_STATUS_BIT(CAIRN_RUN_FAILED);
  EXPECT_EQ(ids(q), "b ");
  q = query();
  q.text = "hELL";
  q.flags = CAIRN_QUERY_METADATA;
  EXPECT_EQ(ids(q), "a{\"note\":\"Hello\"} ");
  q = query();
  q.updated_from_us = INT64_MAX;
  EXPECT_EQ(ids(q), "");
  q = query();
  q.updated_to_us = 1;
  EXPECT_EQ(ids(q), "");
}

TEST_F(Listing, PagesGoOnByTheirCursor) {
  cairn_query q = query();
  q.limit = 2;
  EXPECT_EQ(ids(q), "a b ");
  const std::string cursor = next_;
  q.cursor = cursor.c_str();
  EXPECT_EQ(ids(q), "c ");
  EXPECT_STREQ(next_, "");
  q.order = CAIRN_ORDER_NEWEST;
  EXPECT_EQ(ids(q), "status 16");
  EXPECT_NE(std::string(last_error().message).find("list from the start"), std::string::npos);
  q.cursor = "";
  EXPECT_EQ(ids(q), "b c ");
}

TEST_F(Listing, VisitEndsThePageAndMayUseTheStore) {
  cairn_query q = query();
  struct Call {
    cairn_store* store;
    int calls;
  } call{store_, 0};
  const auto first = [](void* context, const cairn_run_info* info, const char*, size_t) -> int32_t {
    auto& c = *static_cast<Call*>(context);
    cairn_run* run = nullptr;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_open(c.store, info->id, &run));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
    return ++c.calls;
  };
  CAIRN_EXPECT(CAIRN_OK, cairn_store_query(store_, &q, first, &call, next_));
  EXPECT_EQ(call.calls, 1);
  const std::string cursor = next_;
  q.cursor = cursor.c_str();
  EXPECT_EQ(ids(q), "b c ");
  CAIRN_EXPECT(CAIRN_OK, cairn_store_query(store_, &q, first, &call, nullptr));
}

TEST_F(Listing, WhatCannotBeAskedIsRefused) {
  const auto refused = [this](const std::function<void(cairn_query&)>& change) {
    cairn_query q = query();
    change(q);
    return ids(q) == "status 16" ? std::string(last_error().message) : "not refused";
  };
  EXPECT_NE(refused([](cairn_query& q) { q.struct_bytes = 0; }).find("struct_bytes"), std::string::npos);
  EXPECT_NE(refused([](cairn_query& q) { q.order = 3; }).find("CAIRN_ORDER"), std::string::npos);
  EXPECT_NE(refused([](cairn_query& q) { q.flags = 2; }).find("flag"), std::string::npos);
  EXPECT_NE(refused([](cairn_query& q) { q.limit = 10'001; }).find("10,000"), std::string::npos);
  EXPECT_NE(refused([](cairn_query& q) { q.statuses = 1u << 13; }).find("status"), std::string::npos);
  EXPECT_NE(refused([](cairn_query& q) { q.tag_count = 1; }).find("tags"), std::string::npos);
  EXPECT_NE(refused([](cairn_query& q) { q.parent = "no id"; }).find("run id"), std::string::npos);
  EXPECT_NE(refused([](cairn_query& q) { q.cursor = "xyz"; }).find("cursor"), std::string::npos);
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_query(store_, nullptr, nullptr, nullptr, nullptr));
}

TEST_F(Listing, AReadOnlyHandleListsTheSame) {
  cairn_query q = query();
  q.flags = CAIRN_QUERY_METADATA;
  q.limit = 2;
  const std::string owners = ids(q);
  const std::string cursor = next_;
  cairn_store* const owner = store_;
  cairn_options o = options();
  o.flags = CAIRN_OPEN_READ_ONLY;
  CAIRN_ASSERT_OK(cairn_store_open(path().c_str(), &o, &store_));
  EXPECT_EQ(ids(q), owners);
  EXPECT_EQ(next_, cursor) << "a cursor of one handle is good for the other";
  q.cursor = cursor.c_str();
  EXPECT_EQ(ids(q), "c{} ");
  close();
  store_ = owner;
}

TEST(ListingCpp, PagesAndARangeThatTurnsThemByItself) {
  Directory directory;
  Options options;
  options.background = false;
  Store store = Store::open(directory.store(), options);
  for (int i = 0; i < 25; ++i) {
    cairn::Run run =
        store.start({.id = "r" + std::to_string(10 + i), .task = i % 2 == 0 ? "even" : "odd", .metadata = {{"i", i}}});
    if (i % 5 == 0) {
      run.finish(RunStatus::kFailed);
    }
  }
  Page page = store.list({.task = "even", .order = Order::kId, .metadata = true, .limit = 2});
  ASSERT_EQ(page.runs.size(), 2u);
  EXPECT_EQ(page.runs[1].id, "r12");
  EXPECT_EQ(*page.runs[1].metadata, json({{"i", 2}}));
  page = store.list({.task = "even", .order = Order::kId, .limit = 2, .cursor = page.cursor});
  EXPECT_EQ(page.runs[0].id, "r14");
  EXPECT_FALSE(page.runs[0].metadata);
  EXPECT_EQ(store.try_list({.cursor = "none"}).code(), Code::kInvalidArgument);
  EXPECT_THROW((void)store.list({.cursor = "none"}), Error);

  std::string ids;
  for (const RunInfo& run : store.runs({.statuses = {RunStatus::kFailed}, .order = Order::kId, .limit = 2})) {
    ids += run.id + " ";
    store.erase(run.id);  // the loop may use the store
  }
  EXPECT_EQ(ids, "r10 r15 r20 r25 r30 ");
  int left = 0;
  for (const RunInfo& run : store.runs()) {
    left += run.id.empty() ? 0 : 1;
  }
  EXPECT_EQ(left, 20);
  for (const RunInfo& run : store.runs({.task = "none"})) {
    FAIL() << run.id;
  }
  const TimePoint now = std::chrono::system_clock::now();
  EXPECT_EQ(store.list({.updated_from = now - std::chrono::hours(1), .limit = 50}).runs.size(), 20u);
  EXPECT_EQ(store.list({.updated_to = now - std::chrono::hours(1)}).runs.size(), 0u);
}

TEST(ListingCpp, RetentionIsAnOptionOfTheStore) {
  Directory directory;
  Options options;
  options.background = false;
  options.retain_finished_max = 2;
  Store store = Store::open(directory.store(), options);
  for (const char* id : {"a", "b", "c", "d"}) {
    store.start({.id = id}).finish();
  }
  store.barrier();
  store.step();
  EXPECT_EQ(store.list().size(), 2u);
  EXPECT_TRUE(store.find("d"));
  store.close();
  options.retain_finished_max = 0;
  options.retain_finished_ms = 1;
  Store again = Store::open(directory.store(), options);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  again.step();
  EXPECT_EQ(again.list().size(), 0u);
}

}  // namespace
}  // namespace cairn::tests
