// A kill inside the write of a staging buffer: between its payload, its checksum and its sequence.
#include <vector>

#include "tests/support/crashing_store.h"

namespace cairn::tests {
namespace {

class StagedWrite : public CrashingStoreTest {
 protected:
  engine::StoreOptions options() {
    auto o = CrashingStoreTest::options();
    o.hooks.staging.context = this;
    o.hooks.staging.stored = [](void* context, engine::StagingSeam::Point, const char*, size_t) {
      static_cast<StagedWrite*>(context)->stop();
    };
    return o;
  }
  void stop() {
    if (watching_) {
      copies_.push_back("stop" + std::to_string(copies_.size()));
      leave_copy(copies_.back());
    }
  }
  /// Each stop inside the update must leave the state before it or behind it.
  void update_and_kill_inside(const engine::RunRef& run, const std::string& key, const std::string& value) {
    const std::string before = json(run);
    watching_ = true;
    ASSERT_EQ(set(run, key, value), Code::kOk);
    watching_ = false;
    expected_.resize(copies_.size(), {before, json(run)});
  }

  std::vector<std::string> copies_;
  std::vector<std::pair<std::string, std::string>> expected_;  // of each copy

 private:
  bool watching_ = false;
};

TEST_F(StagedWrite, AKillInsideItLeavesTheUpdateBeforeOrThisOne) {
  open(options());
  auto run = start("r");
  set(run, "a", "1");
  set(run, "b", "1");
  update_and_kill_inside(run, "a", "2");  // patched
  update_and_kill_inside(run, "b", "2");
  update_and_kill_inside(run, "a", "3");
  update_and_kill_inside(run, "a", R"("of another length")");  // those behind it move
  update_and_kill_inside(run, "c", R"("one more")");           // appended
  update_and_kill_inside(run, "b", "3");
  update_and_kill_inside(run, "a", R"("shorter")");
  update_and_kill_inside(run, "b", "4");
  update_and_kill_inside(run, "c", "5");
  update_and_kill_inside(run, "a", R"({"of":["another","length"]})");
  store_.reset();
  ASSERT_GE(copies_.size(), 30U);
  for (size_t i = 0; i < copies_.size(); ++i) {
    name_ = copies_[i];
    ASSERT_NO_FATAL_FAILURE(CrashingStoreTest::open());
    const std::string now = json("r");
    EXPECT_TRUE(now == expected_[i].first || now == expected_[i].second)
        << copies_[i] << ": " << now << " instead of " << expected_[i].first << " or " << expected_[i].second;
    store_.reset();
  }
}

}  // namespace
}  // namespace cairn::tests
