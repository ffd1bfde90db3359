// What only a store of this machine can tell, beside the runs that any RunStorage has. A server whose runs are kept
// elsewhere has none of it: its routes `sync`, `stores`, `dead`, `store` and `history` answer 501, and `runs/:id` leaves
// out durability and why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/report/why.h"
#include "cairn/status.h"

namespace cairn::server {

/// A change of a run, by its sequence.
struct ChangeReached {
  uint64_t sequence = 0;  // 0: none
  int64_t at_us = 0;      // when that change was made, or was acknowledged; 0: not known
};

/// How far a run's changes have come. Each is at most the one before, but for the upstream's: it may have them first.
struct RunDurability {
  ChangeReached memory;
  ChangeReached process;                  // survives kill -9 of this process
  ChangeReached power;                    // survives a power loss
  std::optional<ChangeReached> upstream;  // none: there is no upstream, or it is not known what it has
  report::Why why;                        // it is not upstream yet
};

/// Calls may block, and may be made by several threads at once.
class LocalStore {
 public:
  virtual ~LocalStore() = default;

  /// nullopt: there is no such run.
  virtual Result<std::optional<RunDurability>> durability(std::string_view id) = 0;
};

}  // namespace cairn::server
