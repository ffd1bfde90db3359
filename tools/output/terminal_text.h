// Text for terminals: what api/report has of it, under the names of the tools.
#pragma once

#include "api/report/readable_text.h"

namespace cairn::tools {

using report::age_text;
using report::bar_text;
using report::columns_of;
using report::counted;
using report::iso_time;
using report::padded;
using report::printable;
using report::printable_json;
using report::size_text;
using report::valid_text;
using report::wall_us;

}  // namespace cairn::tools
