// Evaluates forms and operations on one top-level value. An operation that is unapplied or refused changes nothing. A
// refusal is returned as an error, for callers that can still refuse the update; an unapplied operation is not an
// error.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/diff/diff.h"

namespace cairn::engine {

/// Applies `form` to the value x, or to an absent key. Not for kSet and kDelete, which do not depend on x. kTooDeep,
/// kTooLarge: an operation of an ordered list was refused, the others were applied. kTooDeep also if a list wraps a
/// value too deeply; the value is wrapped nevertheless.
Status evaluate(const std::string& key, const Form& form, std::optional<Value>& x);

/// Applies `op` to x as a whole; its key has been resolved. Errors: those of plan_edit.
Status evaluate_operation(std::optional<Value>& x, const Operation& op);

/// Whether an operation in the ordered list of `key` acts on its value as a whole, and not inside it.
bool acts_on_whole(const Operation& op, const std::string& key);

}  // namespace cairn::engine
