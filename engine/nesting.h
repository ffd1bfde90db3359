// How deep a document is nested: the bound of what is taken. Whoever takes an update checks it here or in plan_edit, so
// that what is stored can be read again (kStoredDepthMax).
#pragma once

#include <vector>

#include "cairn/status.h"
#include "engine/diff.h"
#include "engine/document.h"

namespace cairn::engine {

/// kTooDeep: a document would have more than kDepthMax levels where this lands: the document, the containers on a path,
/// a list around an item (also around one to be removed), and the value.
Status check_nesting(const DiffEntry& entry);
Status check_nesting(const std::vector<DiffEntry>& entries);
Status check_nesting(const Document& document, int levels_max = kDepthMax);
/// One of an ordered list.
Status check_nesting(const Operation& op);
/// The value of a top-level key.
Status check_nesting(const Value& value);

}  // namespace cairn::engine
