// What is in the store, against what the worker was told.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/demo/page.h"
#include "tools/demo/tree.h"

namespace cairn::demo {

/// One run as it is read from the store.
struct Survivor {
  std::string status;
  uint64_t sequence = 0;
  uint64_t files = 0;
  uint64_t bytes = 0;
  double progress = 0;
  std::string checksum;  // "" until the sub-tree is finished
};
using Survivors = std::map<std::string, Survivor>;  // by run id

/// Reads the store without opening it. Throws std::runtime_error.
Survivors read_survivors(const std::string& store);

struct Comparison {
  uint64_t runs = 0;          // that were told anything
  uint64_t acknowledged = 0;  // sequence numbers, of all runs
  uint64_t in_flight = 0;     // runs whose next update had survived, too, before its call returned
  std::vector<std::string> wrong;
};

/// After the kill: each run holds what was acknowledged, and at most the one update more that was under way.
Comparison compare_after_kill(const std::vector<SubTree>& trees, const Page& page, const Survivors& survivors);

/// After the second life: it found at least what was acknowledged before (`acknowledged`, by the order of trees), every
/// sub-tree is completed, and its checksum and counters are those of an independent pass over `directory`.
std::vector<std::string> compare_at_end(const std::vector<SubTree>& trees, const std::string& directory,
                                        const Page& page, const std::vector<uint64_t>& acknowledged,
                                        const Survivors& survivors);

}  // namespace cairn::demo
