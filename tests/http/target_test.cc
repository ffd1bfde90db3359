// The request target is decoded once; what could mean another path to somebody else is refused.
#include "api/http/target.h"

#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

/// "segment,segment|query", or "refused".
std::string read(const std::string& target) {
  http::Target out;
  if (http::read_target(target, out)) {
    return "refused";
  }
  EXPECT_EQ(out.path, target.substr(0, target.find('?')));
  std::string all;
  for (const std::string& segment : out.segments) {
    all += (all.empty() ? "" : ",") + segment;
  }
  return all + "|" + out.query;
}

TEST(Target, IsDecodedOnce) {
  EXPECT_EQ(read("/"), "|");
  EXPECT_EQ(read("/a/b"), "a,b|");
  EXPECT_EQ(read("/a%20b%C3%A4%c3%a4"), "a b\xc3\xa4\xc3\xa4|");
  EXPECT_EQ(read("/%41%2541"), "A%41|");
  EXPECT_EQ(read("/%252e%252e/x"), "%2e%2e,x|");
  EXPECT_EQ(read("/%252f"), "%2f|");
  EXPECT_EQ(read("/a..b/...%2e/.x"), "a..b,....,.x|");
  EXPECT_EQ(read("/%3F?a?b"), "?|a?b");
}

TEST(Target, WhatWasSentEncodedIsPartOfItsSegment) {
  EXPECT_EQ(read("/a%2fb/c"), "a/b,c|");
  EXPECT_EQ(read("/a%2Fb"), "a/b|");
  EXPECT_EQ(read("/a%5cb"), "a\\b|");
  EXPECT_EQ(read("/%23"), "#|");
  EXPECT_EQ(read("/%2f..%2f"), "/../|") << "a name, and no way up";
}

TEST(Target, EmptySegmentsAreSegments) {
  http::Target out;
  ASSERT_FALSE(http::read_target("/a//b/", out));
  EXPECT_EQ(out.segments, (std::vector<std::string>{"a", "", "b", ""}));
  ASSERT_FALSE(http::read_target("//", out));
  EXPECT_EQ(out.segments, (std::vector<std::string>{"", ""}));
}

TEST(Target, TheQueryStaysAsItWasSent) {
  EXPECT_EQ(read("/a?b=%2f..%00&c"), "a|b=%2f..%00&c");
  EXPECT_EQ(read("/a?"), "a|");
}

TEST(Target, OtherPathsAreRefused) {
  for (const char* target : {"",        "*",           "a",     "a/b",       "http://h/",   "//..",     "/..",   "/.",
                             "/../",    "/./",         "/a/..", "/a/../b",   "/a/./b",      "/%2e%2e/", "/.%2E", "/%2e",
                             "/%2E%2e", "/a/%2e%2E/b", "/a\\b", "/%00",      "/a%00b",      "/%0a",     "/%0D",  "/%7f",
                             "/%1b",    "/#",          "/a#b",  "/a?b#c",    "/%",          "/%4",      "/%zz",  "/%4g",
                             "/%g4",    "/a b",        "/a\tb", "/\xc3\xa4", "/a?\xc3\xa4", "/a?b c"}) {
    EXPECT_EQ(read(target), "refused") << target;
  }
  EXPECT_EQ(read(std::string("/a\0b", 4)), "refused");
}

class TargetOnTheWire : public HttpTest {};

TEST_F(TargetOnTheWire, OtherPathsNeverReachTheHandler) {
  start();
  for (const char* target : {"/..", "/%2e%2e/etc/passwd", "/a/%2e%2e/b", "/a\\b", "/%00", "/#", "/%zz", "/\xc3\xa4"}) {
    expect_refused(400, get(target));
  }
  EXPECT_EQ(ask(get("/a%20b?x=%20")).body, "GET /a%20b?x=%20 ");
  ASSERT_EQ(served().size(), 1u);
  EXPECT_EQ(served()[0].segments, (std::vector<std::string>{"a b"}));
}

}  // namespace
}  // namespace cairn::tests
