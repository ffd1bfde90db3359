#include "engine/document/document.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/json_literal.h"

namespace cairn::engine {
namespace {

Document document(std::string_view text) { return Document::from_object(*json(text).get<Object>()); }

/// {"key_0":0,"key_1":1,...}
Document numbered(int members) {
  Document d;
  for (int i = 0; i < members; ++i) {
    d.insert("key_" + std::to_string(i), Value(i), integer_text_bytes(int64_t{i}));
  }
  return d;
}

void expect_sizes_agree(Document& d) {
  EXPECT_GE(d.bytes_bound(), d.to_json().size());
  EXPECT_EQ(d.exact_bytes(), d.to_json().size());
  EXPECT_EQ(d.bytes_bound(), d.to_json().size());
}

TEST(Document, JsonKeepsInsertionOrder) {
  Document d = document(R"({"b":1,"a":[1.5,{"x":"\n"}],"":null})");
  EXPECT_EQ(d.to_json(), R"({"b":1,"a":[1.5,{"x":"\n"}],"":null})");
  expect_sizes_agree(d);
  EXPECT_TRUE(Document::from_object(d.to_object()) == d);
}

TEST(Document, EmptyDocumentIsTwoBytes) {
  Document d;
  EXPECT_EQ(d.exact_bytes(), 2U);
  d.insert("a", Value(1), 1);
  d.erase(0);
  EXPECT_EQ(d.exact_bytes(), 2U);
  EXPECT_EQ(d.to_json(), "{}");
}

TEST(Document, FindsKeysOfEveryLengthAmongFewAndMany) {
  for (const int others : {0, 100}) {
    Document d = numbered(others);
    std::string key;
    for (int length = 0; length < 40; ++length) {
      d.insert(key, Value(length), 2);
      key += static_cast<char>('a' + length % 26);
    }
    key.clear();
    for (int length = 0; length < 40; ++length) {
      EXPECT_EQ(d.find(key), others + length);
      std::string other = key + "!";
      EXPECT_EQ(d.find(other), -1);
      for (size_t at = 0; at < key.size(); ++at) {
        other = key;
        other[at] = '!';
        EXPECT_EQ(d.find(other), -1) << other;
      }
      key += static_cast<char>('a' + length % 26);
    }
  }
}

TEST(Document, KeysStayFoundThroughInsertsAndErasesAtEveryPlace) {
  Document d = numbered(60);
  std::vector<std::string> keys;
  for (int i = 0; i < 60; ++i) {
    keys.push_back("key_" + std::to_string(i));
  }
  uint64_t state = 12345;
  const auto random = [&state](size_t below) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<size_t>(state >> 33) % below;
  };
  for (int round = 0; round < 3000; ++round) {
    const bool shrinking = round / 300 % 2 == 1;  // through the borders where the index comes and goes
    if (!keys.empty() && random(10) < (shrinking ? 7U : 4U)) {
      const size_t at = random(keys.size());
      const Member gone = d.erase(static_cast<int>(at));
      EXPECT_EQ(gone.key, keys[at]);
      EXPECT_EQ(d.find(gone.key), -1);
      keys.erase(keys.begin() + static_cast<ptrdiff_t>(at));
    } else {
      Member m;
      m.key = "made_" + std::to_string(round);
      m.key_bytes = static_cast<uint32_t>(json_string_bytes(m.key));
      m.value = Value(7);
      m.value_bytes = 1;
      const size_t at = random(keys.size() + 1);
      keys.insert(keys.begin() + static_cast<ptrdiff_t>(at), m.key);
      d.insert_at(static_cast<int>(at), std::move(m));
    }
    ASSERT_EQ(d.size(), static_cast<int>(keys.size()));
    for (size_t i = 0; i < keys.size(); ++i) {
      ASSERT_EQ(d.find(keys[i]), static_cast<int>(i)) << "round " << round;
    }
  }
  expect_sizes_agree(d);
}

TEST(Document, LayoutChangesWithEveryInsertEraseAndClear) {
  Document d = numbered(2);
  uint32_t layout = d.layout();
  const auto changed = [&] {
    const bool moved = d.layout() != layout;
    layout = d.layout();
    return moved;
  };
  d.try_assign_double(0, 1.5, 100);
  d.assign(1, Value("x"), 3);
  EXPECT_FALSE(changed());
  d.insert("c", Value(), 4);
  EXPECT_TRUE(changed());
  d.erase(0);
  EXPECT_TRUE(changed());
  d.clear();
  EXPECT_TRUE(changed());
  Document other = numbered(2);
  other.continue_layout(layout);
  EXPECT_GT(other.layout(), layout);
}

TEST(Document, DoubleIsAcceptedUnformattedWhileTheLongestWouldFit) {
  Document d = document(R"({"a":1,"b":2})");
  EXPECT_TRUE(d.try_assign_double(0, 0.5, 13 - 1 + kDoubleTextMax));
  EXPECT_EQ(d.bytes_bound(), 12 + kDoubleTextMax);
  EXPECT_EQ(d.exact_bytes(), d.to_json().size());
}

TEST(Document, DoubleIsFormattedOnlyWhenTheBoundDoesNotFit) {
  Document d = document(R"({"a":1,"b":2})");
  EXPECT_TRUE(d.try_assign_double(0, 0.5, 15));
  EXPECT_EQ(d.bytes_bound(), 15U);
  EXPECT_FALSE(d.try_assign_double(0, 0.25, 15));
  EXPECT_EQ(d.to_json(), R"({"a":0.5,"b":2})");
  EXPECT_TRUE(d.try_assign_double(1, 4, 15));
  expect_sizes_agree(d);
}

TEST(Document, OtherInexactMembersAreFormattedBeforeAnythingIsRefused) {
  Document d = document(R"({"a":1,"b":2})");
  const size_t limit = 13 - 1 + kDoubleTextMax;
  EXPECT_TRUE(d.try_assign_double(0, 0.5, limit));
  EXPECT_TRUE(d.try_assign_double(1, 0.25, limit));
  EXPECT_TRUE(d.try_assign_int(1, 1234567890, limit));
  EXPECT_EQ(d.to_json(), R"({"a":0.5,"b":1234567890})");
  expect_sizes_agree(d);
}

TEST(Document, SaysHowManyBytesWouldBeNeeded) {
  Document d = document(R"({"a":1,"b":2})");
  ASSERT_TRUE(d.try_assign_double(0, 0.5, 1000));
  size_t needed = 0;
  EXPECT_FALSE(d.fits_assign(1, 10, 23, &needed));
  EXPECT_EQ(needed, 24U);
  EXPECT_TRUE(d.fits_assign(1, 10, 24, &needed));
  EXPECT_FALSE(d.fits_insert(3, 1, 20, &needed));
  EXPECT_EQ(needed, 21U);
  EXPECT_TRUE(d.fits_insert(3, 1, 21, &needed));
  d.insert("c", Value(3), 1);
  EXPECT_EQ(d.to_json().size(), 21U);
}

TEST(Document, ReplacedValueComesBack) {
  Document d = document(R"({"a":[1],"b":2})");
  EXPECT_TRUE(d.assign(0, Value("x"), 3) == json("[1]"));
  EXPECT_EQ(d.to_json(), R"({"a":"x","b":2})");
  expect_sizes_agree(d);
}

TEST(Document, EqualityIsOfOrderAndBits) {
  EXPECT_TRUE(document(R"({"a":1,"b":2})") == document(R"({"a":1,"b":2})"));
  EXPECT_FALSE(document(R"({"a":1,"b":2})") == document(R"({"b":2,"a":1})"));
  EXPECT_FALSE(document(R"({"a":1})") == document(R"({"a":1.0})"));
  EXPECT_FALSE(document(R"({"a":0.0})") == document(R"({"a":-0.0})"));
  EXPECT_FALSE(document(R"({"a":1})") == document(R"({"a":1,"b":2})"));
}

}  // namespace
}  // namespace cairn::engine
