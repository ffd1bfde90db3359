// Applies the changes that wait for a run on top of its document.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/diff/diff.h"
#include "engine/document/document.h"

namespace cairn::engine {

/// Applies `waits` to the document: forms to the values that are there, constants as they are.
Status put_on_top(Diff waits, Document& document);
/// The same within the bounds of depth and of `bytes_max`, which the document does not exceed before. Changes that do
/// not fit are not applied, and are removed from `waits`. Returns their keys.
std::vector<std::string> put_on_top(Diff& waits, size_t bytes_max, Document& document);

/// Applies the change to the value `there` (null: absent) and puts the result in `value`. kTooDeep, kTooLarge: no
/// update of this store could have made that result. A value that was nested too deep before there was a bound may be
/// changed, but not made deeper.
Status evaluate_within_depth(const DiffEntry& change, const Value* there, std::optional<Value>& value);

}  // namespace cairn::engine
