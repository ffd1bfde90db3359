// One sender store whose updates the test makes itself, sent by `cairn sync` through the proxy. Each update is one
// number for three runs: `r` of its own, `c` of its own, and `p`, c's parent, which the upstream owns: there a change
// that is applied twice shows.
#pragma once

#include <numeric>

#include "tests/chaos/chaos_fixture.h"

namespace cairn::tests {

inline constexpr int kRounds = 3;  // of each fault

class OneSite : public ChaosTest {
 protected:
  using Type = engine::OperationType;

  void begin(const std::vector<std::string>& serve = {}) {
    with_store(up(), [](engine::Store& s) { start(s, "p"); });
    start_server(serve);
    with_store(store(), [](engine::Store& s) {
      start(s, "r");
      start(s, "c", "p");
    });
  }
  /// The next number.
  void update() {
    with_store(store(), [this](engine::Store& s) {
      const int64_t next = updates_ + 1;
      auto r = s.find("r");
      auto c = s.find("c");
      ASSERT_TRUE(r.ok() && c.ok()) << engine::error_detail().message;
      auto p = s.parent(**c);
      ASSERT_TRUE(p.ok()) << engine::error_detail().message;
      std::vector<engine::Store::RunOperation> all;
      for (engine::Run* run : {r->get(), c->get(), p->get()}) {
        all.push_back({run, {Type::kIncrement, "n", 1}});
        all.push_back({run, {Type::kAppend, "log", next}});
      }
      ASSERT_TRUE(s.transact(all).ok()) << engine::error_detail().message;
      ++updates_;
    });
  }
  /// What all three are after these numbers.
  static std::string document_of(const std::vector<int64_t>& log) {
    return log.empty() ? "{}" : R"({"n":)" + std::to_string(log.size()) + R"(,"log":)" + Json(log).dump() + "}";
  }
  [[nodiscard]] std::vector<int64_t> all_numbers() const {
    std::vector<int64_t> log(static_cast<size_t>(updates_));
    std::iota(log.begin(), log.end(), 1);
    return log;
  }
  void expect_all_there() { expect_there(all_numbers()); }
  /// With these numbers at the parent.
  void expect_there(const std::vector<int64_t>& at_parent) {
    const StoredRuns upstream = runs_of(up());
    const auto text = [&upstream](const char* id) {
      return upstream.count(id) == 0 ? "none" : upstream.at(id).document.to_json();
    };
    EXPECT_EQ(text("r"), document_of(all_numbers()));
    EXPECT_EQ(text("c"), document_of(all_numbers()));
    EXPECT_EQ(text("p"), document_of(at_parent));
    expect_alike(runs_of(store()), upstream);
  }
  void expect_sent(const std::vector<std::string>& more = {}) {
    const Ran ran = sync("60s", more);
    EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
  }
  void report(const char* what, int rounds) {
    std::printf(
        "chaos: %s: rounds %d, updates %ld, requests %lu, batches taken %lu, duplicates known %lu, gaps %lu, "
        "rewinds %lu%s\n",
        what, rounds, static_cast<long>(updates_), proxy_.requests(), answers_.taken.load(), answers_.known.load(),
        answers_.gaps.load(), answers_.rewinds.load(), HasFailure() ? "" : "; lost 0, doubled 0");
  }
  static void with_store(const std::string& directory, const std::function<void(engine::Store&)>& work) {
    engine::StoreOptions o;
    o.directory = directory;
    o.segment_bytes = 256u << 10;
    o.metadata_bytes_max = 16384;
    o.mark_crashed = false;
    auto opened = engine::Store::open(o);
    ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
    work(**opened);
    engine::error_detail() = {};
    const Status closed = (*opened)->close(-1);
    ASSERT_TRUE(closed.ok()) << static_cast<int>(closed.code) << " " << closed.what << ": "
                             << engine::error_detail().message;
  }
  static void start(engine::Store& s, const std::string& id, const std::string& parent = {}) {
    engine::StartOptions o;
    o.id = id;
    o.parent = parent;
    ASSERT_TRUE(s.start(o).ok()) << engine::error_detail().message;
  }

  int64_t updates_ = 0;
};

}  // namespace cairn::tests
