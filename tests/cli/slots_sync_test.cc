// `cairn sync` on a directory of slots, and on a store that a live worker has open.
#include <filesystem>

#include "engine/maintenance/slots.h"
#include "engine/store/upstream.h"
#include "tests/cli/server_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class SlotsSync : public ServerTest {
 protected:
  void TearDown() override {
    if (store_) {
      close();
    }
    ServerTest::TearDown();
  }
  [[nodiscard]] std::string slot(uint32_t number) const { return store() + "/" + engine::slot_name(number); }
  void start_at(uint32_t number, const std::string& id) {
    std::filesystem::create_directories(store());
    const Ran ran = bare({"start", "--id", id, "--store", slot(number)});
    ASSERT_EQ(ran.exit, 0) << ran.err;
  }
  /// The test is the worker of the lowest slot that is free.
  void work() {
    auto opened = engine::open_slot(options(), "");
    ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
    store_ = std::move(*opened);
  }
};

TEST_F(SlotsSync, SendsThoseWithoutAWorkerOneAfterTheOther) {
  start_at(0, "a");
  start_at(1, "b");
  const std::string url = "http://" + serve();
  const Ran first = cairn({"sync", "--upstream", url, "--deadline", "60s", "--json"});
  EXPECT_EQ(first.exit, 0) << first.err;
  ASSERT_EQ(first.lines().size(), 2u) << first.out;
  EXPECT_EQ(first.lines()[0]["slot"], "slot-000");
  EXPECT_EQ(first.lines()[1]["slot"], "slot-001");
  EXPECT_EQ(first.lines()[1]["all_acknowledged"], true);
  EXPECT_EQ(at("up", {"show", "a"}).exit, 0);
  EXPECT_EQ(at("up", {"show", "b"}).exit, 0);
  const Ran again = cairn({"sync", "--deadline", "60s"});
  EXPECT_EQ(again.exit, 0) << again.err;
  EXPECT_THAT(again.out, AllOf(StartsWith("slot-000: "), HasSubstr("\nslot-001: ")));
  EXPECT_THAT(cairn({"why", "b"}).out, HasSubstr("the upstream has all of it"));
}

TEST_F(SlotsSync, TheWorstOfThemDecidesTheExitCode) {
  start_at(0, "a");
  start_at(1, "b");
  ASSERT_EQ(bare({"sync", "--upstream", "http://127.0.0.1:1", "--deadline", "100ms", "--store", slot(0)}).exit, 75);
  const Ran nowhere = cairn({"sync", "--deadline", "1s"});
  EXPECT_THAT(nowhere.err, HasSubstr("slot-001 was not synced"));
  EXPECT_NE(nowhere.exit, 0);
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
           {"sync", "--detach"}, {"sync", "--retry", "a"}, {"sync", "--moved"}, {"sync", "--via-folder", path("")}}) {
    const Ran ran = cairn(line);
    EXPECT_EQ(ran.exit, 64) << line[1];
    EXPECT_THAT(ran.err, HasSubstr("say which slot")) << line[1];
  }
}

TEST_F(SlotsSync, OfALiveWorkerItSaysThatTheWorkerSends) {
  const std::string url = "http://" + serve();
  work();
  start_at(1, "dead");
  ASSERT_TRUE(store_->upstream().attach("https://centre.example", {}).ok());
  start("live");
  ASSERT_TRUE(store_->barrier().ok());
  engine::Upstream::State state;
  ASSERT_TRUE(store_->upstream().state(state).ok());  // folds the log
  const std::string pid = std::to_string(getpid());
  const Ran one = bare({"sync", "--upstream", url, "--store", slot(0)});
  EXPECT_EQ(one.exit, 75) << one.err;
  EXPECT_EQ(one.err, "");
  EXPECT_THAT(one.out, StartsWith("process " + pid +
                                  " has the store open, and sends by itself to https://centre.example\n  1 run waits"));
  const Ran all = cairn({"sync", "--upstream", url, "--deadline", "60s", "--json"});
  EXPECT_EQ(all.exit, 75) << "of the worker's something waits";
  ASSERT_EQ(all.lines().size(), 2u);
  EXPECT_EQ(all.lines()[0]["owner_pid"], getpid());
  EXPECT_EQ(all.lines()[0]["waiting_runs"], 1);
  EXPECT_EQ(all.lines()[0]["all_acknowledged"], false);
  EXPECT_EQ(all.lines()[1]["all_acknowledged"], true);
  EXPECT_EQ(at("up", {"show", "dead"}).exit, 0);
  EXPECT_EQ(at("up", {"show", "live"}).exit, 1) << "only its worker sends it";
  EXPECT_THAT(bare({"sync", "--dead", "--store", slot(0)}).out, HasSubstr("no dead letters"));
  EXPECT_EQ(bare({"sync", "--detach", "--store", slot(0)}).exit, 78) << "that only the owner can do";
}

TEST_F(SlotsSync, OfALiveWorkerWithoutAnUpstreamTheStoreIsBusy) {
  work();
  start("live");
  const Ran ran = bare({"sync", "--upstream", "http://127.0.0.1:1", "--store", slot(0)});
  EXPECT_EQ(ran.exit, 78);
  EXPECT_THAT(ran.err, Not(HasSubstr("by itself")));
}

}  // namespace
}  // namespace cairn::tests
