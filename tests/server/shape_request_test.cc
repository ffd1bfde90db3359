// What a realtime request asks for, and what becomes of the handle and the offset that a client gives back.
#include "api/server/shape_request.h"

#include <gtest/gtest.h>

namespace cairn::tests {
namespace {

using server::Position;
using server::Shape;
using server::ShapeRequest;

constexpr int64_t kRequestUs = 1'796'335'199'919'123;
constexpr int64_t kRequestMs = kRequestUs / 1000;
constexpr int64_t kHourMs = 3'600'000;

class ShapeRequests : public ::testing::Test {
 protected:
  /// "" or what is wrong.
  std::string read(Shape::Kind kind, const std::string& query, const std::string& id = "run_1") {
    request_ = {};
    request_.shape.kind = kind;
    request_.shape.id = kind == Shape::Kind::kTags ? "" : id;
    return server::read_shape_request(query, "store-1", kRequestUs, request_);
  }
  std::string run(const std::string& query) { return read(Shape::Kind::kRun, query); }
  std::string tags(const std::string& query) { return read(Shape::Kind::kTags, query); }
  [[nodiscard]] std::string handle(const Position& at, bool anew = false) const {
    return server::make_handle(request_, "store-1", at, anew);
  }
  [[nodiscard]] int64_t bound_ms() const { return request_.shape.created_from_us / 1000; }

  ShapeRequest request_;
};

TEST_F(ShapeRequests, ThatOfAClientIsUnderstood) {
  ASSERT_EQ(run("log=full&offset=-1"), "");
  EXPECT_FALSE(request_.live);
  EXPECT_FALSE(request_.offset);
  EXPECT_EQ(request_.columns, server::kAllColumns);
  const std::string handle_of_run = handle({"life-1", 4});
  ASSERT_EQ(run("cursor=&handle=" + handle_of_run + "&live=true&log=full&offset=4_0"), "");
  EXPECT_TRUE(request_.live);
  EXPECT_EQ(request_.offset, 4u);
  EXPECT_EQ(request_.feed, "life-1");
  EXPECT_FALSE(request_.cursor_ms);
  ASSERT_EQ(run("cursor=1796335199919&expired_handle=old&handle=" + handle_of_run +
                "&live=true&log=full&offset=18446744073709551615_7"),
            "");
  EXPECT_EQ(request_.cursor_ms, kRequestMs);
  EXPECT_EQ(request_.offset, UINT64_MAX);
}

TEST_F(ShapeRequests, TagsAreDecodedOnceSortedAndEachOnce) {
  ASSERT_EQ(tags("offset=-1&tags=user%3A1234%2Clate%2Cuser%3A1234%2Ca+b%252C"), "");
  EXPECT_EQ(request_.shape.tags, (std::vector<std::string>{"a b%2C", "late", "user:1234"}));
  EXPECT_EQ(bound_ms(), kRequestMs - 24 * kHourMs);
  ASSERT_EQ(tags("offset=-1&createdAt=1h"), "");
  EXPECT_TRUE(request_.shape.tags.empty());
  EXPECT_EQ(bound_ms(), kRequestMs - kHourMs);
  ASSERT_EQ(tags("offset=-1&createdAt=1w2d3h4m5s"), "");
  EXPECT_EQ(bound_ms(), kRequestMs - (9 * 24 + 3) * kHourMs - 245'000);
  ASSERT_EQ(tags("offset=-1&createdAt=36500d"), "");
  EXPECT_EQ(bound_ms(), 0);
}

TEST_F(ShapeRequests, ColumnsAreLeftOut) {
  ASSERT_EQ(run("offset=-1&skipColumns=payload%2Coutput,id,,nothing"), "");
  EXPECT_EQ(request_.columns, server::leave_out(server::leave_out(server::kAllColumns, "payload"), "output"));
}

TEST_F(ShapeRequests, WhatIsWrongIsSaidWithItsName) {
  constexpr const char* kBadEncoding =
      "the query has a % that two hexadecimal digits do not follow, or bytes that are not UTF-8";
  const std::pair<const char*, const char*> of_a_run[] = {
      {"", "offset: is missing"},
      {"log=full", "offset: is missing"},
      {"offset=", "offset: must be -1, or an electric-offset of this server"},
      {"offset=-2", "offset: must be -1, or an electric-offset of this server"},
      {"offset=1", "offset: must be -1, or an electric-offset of this server"},
      {"offset=1_", "offset: must be -1, or an electric-offset of this server"},
      {"offset=1_x&handle=h", "offset: must be -1, or an electric-offset of this server"},
      {"offset=1_-1&handle=h", "offset: must be -1, or an electric-offset of this server"},
      {"offset=18446744073709551616_0&handle=h", "offset: must be -1, or an electric-offset of this server"},
      {"offset=4_0", "handle: is missing; only offset=-1 goes without one"},
      {"offset=-1&live=true", "live: goes only with an offset that this server gave"},
      {"offset=-1&live=yes", "live: must be \"true\" or \"false\""},
      {"offset=-1&log=changes_only", "log: must be \"full\""},
      {"offset=-1&offset=-1", "offset: is there twice"},
      {"offset=-1&a=%4", kBadEncoding},
      {"offset=-1&a=%zz", kBadEncoding},
      {"offset=-1&a=%ff", kBadEncoding},
  };
  for (const auto& [query, wrong] : of_a_run) {
    EXPECT_EQ(run(query), wrong) << query;
  }
  EXPECT_EQ(run("offset=1_0&handle=" + std::string(513, 'x')), "handle: is longer than any of this server");
  for (const char* bad : {"", "a,", ",a", "a%00", "a%1f", "a%7f", "%22", "%5C", "a,,b"}) {
    EXPECT_EQ(tags(std::string("offset=-1&tags=") + bad),
              "tags: a tag must not be empty, nor have control characters, quotes or backslashes")
        << bad;
  }
  for (const char* bad : {"", "1", "h", "1y", "-1h", "1h2", "1 h", "99999999999999999999h", "2026-01-01"}) {
    EXPECT_EQ(tags(std::string("offset=-1&createdAt=") + bad),
              "createdAt: must be a duration such as \"30m\", \"24h\" or \"7d\"")
        << bad;
  }
}

TEST_F(ShapeRequests, AHandleComesBackAsItWasGiven) {
  ASSERT_EQ(tags("offset=-1&tags=a&createdAt=1h"), "");
  const std::string of_set = handle({"feed-7", 12});
  const int64_t bound = bound_ms();
  request_ = {};
  ASSERT_EQ(tags("handle=" + of_set + "&offset=12_0&tags=a&createdAt=2h"), "");
  EXPECT_EQ(request_.feed, "feed-7");
  EXPECT_EQ(bound_ms(), bound) << "the time is the first request's";
  ASSERT_EQ(read(Shape::Kind::kBatch, "offset=-1", "batch_1"), "");
  const std::string of_batch = handle({"feed-7", 12});
  ASSERT_EQ(read(Shape::Kind::kBatch, "offset=12_0&handle=" + of_batch, "batch_1"), "");
  EXPECT_EQ(request_.feed, "feed-7");
}

TEST_F(ShapeRequests, AHandleOfOtherRowsIsNone) {
  ASSERT_EQ(run("offset=-1"), "");
  const std::string of_run = handle({"life", 4});
  ASSERT_EQ(run("offset=4_0&skipColumns=output&handle=" + of_run), "");
  EXPECT_EQ(request_.feed, "") << "other columns";
  ASSERT_EQ(read(Shape::Kind::kRun, "offset=4_0&handle=" + of_run, "run_2"), "");
  EXPECT_EQ(request_.feed, "") << "another run";
  for (const std::string& other : {of_run.substr(1), of_run + "0", of_run + "-x", "x" + of_run, std::string("-"),
                                   std::string("store-1-"), std::string("--"), std::string("a-1-2-3-4")}) {
    ASSERT_EQ(run("offset=4_0&handle=" + other), "");
    EXPECT_EQ(request_.feed, "") << other;
  }
  ASSERT_EQ(tags("offset=-1&tags=a"), "");
  const std::string of_set = handle({"feed", 4});
  for (const char* query : {"&tags=a,b", "&tags=b", "", "&tags=a&skipColumns=ttl"}) {
    ASSERT_EQ(tags("offset=4_0&handle=" + of_set + query), "");
    EXPECT_EQ(request_.feed, "") << query;
  }
  for (const std::string& other : {of_set + "x", of_set + "-1", std::string("feed-1-2-3"), "x" + of_set.substr(4)}) {
    ASSERT_EQ(tags("offset=4_0&tags=a&handle=" + other), "");
    EXPECT_EQ(request_.feed == "" || request_.feed == "x", true) << other;
  }
}

TEST_F(ShapeRequests, ANewHandleIsNeverTheOneThatIsGivenUp) {
  ASSERT_EQ(run("offset=-1"), "");
  const std::string first = handle({"life", 4});
  ASSERT_EQ(run("offset=9_0&handle=" + first), "");
  EXPECT_EQ(handle({"other", 1}, true), handle({"other", 1}));
  const std::string set_back = handle({"life", 4}, true);
  EXPECT_NE(set_back, first);
  ASSERT_EQ(run("offset=9_0&handle=" + set_back), "");
  EXPECT_EQ(request_.feed, "life") << "it is a handle of this run too";
  EXPECT_NE(handle({"life", 4}, true), set_back);
  ASSERT_EQ(tags("offset=-1"), "");
  const std::string of_set = handle({"feed", 4});
  ASSERT_EQ(tags("offset=2_0&handle=" + of_set), "");
  EXPECT_NE(handle({"feed", 4}, true), of_set);
  EXPECT_NE(handle({"feed", 5}, true), of_set);
}

}  // namespace
}  // namespace cairn::tests
