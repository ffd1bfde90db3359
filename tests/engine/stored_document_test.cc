// What is read from a stored document, held against the decoded one.
#include "engine/document/stored_document.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/document/path_apply.h"
#include "engine/json/json.h"
#include "engine/json/msgpack.h"
#include "tests/support/generate.h"
#include "tests/support/property.h"

namespace cairn::engine {
namespace {

std::string stored(const Value& document) {
  std::string out;
  append_msgpack(out, document);
  return out;
}

std::string found(std::string_view bytes, std::string_view path) {
  Value value;
  switch (find_in_stored(bytes, parse_path(path).value(), value)) {
    case Found::kNothing:
      return "nothing";
    case Found::kMalformed:
      return "malformed";
    case Found::kValue:
      break;
  }
  return to_json(value);
}

TEST(StoredDocument, GivesTheValueAtAPath) {
  const std::string bytes =
      stored(parse_json(R"({"a":{"b":[1,{"c":"deep"}],"":2},"n":null,"1":"one","s":"text"})").value());
  EXPECT_EQ(found(bytes, "$.a.b"), R"([1,{"c":"deep"}])");
  EXPECT_EQ(found(bytes, "$.a.b.1.c"), R"("deep")");
  EXPECT_EQ(found(bytes, "$.a.b.*"), "1");
  EXPECT_EQ(found(bytes, "$.a.b.2"), "nothing");
  EXPECT_EQ(found(bytes, "$.n"), "null");
  EXPECT_EQ(found(bytes, "$.n.x"), "nothing");
  EXPECT_EQ(found(bytes, "$.1"), R"("one")");
  EXPECT_EQ(found(bytes, "$.s.0"), "nothing");
  EXPECT_EQ(found(bytes, "$.missing.x"), "nothing");
}

TEST(StoredDocument, IsTheDecodedOne) {
  check_property(2000, [] {
    const Value document(*generate::any_tree());
    const auto path = parse_path(*generate::any_path());
    RC_PRE(path.ok() && !path->empty());
    Value value;
    const Found got = find_in_stored(stored(document), *path, value);
    const Value* wanted = find_at(document, *path, 0);
    RC_ASSERT(got == (wanted != nullptr ? Found::kValue : Found::kNothing));
    RC_ASSERT((wanted == nullptr || deep_equal(value, *wanted)));
  });
}

TEST(StoredDocument, SaysWhereItDoesNotDecode) {
  const std::string bytes = stored(parse_json(R"({"a":{"b":"some text"},"z":1})").value());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(found(bytes.substr(0, n), "$.z"), "malformed") << n;
  }
  std::string spoiled = bytes;
  spoiled[spoiled.find("some")] = '\xff';
  EXPECT_EQ(found(spoiled, "$.a.b"), "malformed") << "no UTF-8";
  EXPECT_EQ(found(spoiled, "$.z"), "1") << "what is not on the way is not read";
  EXPECT_EQ(found("\x80garbage", "$.z"), "nothing");
  EXPECT_EQ(found("\xc1", "$.z"), "malformed");
}

}  // namespace
}  // namespace cairn::engine
