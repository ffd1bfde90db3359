#include "tools/input/number_argument.h"

namespace cairn::tools {

std::string range_text(NumberRange range) {
  return "a whole number from " + std::to_string(range.least) + " to " + std::to_string(range.most);
}

}  // namespace cairn::tools
