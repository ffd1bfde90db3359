#include "tools/input/members.h"

#include "tools/input/number_argument.h"

namespace cairn::tools {

uint64_t number_at(const engine::Object& object, std::string_view name) {
  if (const auto* number = member_at<int64_t>(object, name)) {
    return *number < 0 ? 0 : static_cast<uint64_t>(*number);
  }
  if (const auto* number = member_at<uint64_t>(object, name)) {
    return *number;
  }
  const std::string* text = text_at(object, name);
  return text == nullptr ? 0 : parse_whole(*text, {0, UINT64_MAX}).value_or(0);
}

}  // namespace cairn::tools
