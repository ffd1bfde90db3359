// Whole numbers and durations on the command line: one parser each, so that every option refuses the same texts.
#pragma once

#include <string>

#include "api/report/read_time.h"

namespace cairn::tools {

using report::kDurationForms;
using report::kDurationMsMax;
using report::NumberRange;
using report::parse_duration_ms;
using report::parse_whole;

/// "a whole number from 2 to 16"
std::string range_text(NumberRange range);

}  // namespace cairn::tools
