// The value lists of forms: sets under deep equality, in order of first appearance.
#pragma once

#include "engine/json/value.h"

namespace cairn::engine {

[[nodiscard]] bool contains(const Array& set, const Value& v);
void add_distinct(Array& set, const Value& v);
/// Removes every item that equals `v`.
void drop_equal(Array& items, const Value& v);

}  // namespace cairn::engine
