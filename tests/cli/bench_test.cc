// What the machine gives: that it is measured and nothing is left, not how much it is.
#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BenchCommand : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    std::filesystem::create_directories(there());
  }
  [[nodiscard]] std::string there() const { return store() + "-bench"; }
  [[nodiscard]] std::vector<std::string> left() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(there())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
};

TEST_F(BenchCommand, MeasuresEveryClassAndLeavesNothing) {
  const Ran ran = bare({"bench", "--dir", there(), "--seconds", "1", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json said = ran.lines().at(0);
  EXPECT_EQ(said["measured"].size(), 8U);
  for (const auto& [name, row] : said["measured"].items()) {
    EXPECT_GT(row["per_second"], 0) << name;
    EXPECT_GT(row["p50_ns"], 0) << name;
    EXPECT_GE(row["p999_ns"], row["p50_ns"]) << name;
  }
  EXPECT_GT(said["power_share_of_disk"], 0);
  EXPECT_THAT(left(), IsEmpty());
}

TEST_F(BenchCommand, SaysInATableWhatItFound) {
  const Ran ran = bare({"bench", "--dir", there(), "--seconds", "1"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("process, cell"));
  EXPECT_THAT(ran.out, HasSubstr("of the disk."));
  EXPECT_THAT(ran.err, HasSubstr("1 of 5"));
}

TEST_F(BenchCommand, RefusesWhatIsNoDirectoryAndNoTime) {
  const Ran ran = bare({"bench", "--dir", there() + "/none"});
  EXPECT_EQ(ran.exit, 64);
  EXPECT_THAT(ran.err, HasSubstr("No such file"));
  EXPECT_EQ(bare({"bench", "--dir", there(), "--seconds", "0"}).exit, 64);
  EXPECT_THAT(left(), IsEmpty());
}

}  // namespace
}  // namespace cairn::tests
