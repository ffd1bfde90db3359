// The ordered lists of kOperations, kept short.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/diff.h"

namespace cairn::engine {

/// Whether increments are summed only where that is exact, or also where the sum is rounded.
enum class Sums : uint8_t { kExact, kRounded };

/// A list while operations are put behind it. Nobody else changes it meanwhile.
class OrderedOperations {
 public:
  explicit OrderedOperations(std::vector<Operation>& list, Sums sums = Sums::kExact) : list_(list), sums_(sums) {}

  /// Puts `op` behind the list, or folds it into an earlier operation of the same key where the result is the same for
  /// every document: increments add up while that is exact, a set covers what stands before it. Operations in between
  /// must commute: paths of names of which neither leads through the other. Cost: the length of its path, however long
  /// the list is; the first one that differs from the last of the list also parses the paths of all in it.
  void push(const Operation& op);
  /// Pushes the operations that make up `form` (any but kSet and kDelete) of the top-level key `key`.
  void push_all(const std::string& key, const Form& form);

  [[nodiscard]] uint64_t parsed() const { return parsed_; }

 private:
  // Positions count from 1; 0: none.
  struct Place {
    size_t last_here = 0;   // the last operation that acts on this very place
    size_t last_under = 0;  // here or anywhere below
  };
  void index_next();
  [[nodiscard]] std::vector<std::string> place_of(const Operation& op);
  [[nodiscard]] size_t last_that_meets(const std::vector<std::string>& place) const;

  std::vector<Operation>& list_;
  const Sums sums_;
  std::vector<Place> places_{1};                            // by number; 0: the document
  std::map<std::pair<size_t, std::string>, size_t> names_;  // the places right below one
  size_t indexed_ = 0;                                      // operations of the list that are in there
  size_t last_alone_ = 0;                                   // the last one that commutes with none
  uint64_t parsed_ = 0;
};

/// The list with its increments added up, also where that rounds: the last bits may differ from one by one.
std::vector<Operation> summed(const std::vector<Operation>& list);
/// The same in every ordered list of a diff.
void sum_increments(Diff& diff);

}  // namespace cairn::engine
