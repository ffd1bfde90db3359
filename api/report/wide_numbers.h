// What Cairn prints and answers as JSON has numbers of 53 bits: many readers keep no more.
#pragma once

#include "engine/json/value.h"

namespace cairn::report {

/// Makes Cairn's own 64-bit numbers (sequences, LSNs, seeds) texts, by their names; nothing inside metadata or a value
/// of it is touched.
void write_wide_as_text(engine::Value& value);
/// The same of the members of one object.
void write_wide_as_text(engine::Object& object);

}  // namespace cairn::report
