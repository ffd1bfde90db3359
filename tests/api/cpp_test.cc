// The C++ API: both error styles side by side, and everything through the C ABI.
#include <sys/wait.h>

#include <chrono>
#include <cmath>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/cairn.hpp"
#include "tests/api/api_fixture.h"

namespace demo {

struct Loss {
  double train = 0;
  double test = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Loss, train, test)

struct Progress {
  int epoch = 0;
  Loss loss;
  std::vector<double> history;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Progress, epoch, loss, history)

// Knows ordered_json, so its fields keep their order.
struct Ordered {
  int z = 1;
  int a = 2;
};
void to_json(cairn::json& j, const Ordered& o) { j = {{"z", o.z}, {"a", o.a}}; }
void from_json(const cairn::json& j, Ordered& o) {
  o.z = j.value("z", 0);
  o.a = j.value("a", 0);
}

struct Throws {};
[[maybe_unused]] void to_json(cairn::json&, const Throws&) { throw std::runtime_error("no"); }

}  // namespace demo

namespace cairn::tests {
namespace {

class Cpp : public ::testing::Test {
 protected:
  static Options options() {
    Options o;
    o.background = false;
    o.segment_bytes = 256u << 10;
    return o;
  }
  /// The error that `call` throws.
  template <class Call>
  static Error error_of(Call&& call) {
    try {
      call();
    } catch (const Error& e) {
      return e;
    }
    ADD_FAILURE() << "nothing was thrown";
    return cairn::last_error();
  }

  Directory directory_;
  Store store_ = Store::open(directory_.store(), options());
  cairn::Run run_ = store_.start();
};

TEST_F(Cpp, SetTakesNumbersTextTimesContainersAndStructs) {
  run_.set("i", 1).set("u", UINT64_MAX).set("d", 2.0).set("f", 0.5f).set("b", true).set("n", nullptr);
  run_.set("c", "text").set("s", std::string("string")).set("v", std::string_view("view"));
  run_.set("t", TimePoint(std::chrono::milliseconds(1795428000123)));
  run_.set("list", std::vector<int>{1, 2}).set("map", std::map<std::string, int>{{"k", 1}});
  run_.set("braces", {{"train", 0.25}, {"test", 0.5}}).set("array", {1, "two"}).set("json", json(nullptr));
  run_.set("loss", demo::Loss{0.25, 0.5}).set("ordered", demo::Ordered{});
  EXPECT_EQ(
      run_.text(),
      "{\"i\":1,\"u\":18446744073709551615,\"d\":2,\"f\":0.5,\"b\":true,\"n\":null,\"c\":\"text\",\"s\":\"string\","
      "\"v\":\"view\","
      "\"t\":\"2026-11-23T10:00:00.123Z\",\"list\":[1,2],\"map\":{\"k\":1},\"braces\":{\"train\":0.25,\"test\":0.5},"
      "\"array\":[1,\"two\"],\"json\":null,\"loss\":{\"test\":0.5,\"train\":0.25},\"ordered\":{\"z\":1,\"a\":2}}");
  EXPECT_TRUE(run_.get()["d"].is_number_float()) << "doubles stay apart from integers";
  EXPECT_TRUE(run_.get()["i"].is_number_integer());
}

TEST_F(Cpp, UpdatesChain) {
  run_.set("n", 1)
      .increment("n")
      .increment("n", 0.5)
      .decrement("n", 2)
      .append("l", 1)
      .append("l", {{"a", 1}})
      .append("l", true);
  run_.append("l", UINT64_MAX)
      .append("l", nullptr)
      .append("l", "x")
      .remove("l", 1)
      .remove("l", {{"a", 1}})
      .remove("l", true);
  run_.del("none").del("n");
  EXPECT_EQ(run_.text(), "{\"l\":[18446744073709551615,null,\"x\"]}");
  run_.save({{"a", 1}}).apply({{{"type", "increment"}, {"key", "a"}, {"value", 2}}});
  EXPECT_EQ(run_.text(), "{\"a\":3}");
}

TEST_F(Cpp, ReadsAreOptionalAndTyped) {
  run_.set("i", 7).set("s", std::string(5000 - 2000, 'x')).set("b", true).set("d", 0.5).set("t", TimePoint());
  EXPECT_EQ(run_.get<int>("i"), 7);
  EXPECT_EQ(run_.get<double>("i"), 7.0);
  EXPECT_EQ(run_.get<bool>("b"), true);
  EXPECT_EQ(run_.get<float>("d"), 0.5f);
  EXPECT_EQ(run_.get<std::string>("s")->size(), 3000u);
  EXPECT_EQ(run_.get<TimePoint>("t"), TimePoint());
  EXPECT_EQ(run_.get("i"), json(7));
  EXPECT_EQ(run_.get<int>("none"), std::nullopt);
  EXPECT_EQ(run_.get<demo::Loss>("none").has_value(), false);
  const Result<std::optional<int>> missing = run_.try_get<int>("none");
  ASSERT_TRUE(missing.ok());
  EXPECT_EQ(*missing, std::nullopt);
  EXPECT_EQ(run_.try_get<int>("s").code(), Code::kTypeMismatch);
}

TEST_F(Cpp, WrongTypesNamePathExpectedAndFound) {
  run_.set("s", "text").set("big", 300).set("t", "yesterday");
  EXPECT_STREQ(error_of([&] { (void)run_.get<double>("s"); }).what(), "s: expected a number, found a string");
  EXPECT_STREQ(error_of([&] { (void)run_.get<uint8_t>("big"); }).what(),
               "big: expected an integer of 8 bits, found 300");
  EXPECT_STREQ(error_of([&] { (void)run_.get<TimePoint>("t"); }).what(),
               "t: expected a time such as 2026-11-23T10:00:00.000Z, found \"yesterday\"");
  EXPECT_EQ(run_.try_get<uint8_t>("big").code(), Code::kTypeMismatch);
  EXPECT_STREQ(cairn::last_error().what(), "big: expected an integer of 8 bits, found 300");
}

TEST_F(Cpp, WholeStructsAreCheckedFieldByField) {
  const json good = {{"epoch", 3}, {"loss", {{"train", 0.5}, {"test", 1}}}, {"history", {1, 2.5}}};
  run_.save(good).set("p", good);
  const auto p = run_.current<demo::Progress>();
  EXPECT_EQ(p.epoch, 3);
  EXPECT_EQ(p.loss.test, 1.0);
  EXPECT_EQ(p.history, (std::vector<double>{1, 2.5}));
  const auto complaint = [&](const char* path, const json& value) {
    json bad = good;
    if (value.is_discarded()) {
      const json::json_pointer at{std::string(path)};
      bad[at.parent_pointer()].erase(at.back());
    } else {
      bad[json::json_pointer(path)] = value;
    }
    run_.save(bad).set("p", bad);
    const std::string whole = error_of([&] { (void)run_.current<demo::Progress>(); }).what();
    const Error part = error_of([&] { (void)run_.get<demo::Progress>("p"); });
    EXPECT_EQ(part.what(), "p." + whole);
    EXPECT_EQ(part.code(), Code::kTypeMismatch);
    return whole;
  };
  const json gone(json::value_t::discarded);
  EXPECT_EQ(complaint("/epoch", "three"), "epoch: expected number, found string");
  EXPECT_EQ(complaint("/loss", 1), "loss: expected object, found number");
  EXPECT_EQ(complaint("/loss/test", "x"), "loss.test: expected number, found string");
  EXPECT_EQ(complaint("/loss/train", nullptr), "loss.train: expected number, found null");
  EXPECT_EQ(complaint("/loss/test", gone), "loss.test: expected a value, found nothing");
  EXPECT_EQ(complaint("/history", gone), "history: expected a value, found nothing");
  EXPECT_EQ(complaint("/history", {{"a", 1}}), "history: expected array, found object");
  EXPECT_EQ(complaint("/history", {1, 2, "x", "y"}), "history.2: expected number, found string");
}

TEST_F(Cpp, KeysAreTypedNames) {
  constexpr Key<double> kProgress{"progress"};
  constexpr Key<demo::Ordered> kOrdered{"ordered"};
  run_.set(kProgress, 1).set(kOrdered, {5, 6});
  EXPECT_EQ(run_.get(kProgress), 1.0);
  EXPECT_EQ(run_.get(kOrdered)->a, 6);
  EXPECT_TRUE(run_.try_set(kProgress, 2).ok());
  EXPECT_EQ(**run_.try_get(kProgress), 2.0);
}

TEST_F(Cpp, CellsHoldNumbersBoolsAndStrings) {
  auto d = run_.bind<double>("d");
  auto i = run_.bind<int>("i");
  auto u = run_.bind<uint64_t>("u");
  auto b = run_.bind<bool>("b");
  auto s = run_.bind<std::string>("s");
  d.set(0.5).increment(0.25);
  i.increment().increment(4);
  u.set(UINT64_MAX);
  b.set(true);
  s.set("text");
  EXPECT_EQ(run_.text(), "{\"d\":0.75,\"i\":5,\"u\":18446744073709551615,\"b\":true,\"s\":\"text\"}");
  EXPECT_EQ(d.get(), 0.75);
  EXPECT_EQ(s.get(), "text");
  EXPECT_EQ(u.get(), UINT64_MAX);
  run_.del("i");
  EXPECT_EQ(i.get(), std::nullopt);
  run_.finish();
  EXPECT_EQ(d.try_set(1).code, Code::kFinished);
  EXPECT_EQ(error_of([&] { d.set(1); }).code(), Code::kFinished);
  store_.close();
  EXPECT_EQ(d.try_increment(1).code, Code::kClosed);
}

TEST_F(Cpp, BothStylesReportTheSame) {
  const Error thrown = error_of([&] { run_.set("key", std::string(5000, 'x')); });
  EXPECT_EQ(thrown.code(), Code::kTooLarge);
  EXPECT_EQ(thrown.key(), "key");
  EXPECT_EQ(thrown.limit(), 4096u);
  EXPECT_EQ(thrown.needed(), 5010u);
  EXPECT_EQ(run_.try_set("key", std::string(5000, 'x')).code, Code::kTooLarge);
  EXPECT_EQ(cairn::last_error().needed(), 5010u);
  EXPECT_EQ(run_.try_set("key", 0.0 / 0.0 * 1e308 * 10).code, Code::kNotFinite);
  EXPECT_EQ(run_.try_set("key", json{{"a", std::numeric_limits<double>::infinity()}}).code, Code::kNotFinite);
  EXPECT_EQ(run_.try_set("key", json("\xff")).code, Code::kInvalidUtf8);
  EXPECT_EQ(run_.try_del("none").code, Code::kUnchanged);
  EXPECT_EQ(run_.try_remove("none", 1).code, Code::kUnapplied);
  EXPECT_EQ(error_of([&] { run_.remove("none", 1); }).reason(), CAIRN_REASON_MISSING_KEY);
  EXPECT_EQ(run_.try_append("$.none.x", 1).code, Code::kUnapplied);
  EXPECT_EQ(run_.try_save(json::array()).code, Code::kTypeMismatch);
  EXPECT_EQ(run_.try_apply({{{"type", "none"}}}).code, Code::kInvalidArgument);
  EXPECT_EQ(run_.text(), "{}");
}

TEST_F(Cpp, AConversionThatThrowsIsItsOwnException) {
  EXPECT_THROW(run_.set("a", demo::Throws{}), std::runtime_error);
  EXPECT_EQ(run_.try_set("a", demo::Throws{}).code, Code::kInvalidArgument);
  EXPECT_EQ(run_.text(), "{}");
}

TEST_F(Cpp, RunsAreStartedFoundListedAndErased) {
  Start start;
  start.id = "named";
  start.task = "train";
  start.tags = {"a", std::string(600, 'b').substr(0, 200)};
  start.metadata = {{"x", 1}};
  cairn::Run named = store_.start(start);
  EXPECT_EQ(named.id(), "named");
  EXPECT_EQ(named.info().tags[1].size(), 200u);
  EXPECT_EQ(named.text(), "{\"x\":1}");
  EXPECT_EQ(store_.try_start(start).code(), Code::kRunning);
  EXPECT_EQ(error_of([&] { store_.start(start); }).code(), Code::kRunning);
  named.set_tags({"c"}).set_status(RunStatus::kWaiting);
  EXPECT_EQ(named.info().status, RunStatus::kWaiting);
  EXPECT_EQ(name(named.info().status), "WAITING");
  EXPECT_EQ(store_.start_or_resume(start).text(), "{\"x\":1}");
  named.finish(RunStatus::kFailed);
  EXPECT_EQ(store_.try_start_or_resume(start).code(), Code::kFinished);
  EXPECT_TRUE(named.info().finished.has_value());
  EXPECT_EQ(store_.try_start(start).code(), Code::kExists);
  EXPECT_EQ(store_.try_resume("named").code(), Code::kFinished);
  ASSERT_TRUE(store_.find("named").has_value());
  EXPECT_EQ(store_.find("named")->get<int>("x"), 1);
  EXPECT_FALSE(store_.find("none").has_value());
  EXPECT_EQ(store_.list().size(), 2u);
  int seen = 0;
  store_.each([&](const RunInfo&) {
    ++seen;
    return false;
  });
  EXPECT_EQ(seen, 1);
  EXPECT_THROW(store_.each([](const RunInfo&) { throw std::logic_error("mine"); }), std::logic_error);
  store_.erase("named");
  EXPECT_FALSE(store_.find("named").has_value());
  EXPECT_EQ(named.try_get<int>("x").code(), Code::kErased);
  start.id = "array";
  start.metadata = json::array();
  EXPECT_EQ(store_.try_start(start).code(), Code::kTypeMismatch);
}

TEST_F(Cpp, TransactionsAreAllOrNone) {
  cairn::Run other = store_.start();
  run_.set("n", 1);
  store_.transact([&](Transaction& t) {
    t.set(run_, "n", 2).set(other, "u", UINT64_MAX).set(other, "z", nullptr).set(other, "j", {{"a", 1}});
    t.increment(other, "i").append(other, "l", 1).save(run_, {{"n", 5}}).increment(run_, "n", 0.5);
  });
  EXPECT_EQ(run_.text(), "{\"n\":5.5}");
  EXPECT_EQ(other.text(), "{\"u\":18446744073709551615,\"z\":null,\"j\":{\"a\":1},\"i\":1,\"l\":[1]}");
  EXPECT_THROW(store_.transact([&](Transaction& t) {
    t.set(run_, "n", 0);
    throw std::logic_error("mine");
  }),
               std::logic_error);
  Transaction t = store_.begin();
  t.set(run_, "n", 0).remove(run_, "n", 0);
  EXPECT_EQ(t.try_commit().code, Code::kUnapplied);
  EXPECT_EQ(error_of([&] { t.commit(); }).index(), 1u);
  t.rollback();
  t.del(other, "u").apply(other, {{{"type", "set"}, {"key", "k"}, {"value", 1}}}).commit(Durability::kPower);
  EXPECT_EQ(run_.text(), "{\"n\":5.5}");
  EXPECT_EQ(other.get<int>("k"), 1);
}

TEST_F(Cpp, TransactionsAppendAndRemoveEveryKindOfValue) {
  const std::string text(300, 'x');
  const auto time = std::chrono::system_clock::time_point{};
  Transaction t = store_.begin();
  t.append(run_, "l", true).append(run_, "l", false).append(run_, "l", nullptr).append(run_, "l", 0.1);
  t.append(run_, "l", 1.0).append(run_, "l", 1).append(run_, "l", -1).append(run_, "l", 'a');
  t.append(run_, "l", INT64_MIN).append(run_, "l", INT64_MAX).append(run_, "l", UINT64_MAX).append(run_, "l", "");
  t.append(run_, "l", text).append(run_, "l", std::string_view("s")).append(run_, "l", time);
  t.append(run_, "l", {{"a", 1}}).append(run_, "l", std::vector<int>{1, 2}).append(run_, "l", json(2));
  t.commit();
  EXPECT_EQ(run_.get("l")->dump(),
            "[true,false,null,0.1,1.0,1,-1,97,-9223372036854775808,9223372036854775807,"
            "18446744073709551615,\"\",\"" +
                text + "\",\"s\",\"1970-01-01T00:00:00.000Z\",{\"a\":1},[1,2],2]");
  t.remove(run_, "l", true).remove(run_, "l", false).remove(run_, "l", nullptr).remove(run_, "l", 0.1);
  t.remove(run_, "l", -1).remove(run_, "l", 'a').remove(run_, "l", INT64_MIN).remove(run_, "l", INT64_MAX);
  t.remove(run_, "l", UINT64_MAX).remove(run_, "l", text).remove(run_, "l", "s").remove(run_, "l", time);
  t.remove(run_, "l", {{"a", 1}}).remove(run_, "l", std::vector<int>{1, 2}).commit();
  run_.append("l", UINT64_MAX);
  EXPECT_EQ(run_.get("l")->dump(), "[1.0,1,\"\",2,18446744073709551615]");
  EXPECT_EQ(t.try_append(run_, "l", std::nan("")).code, Code::kNotFinite);
  EXPECT_EQ(t.try_append(run_, "l", "\xff").code, Code::kInvalidUtf8);
}

TEST_F(Cpp, TransactionsAreFilledWithoutExceptions) {
  Transaction t = store_.begin();
  EXPECT_TRUE(t.try_save(run_, {{"l", {1, 2}}, {"n", 1}}).ok());
  EXPECT_TRUE(t.try_append(run_, "l", 3).ok());
  EXPECT_TRUE(t.try_remove(run_, "l", 1).ok());
  EXPECT_EQ(t.try_append(run_, "__proto__", 1).code, Code::kKeyRefused);
  EXPECT_EQ(t.try_save(run_, json::array()).code, Code::kTypeMismatch);
  EXPECT_TRUE(t.try_commit().ok());
  EXPECT_EQ(run_.text(), "{\"l\":[2,3],\"n\":1}");
}

TEST_F(Cpp, DurabilityIsAskedForPerHandleOrLater) {
  run_.with(Durability::kPower).set("a", 1);
  EXPECT_EQ(store_.stats().durable_lsn, store_.stats().written_lsn);
  run_.set("a", 2);
  const uint64_t epoch = store_.epoch();
  EXPECT_LT(store_.durable_epoch(), epoch);
  store_.wait_durable(epoch);
  EXPECT_GE(store_.durable_epoch(), epoch);
  store_.barrier();
  store_.step();
  store_.checkpoint();
  EXPECT_GE(store_.next_deadline().count(), 0);
  EXPECT_GE(store_.wait_fd(), 0);
  EXPECT_NE(store_.id(), (std::array<uint8_t, 16>{}));
}

TEST_F(Cpp, MetadataSurvivesReopenAndTheRunOutlivesTheStore) {
  run_.set("a", {{"b", 1}});
  const std::string id = run_.id();
  store_.close();
  EXPECT_EQ(run_.try_set("a", 1).code, Code::kClosed);
  EXPECT_EQ(error_of([&] { (void)run_.get(); }).code(), Code::kClosed);
  store_ = Store::open(directory_.store(), options());
  EXPECT_EQ(store_.resume(id).text(), "{\"a\":{\"b\":1}}");
}

TEST_F(Cpp, OpenFailuresCarryTheOwner) {
  const Error busy = error_of([&] { Store::open(directory_.store(), options()); });
  EXPECT_EQ(busy.code(), Code::kBusy);
  EXPECT_EQ(busy.owner_pid(), static_cast<uint64_t>(getpid()));
  EXPECT_TRUE(busy.owner_alive());
  EXPECT_EQ(Store::try_open(directory_.store(), options()).code(), Code::kBusy);
}

TEST_F(Cpp, TheLogIsAFunction) {
  const std::string id = run_.id();
  store_.close();
  std::deque<std::string> lines;
  Options o = options();
  o.crash_grace_ms = 1;
  o.log = [&](LogLevel level, Code, std::string_view message) {
    lines.push_back(std::to_string(static_cast<int>(level)) + " " + std::string(message));
  };
  store_ = Store::open(directory_.store(), o);
  for (int i = 0; i < 500 && lines.empty(); ++i) {
    usleep(2000);
    store_.step();
  }
  ASSERT_FALSE(lines.empty());
  EXPECT_NE(lines.back().find(id), std::string::npos) << lines.back();
  const cairn_hooks hooks = {};
  o.hooks = &hooks;
  EXPECT_EQ(Store::try_open(directory_.path() + "/other", o).code(), Code::kInvalidArgument);
}

TEST(Iso8601, MillisecondsRoundDownAndYearsHaveSigns) {
  const auto at = [](int64_t ms) { return to_iso8601(TimePoint(std::chrono::milliseconds(ms))); };
  EXPECT_EQ(at(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(at(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(at(951782400000), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(to_iso8601(TimePoint(std::chrono::nanoseconds(1'999'999))), "1970-01-01T00:00:00.001Z");
  using Seconds = std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>;
  EXPECT_EQ(to_iso8601(Seconds(std::chrono::seconds(253402300799))), "9999-12-31T23:59:59.000Z");
  EXPECT_EQ(to_iso8601(Seconds(std::chrono::seconds(253402300800))), "+010000-01-01T00:00:00.000Z");
  EXPECT_EQ(to_iso8601(Seconds(std::chrono::seconds(-62167219201))), "-000001-12-31T23:59:59.000Z");
}

TEST(Iso8601, TextsComeBackAndOthersDoNot) {
  for (const int64_t ms :
       {int64_t{0}, int64_t{-1}, int64_t{1795428000123}, int64_t{951782400000}, int64_t{-6857222400000}}) {
    const TimePoint at{std::chrono::milliseconds(ms)};
    EXPECT_EQ(from_iso8601(to_iso8601(at)), at);
  }
  EXPECT_EQ(from_iso8601("9999-12-31T23:59:59.000Z"), std::nullopt) << "beyond nanoseconds of 64 bits";
  EXPECT_TRUE(from_iso8601<std::chrono::milliseconds>("9999-12-31T23:59:59.000Z").has_value());
  for (const char* bad : {"", "2026-11-23", "2026-11-23T10:00:00Z", "2026-02-30T00:00:00.000Z",
                          "2026-13-01T00:00:00.000Z", "2026-00-01T00:00:00.000Z", "2026-01-01T24:00:00.000Z",
                          "2026-01-01 00:00:00.000Z", "2026-01-00T00:00:00.000Z"}) {
    EXPECT_EQ(from_iso8601(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace cairn::tests
