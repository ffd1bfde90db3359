// The bound on how deep a document may be nested. Every update is checked here or in plan_edit, so that what is stored
// can be read again (kStoredDepthMax).
#pragma once

#include <vector>

#include "cairn/status.h"
#include "engine/diff/diff.h"
#include "engine/document/document.h"

namespace cairn::engine {

/// kTooDeep: the document would have more than kDepthMax levels after this entry. It counts the document, the
/// containers on a path, a list around an item (also around one to be removed), and the value.
Status check_nesting(const DiffEntry& entry);
Status check_nesting(const std::vector<DiffEntry>& entries);
Status check_nesting(const Document& document, int levels_max = kDepthMax);
/// The same for one operation of an ordered list.
Status check_nesting(const Operation& op);
/// The same for the value of a top-level key.
Status check_nesting(const Value& value);

}  // namespace cairn::engine
