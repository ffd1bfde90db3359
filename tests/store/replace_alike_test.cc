// The hot replace: the same keys and types again. It must do what the general one does, or nothing.
#include <nlohmann/json.hpp>

#include "engine/json/msgpack.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

using Json = nlohmann::ordered_json;

class ReplaceAlike : public StoreTest {
 protected:
  static std::string packed(const Json& object) {
    const std::vector<uint8_t> bytes = Json::to_msgpack(object);
    return {bytes.begin(), bytes.end()};
  }
  Status replace(const engine::RunRef& run, const std::string& msgpack) {
    auto value = engine::decode_msgpack(msgpack);
    if (!value.ok()) {
      return value.status();
    }
    engine::Outcome outcome;
    return store_->apply(*run, {engine::OperationType::kReplace, "", std::move(*value)}, outcome);
  }
  // A run that holds `object`, replaced since the last flush.
  engine::RunRef run_with(const Json& object) {
    const engine::RunRef run = start("run-" + std::to_string(++runs_));
    EXPECT_TRUE(replace(run, packed(object)).ok());
    return run;
  }
  /// `after` is taken, or not, over `before`; either way memory and staging hold one of them, whole.
  void expect(bool taken, const Json& before, const std::string& after) {
    const engine::RunRef run = run_with(before);
    const uint64_t sequence = run->sequence;
    EXPECT_EQ(store_->try_replace(*run, after), taken) << before;
    EXPECT_EQ(run->sequence, sequence + (taken ? 1 : 0));
    if (!taken) {
      EXPECT_EQ(json(run), before.dump());
      EXPECT_EQ(read(run->id), before.dump());
      return;
    }
    const std::string wanted = Json::from_msgpack(after).dump();
    EXPECT_EQ(json(run), wanted);
    EXPECT_EQ(read(run->id), wanted);
    const engine::RunRef general = start("general-" + std::to_string(runs_));
    EXPECT_TRUE(replace(general, after).ok());
    EXPECT_EQ(run->live.document(), general->live.document());
    EXPECT_EQ(json(general), wanted);
    // And once more, into the other buffer.
    EXPECT_TRUE(store_->try_replace(*run, after));
    EXPECT_EQ(read(run->id), wanted);
  }
  void expect(bool taken, const Json& before, const Json& after) { expect(taken, before, packed(after)); }

 private:
  int runs_ = 0;
};

TEST_F(ReplaceAlike, TakesNumbersBoolsNullsAndTextsThatAreNotLonger) {
  open();
  expect(true, {{"a", 1}}, Json{{"a", 2}});
  expect(true, {{"a", 1.5}, {"b", "text"}, {"c", true}, {"d", nullptr}},
         Json{{"a", -2.25}, {"b", "tex"}, {"c", false}, {"d", nullptr}});
  expect(true, {{"a", 1}, {"b", 2.5}}, Json{{"a", 2.5}, {"b", -1}});
  for (const int64_t i : {0LL, 127LL, 128LL, 255LL, 256LL, 65535LL, 65536LL, 4294967295LL, -1LL, -32LL, -33LL, -128LL,
                          -129LL, -32768LL, -32769LL, -2147483648LL, -2147483649LL}) {
    expect(true, {{"a", 0.5}}, Json{{"a", i}});
  }
  expect(true, {{"a", ""}}, Json{{"a", ""}});
  expect(true, {{"a", std::string(300, 'x')}}, Json{{"a", std::string(300, 'y')}});
  expect(true, {{"a", std::string(300, 'x')}}, Json{{"a", std::string(31, 'y')}});
  Json many;
  Json more;
  for (int i = 0; i < 32; ++i) {
    many["key-" + std::to_string(i)] = i;
    more["key-" + std::to_string(i)] = i + 1;
  }
  expect(true, many, more);
}

TEST_F(ReplaceAlike, LeavesWhatIsNotAlikeToTheGeneralWay) {
  open();
  const Json two = {{"a", 1}, {"b", "text"}};
  expect(false, two, Json{{"b", "text"}, {"a", 1}});
  expect(false, two, Json{{"a", 1}});
  expect(false, two, Json{{"a", 1}, {"b", "text"}, {"c", 1}});
  expect(false, two, Json{{"a", 1}, {"x", "text"}});
  expect(false, two, Json{{"a", 1}, {"b", "longer text"}});
  expect(false, two, Json{{"a", "1"}, {"b", "text"}});
  expect(false, two, Json{{"a", true}, {"b", "text"}});
  expect(false, two, Json{{"a", nullptr}, {"b", "text"}});
  expect(false, two, Json{{"a", Json::array()}, {"b", "text"}});
  expect(false, two, Json{{"a", Json::object()}, {"b", "text"}});
  expect(false, two, Json{{"a", 1}, {"b", "\"q\""}});
  expect(false, two, Json{{"a", 1}, {"b", "\xc3\xa4"}});
  expect(false, two, Json{{"a", UINT64_MAX}, {"b", "text"}});
  Json many;
  for (int i = 0; i < 33; ++i) {
    many["key-" + std::to_string(i)] = i;
  }
  expect(false, many, many);
  expect(false, two,
         std::string("\x82\xa1"
                     "a\x01\xa1"
                     "b\xa2\xff\xfe",
                     10));  // no UTF-8
  expect(false, two,
         std::string("\x82\xa1"
                     "a\xcb\x7f\xf8\0\0\0\0\0\0\xa1"
                     "b\xa4text",
                     19));  // NaN
  expect(false, two, packed(two) + '\0');
  const std::string whole = packed(two);
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    expect(false, two, whole.substr(0, bytes));
  }
}

TEST_F(ReplaceAlike, NeedsAReplaceSinceTheLastFlush) {
  open();
  const engine::RunRef run = start("r");
  ASSERT_EQ(set(run, "a", "1"), Code::kOk);
  EXPECT_FALSE(store_->try_replace(*run, packed({{"a", 2}})));
  ASSERT_TRUE(replace(run, packed({{"a", 2}})).ok());
  EXPECT_TRUE(store_->try_replace(*run, packed({{"a", 3}})));
  ASSERT_TRUE(store_->barrier().ok());
  EXPECT_FALSE(store_->try_replace(*run, packed({{"a", 4}})));
  EXPECT_EQ(json(run), R"({"a":3})");
}

TEST_F(ReplaceAlike, LeavesTheLimitToTheGeneralWay) {
  auto o = options();
  o.metadata_bytes_max = 30;
  open(o);
  const engine::RunRef run = run_with({{"a", 1}, {"b", 1}});
  // {"a":1.5,"b":1.5} fits, though the bound of two doubles does not.
  EXPECT_FALSE(store_->try_replace(*run, packed({{"a", 1.5}, {"b", 1.5}})));
  EXPECT_TRUE(replace(run, packed({{"a", 1.5}, {"b", 1.5}})).ok());
  EXPECT_EQ(replace(run, packed({{"a", 0.1234567890123}, {"b", 0.1234567890123}})).code, Code::kTooLarge);
  EXPECT_EQ(json(run), R"({"a":1.5,"b":1.5})");
}

}  // namespace
}  // namespace cairn::tests
