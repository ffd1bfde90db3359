// How much less a slow checker does.
#pragma once

#include <algorithm>
#include <cstdlib>

namespace cairn::testing {

/// CAIRN_TEST_SCALE: tests with many equal cases do one in so many. 1 if it is not set.
inline int test_scale() {
  const char* text = std::getenv("CAIRN_TEST_SCALE");  // NOLINT(concurrency-mt-unsafe): nobody sets it here
  return text == nullptr ? 1 : std::max(1, std::atoi(text));
}

}  // namespace cairn::testing
