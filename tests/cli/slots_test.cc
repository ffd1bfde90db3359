// The slots that processes share a directory for.
#include "engine/maintenance/slots.h"

#include <fstream>

#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class SlotsCommand : public CommandTest {
 protected:
  /// The test's store is a slot then.
  void open_slot() {
    auto opened = engine::open_slot(options(), "");
    ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
    store_ = std::move(*opened);
  }
  [[nodiscard]] std::string slot(uint32_t number) const { return store() + "/" + engine::slot_name(number); }
};

TEST_F(SlotsCommand, ListsOwnersAndRuns) {
  open_slot();
  ASSERT_TRUE(store_->finish(*start("done"), engine::RunStatus::kCompleted).ok());
  start("left");
  close();
  open_slot();
  auto first = std::move(store_);
  open_slot();
  start("mine");
  const auto lines = bare({"slots", store(), "--json"}).lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], Json({{"slot", "slot-000"},
                            {"store", slot(0)},
                            {"owner_pid", getpid()},
                            {"owner_alive", true},
                            {"runs", 2},
                            {"unfinished_runs", 1},
                            {"orphaned_runs", 1}}));
  EXPECT_EQ(lines[1]["slot"], "slot-001");
  EXPECT_EQ(lines[1]["orphaned_runs"], 0);
  ASSERT_TRUE(first->close(0).ok());
  const Ran ran = cairn({"slots"});  // of --store
  EXPECT_EQ(ran.exit, 0) << ran.err;
  const std::string pid = std::to_string(getpid());
  const std::string wide(std::max<size_t>(pid.size(), 5) - 4, ' ');
  EXPECT_THAT(ran.out, StartsWith("SLOT      OWNER"));
  EXPECT_THAT(ran.out, HasSubstr("\nslot-000  none" + wide + "  2       1           1\n"));
  EXPECT_THAT(ran.out, HasSubstr("\nslot-001  " + pid));
  close();
  EXPECT_EQ(bare({"slots", store(), "--json"}).lines().at(1)["owner_pid"], nullptr);
  EXPECT_THAT(bare({"ls", "--store", slot(1)}).out, HasSubstr("mine"));
}

TEST_F(SlotsCommand, ASlotThatCannotBeReadIsNamedWithTheReason) {
  open_slot();
  close();
  std::ofstream(slot(0) + "/STORE") << "something else";
  const Ran ran = cairn({"slots"});
  EXPECT_EQ(ran.exit, 65);
  EXPECT_THAT(ran.out, HasSubstr("cannot be read: "));
  const Json line = cairn({"slots", "--json"}).lines().at(0);
  EXPECT_EQ(line["slot"], "slot-000");
  EXPECT_FALSE(line["problem"].get<std::string>().empty());
  EXPECT_FALSE(line.contains("runs"));
}

TEST_F(SlotsCommand, WithoutSlotsItSaysSo) {
  EXPECT_EQ(cairn({"slots"}).exit, 65) << "no such directory";
  started();  // a store, and no directory of slots
  const Ran ran = cairn({"slots"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.err, HasSubstr("no slots"));
}

}  // namespace
}  // namespace cairn::tests
