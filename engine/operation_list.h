// The ordered lists of kOperations, kept short.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/diff.h"

namespace cairn::engine {

/// Puts the operations that make up `form` (any but kSet and kDelete) of the top-level key `key` behind `list`, one by
/// one as push_operation does.
void append_operations(std::vector<Operation>& list, const std::string& key, const Form& form);

/// Whether increments are summed only where that is exact, or also where the sum is rounded.
enum class Sums : uint8_t { kExact, kRounded };

/// Puts `op` behind `list`, or folds it into an earlier operation of the same key where the result is the same for
/// every document: increments add up while that is exact, a set covers what stands before it. Operations in between
/// must commute: paths of names of which neither leads through the other.
void push_operation(std::vector<Operation>& list, const Operation& op, Sums sums = Sums::kExact);

/// The list with its increments added up, also where that rounds: the last bits may differ from one by one.
std::vector<Operation> summed(const std::vector<Operation>& list);
/// The same in every ordered list of a diff.
void sum_increments(Diff& diff);

}  // namespace cairn::engine
