// A point in time on the command line.
#pragma once

#include "api/report/read_time.h"

namespace cairn::tools {

using report::kTimeForms;
using report::parse_time;

}  // namespace cairn::tools
