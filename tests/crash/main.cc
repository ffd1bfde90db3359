// crash_tests --states=100000 --seed=7 runs the long form; CAIRN_CRASH_STATES and CAIRN_CRASH_SEED do the same.
#include <gtest/gtest.h>
#include <malloc.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "tests/crash/crash_prover.h"

int main(int argc, char** argv) {
  // Images come and go by the megabyte: giving each back to the system costs more than the work on it.
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--states=", 9) == 0) {
      cairn::testing::crash_budget().states = std::strtoull(argv[i] + 9, nullptr, 10);
    } else if (std::strncmp(argv[i], "--seed=", 7) == 0) {
      cairn::testing::crash_budget().seed = std::strtoull(argv[i] + 7, nullptr, 10);
    } else if (std::strncmp(argv[i], "--only=", 7) == 0) {
      cairn::testing::crash_budget().only = argv[i] + 7;
    }
  }
  return RUN_ALL_TESTS();
}
