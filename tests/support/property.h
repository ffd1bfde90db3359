// Runs a rapidcheck property a given number of times, as part of a GoogleTest test.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>

namespace cairn {

/// RC_PARAMS still gives seed and size; a smaller max_success there wins, for quick runs under slow checkers.
template <class Testable>
void check_property(int cases, Testable&& testable) {
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  constexpr int kDefaultCases = 100;
  params.maxSuccess = params.maxSuccess == kDefaultCases ? cases : std::min(cases, params.maxSuccess);
  const ::testing::TestInfo* info = ::testing::UnitTest::GetInstance()->current_test_info();
  rc::detail::TestMetadata metadata;
  metadata.id = std::string(info->test_suite_name()) + "/" + info->name();
  metadata.description = info->name();
  const auto result = rc::detail::checkTestable(std::forward<Testable>(testable), metadata, params);
  if (!result.template is<rc::detail::SuccessResult>()) {
    std::ostringstream text;
    rc::detail::printResultMessage(result, text);
    FAIL() << text.str();
  }
}

}  // namespace cairn
