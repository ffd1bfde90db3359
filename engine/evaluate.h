// Forms and operations as functions of one top-level value. An operation that is unapplied or refused changes nothing.
// What is refused is said as well, for whoever can still refuse the update; an operation that is unapplied is not.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/diff.h"

namespace cairn::engine {

/// What `form` makes of the value x, or of an absent key. kSet and kDelete are no functions of x and do not come here.
/// kTooDeep, kTooLarge: an operation of an ordered list was refused, the others were not. kTooDeep also of a list that
/// wraps a value: it is wrapped all the same.
Status evaluate(const std::string& key, const Form& form, std::optional<Value>& x);

/// What waits for a run, on top of its document: forms on what is there, constants as they are.
Status put_on_top(Diff waits, Document& document);
/// The same within the bounds of depth and of `bytes_max`, which the document keeps. The changes that do not fit are
/// left out and taken out of `waits`. Returns their keys.
std::vector<std::string> put_on_top(Diff& waits, size_t bytes_max, Document& document);

/// What the change makes of what is `there` (null: nothing), in `value`. kTooDeep, kTooLarge: it makes what no update of
/// this store could have made. What was nested too deep before there was a bound may be changed, but not deepened.
Status evaluate_within_depth(const DiffEntry& change, const Value* there, std::optional<Value>& value);

/// `op` acts on x as a whole; its key has been resolved. The errors of plan_edit.
Status evaluate_operation(std::optional<Value>& x, const Operation& op);

/// Whether an operation in the ordered list of `key` acts on its value as a whole, and not inside it.
bool acts_on_whole(const Operation& op, const std::string& key);

}  // namespace cairn::engine
