#include "tools/output/progress.h"

#include <gtest/gtest.h>

namespace cairn::tests {
namespace {

TEST(Progress, SaysShareRateAndTimeLeft) {
  EXPECT_EQ(tools::progress_text("run", 12'000, 100'000, 1500),
            "12,000 of 100,000 runs, 12 %, 8,000 a second, 11 s left");
  EXPECT_EQ(tools::progress_text("run", 1, 1000, 4000), "1 of 1,000 runs, 0 %, 67 min left");
  EXPECT_EQ(tools::progress_of_bytes("the file", 5u << 20, 20u << 20, 1000),
            "5.0 of 20.0 MiB of the file, 25 %, 5.0 MiB a second, 3 s left");
}

TEST(Progress, WithoutATotalOrATimeSaysWhatItKnows) {
  EXPECT_EQ(tools::progress_text("run", 12'000, 0, 1500), "12,000 runs, 8,000 a second");
  EXPECT_EQ(tools::progress_text("run", 0, 10, 0), "0 of 10 runs, 0 %");
  EXPECT_EQ(tools::progress_text("run", 10, 10, 10), "10 of 10 runs, 100 %, 1,000 a second");
  EXPECT_EQ(tools::progress_text("run", 0, 0, 0), "0 runs");
}

}  // namespace
}  // namespace cairn::tests
