#include "engine/json/value.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <climits>
#include <string>

#include "tests/support/generate.h"
#include "tests/support/json_literal.h"
#include "tests/support/property.h"

namespace cairn::engine {
namespace {

constexpr uint64_t kTwo63 = uint64_t{1} << 63;

Value sum_of(const Value& x, const Value& n) {
  Value sum;
  EXPECT_TRUE(add_numbers(x, n, sum));
  return sum;
}

TEST(Value, UnsignedThatFitsIsHeldAsSigned) {
  EXPECT_EQ(Value(uint64_t{7}).type(), Type::kInt64);
  EXPECT_EQ(Value(uint64_t{INT64_MAX}).type(), Type::kInt64);
  EXPECT_EQ(Value(kTwo63).type(), Type::kUint64);
}

TEST(Value, BitEqualityTellsTypesZerosAndKeyOrderApart) {
  EXPECT_EQ(Value(0.5), Value(0.5));
  EXPECT_FALSE(Value(0.0) == Value(-0.0));
  EXPECT_FALSE(Value(1) == Value(1.0));
  EXPECT_FALSE(Value(Array{-0.0}) == Value(Array{0.0}));
  EXPECT_FALSE(json(R"({"a":1,"b":2})") == json(R"({"b":2,"a":1})"));
  EXPECT_EQ(json(R"({"a":[1,{"b":null}]})"), json(R"({"a":[1,{"b":null}]})"));
}

TEST(Value, DeepEqualityIsTypeStrictAndIgnoresKeyOrder) {
  EXPECT_TRUE(deep_equal(json(R"({"a":1,"b":[2,{"c":3,"d":4}]})"), json(R"({"b":[2,{"d":4,"c":3}],"a":1})")));
  EXPECT_FALSE(deep_equal(json("[1,2]"), json("[2,1]")));
  EXPECT_FALSE(deep_equal(json("1"), json("\"1\"")));
  EXPECT_FALSE(deep_equal(json("1"), json("true")));
  EXPECT_FALSE(deep_equal(json("null"), json("false")));
  EXPECT_FALSE(deep_equal(json("[]"), json("{}")));
  EXPECT_FALSE(deep_equal(json(R"({"id":1})"), json(R"({"id":1,"n":2})")));
  EXPECT_FALSE(deep_equal(json(R"({"id":1})"), json(R"({"di":1})")));
}

TEST(Value, DeepEqualityOfNumbersIsByExactValue) {
  EXPECT_TRUE(deep_equal(1, 1.0));
  EXPECT_TRUE(deep_equal(0.0, -0.0));
  EXPECT_TRUE(deep_equal(0, -0.0));
  EXPECT_TRUE(deep_equal(kTwo63, 9223372036854775808.0));
  EXPECT_TRUE(deep_equal(-9223372036854775808.0, int64_t{INT64_MIN}));
  EXPECT_FALSE(deep_equal(int64_t{9007199254740993}, 9007199254740992.0));
  EXPECT_FALSE(deep_equal(int64_t{INT64_MAX}, 9223372036854775808.0));
  EXPECT_FALSE(deep_equal(uint64_t{UINT64_MAX}, 18446744073709551616.0));
  EXPECT_FALSE(deep_equal(kTwo63, int64_t{INT64_MIN}));
  EXPECT_FALSE(deep_equal(0, 0.5));
}

TEST(Value, DeepEqualityOfLargeObjectsIgnoresKeyOrder) {
  Object a;
  for (int i = 0; i < 1000; ++i) {
    a.push_back({std::to_string(i * 7919 % 1000), i});
  }
  Object b(a.rbegin(), a.rend());
  EXPECT_TRUE(deep_equal(a, b));
  b[500].value = -1;
  EXPECT_FALSE(deep_equal(a, b));
}

TEST(Value, SumsOfIntegersAreExactUntilTheyLeave64Bits) {
  EXPECT_EQ(sum_of(int64_t{9007199254740991}, 2), Value(int64_t{9007199254740993}));
  EXPECT_EQ(sum_of(int64_t{INT64_MAX}, 1), Value(kTwo63));
  EXPECT_EQ(sum_of(kTwo63, -1), Value(int64_t{INT64_MAX}));
  EXPECT_EQ(sum_of(uint64_t{UINT64_MAX}, 1), Value(18446744073709551616.0));
  EXPECT_EQ(sum_of(int64_t{INT64_MIN}, -1), Value(-9223372036854775808.0));
  EXPECT_EQ(sum_of(uint64_t{UINT64_MAX}, int64_t{INT64_MIN}), Value(int64_t{INT64_MAX}));
}

TEST(Value, SumsWithADoubleAreIeee) {
  EXPECT_EQ(sum_of(0.1, 0.2), Value(0.30000000000000004));
  EXPECT_EQ(sum_of(1, 0.5), Value(1.5));
  EXPECT_EQ(sum_of(1, 1.0), Value(2.0));
}

TEST(Value, SumThatIsNotFiniteIsRefused) {
  Value sum = "untouched";
  EXPECT_FALSE(add_numbers(DBL_MAX, DBL_MAX, sum));
  EXPECT_FALSE(add_numbers(-DBL_MAX, -DBL_MAX, sum));
  EXPECT_EQ(sum, Value("untouched"));
}

TEST(Value, NegationKeepsIntegersExactWhereItCan) {
  EXPECT_EQ(negate_number(5), Value(-5));
  EXPECT_EQ(negate_number(0), Value(0));
  EXPECT_EQ(negate_number(int64_t{INT64_MIN}), Value(kTwo63));
  EXPECT_EQ(negate_number(kTwo63), Value(int64_t{INT64_MIN}));
  EXPECT_EQ(negate_number(uint64_t{UINT64_MAX}), Value(-18446744073709551616.0));
  EXPECT_EQ(negate_number(2.5), Value(-2.5));
}

TEST(Value, DepthCountsContainers) {
  EXPECT_EQ(depth_of(json("1")), 0);
  EXPECT_EQ(depth_of(json("[]")), 1);
  EXPECT_EQ(depth_of(json(R"([1,{"a":[]},[2]])")), 3);
}

TEST(Value, LastOfDuplicateKeysWinsAtTheFirstPlace) {
  Object object{{"a", 1}, {"b", 2}, {"a", 3}, {"c", 4}, {"a", 5}};
  keep_last_values(object);
  EXPECT_EQ(to_json(object), R"({"a":5,"b":2,"c":4})");
}

TEST(Value, DuplicatesAreSettledAsByOneInsertAfterTheOther) {
  check_property(1000, [] {
    const auto keys = *rc::gen::resize(60, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 25)));
    Object object;
    Object expected;
    for (size_t i = 0; i < keys.size(); ++i) {
      const std::string key = std::to_string(keys[i]);
      object.push_back({key, static_cast<int64_t>(i)});
      const auto there =
          std::find_if(expected.begin(), expected.end(), [&](const Property& p) { return p.key == key; });
      if (there == expected.end()) {
        expected.push_back(object.back());
      } else {
        there->value = static_cast<int64_t>(i);
      }
    }
    keep_last_values(object);
    RC_ASSERT(object == expected);
  });
}

TEST(Value, BitEqualValuesAreDeepEqual) {
  check_property(1000, [] {
    const Value v = *generate::any_value();
    const Value copy = v;
    RC_ASSERT(copy == v);
    RC_ASSERT(deep_equal(copy, v));
  });
}

TEST(Value, DeepEqualityIsSymmetric) {
  check_property(1000, [] {
    const Value a = *generate::any_value();
    const Value b = *generate::any_value();
    RC_ASSERT(deep_equal(a, b) == deep_equal(b, a));
  });
}

TEST(Value, DecrementTakesBackAnIntegerIncrement) {
  check_property(1000, [] {
    const Value x = *generate::any_integer();
    const Value n = *rc::gen::map(rc::gen::inRange<int64_t>(-1000, 1000), [](int64_t i) { return Value(i); });
    Value there;
    Value back;
    RC_ASSERT(add_numbers(x, n, there));
    RC_PRE(!there.is(Type::kDouble));
    RC_ASSERT(add_numbers(there, negate_number(n), back));
    RC_ASSERT(back == x);
  });
}

}  // namespace
}  // namespace cairn::engine
