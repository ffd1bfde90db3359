// The ordered lists of kOperations, which are kept as short as possible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/diff/diff.h"

namespace cairn::engine {

/// Whether increments are summed only if the sum is exact, or also if it is rounded.
enum class Sums : uint8_t { kExact, kRounded };

/// Adds if the result does not depend on the order of adding: 64-bit integers without overflow, or doubles that are
/// whole numbers, all below 2^53. Else false.
bool add_exactly(const Value& a, const Value& b, Value& sum);

/// A list while operations are appended to it. Nothing else may change it meanwhile.
class OrderedOperations {
 public:
  explicit OrderedOperations(std::vector<Operation>& list, Sums sums = Sums::kExact) : list_(list), sums_(sums) {}

  /// Appends `op`, or folds it into an earlier operation of the same key if the result is the same for every document:
  /// increments are added if that is exact, a set replaces the operations before it. Operations in between must commute
  /// with it: both are paths of names, and neither leads through the other. Cost: the length of the path, however long
  /// the list is; the first operation whose key differs from the last one of the list also parses all paths in it.
  void push(const Operation& op);
  /// Pushes the operations that make up `form` (any but kSet and kDelete) of the top-level key `key`.
  void push_all(const std::string& key, const Form& form);

  [[nodiscard]] uint64_t parsed() const { return parsed_; }

 private:
  // Positions count from 1; 0: none.
  struct Place {
    size_t last_here = 0;   // the last operation that acts on exactly this place
    size_t last_under = 0;  // the last one that acts here or anywhere below
  };
  void index_next();
  [[nodiscard]] std::vector<std::string> place_of(const Operation& op);
  [[nodiscard]] size_t last_that_meets(const std::vector<std::string>& place) const;

  std::vector<Operation>& list_;
  const Sums sums_;
  std::vector<Place> places_{1};                            // by number; 0: the document
  std::map<std::pair<size_t, std::string>, size_t> names_;  // the children of each place, by name
  size_t indexed_ = 0;                                      // how many operations of the list are in `places_`
  size_t last_alone_ = 0;                                   // the last operation that commutes with no other
  uint64_t parsed_ = 0;
};

/// The list with its increments added up, even if that rounds: the last bits may differ from adding them one by one.
std::vector<Operation> summed(const std::vector<Operation>& list);
/// The same in every ordered list of a diff.
void sum_increments(Diff& diff);

}  // namespace cairn::engine
