#include "tests/support/property.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

#include "tests/support/scale.h"

namespace cairn {

void check_property(int cases, const std::function<void()>& property) {
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = std::max(1, cases / testing::test_scale());
  const ::testing::TestInfo* info = ::testing::UnitTest::GetInstance()->current_test_info();
  rc::detail::TestMetadata metadata;
  metadata.id = std::string(info->test_suite_name()) + "/" + info->name();
  metadata.description = info->name();
  const auto result = rc::detail::checkTestable([&property] { property(); }, metadata, params);
  std::printf("property: %s: %d cases\n", metadata.id.c_str(), params.maxSuccess);
  if (!result.is<rc::detail::SuccessResult>()) {
    std::ostringstream text;
    rc::detail::printResultMessage(result, text);
    FAIL() << text.str();
  }
}

int cases_from(const char* name, int cases) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it here
  return text == nullptr ? cases : std::atoi(text);
}

}  // namespace cairn
