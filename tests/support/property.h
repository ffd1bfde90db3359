// Runs a rapidcheck property a given number of times, as part of a GoogleTest test.
#pragma once

#include <functional>

namespace cairn {

/// The property draws its values with `*generator` and says what must hold with RC_ASSERT. CAIRN_TEST_SCALE divides the
/// number of cases, for slow checkers. RC_PARAMS gives seed and size.
void check_property(int cases, const std::function<void()>& property);

/// The number that the environment gives under this name, or else `cases`.
int cases_from(const char* name, int cases);

}  // namespace cairn
