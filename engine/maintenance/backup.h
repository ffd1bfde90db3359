// Copies a store as of one moment, whether a process owns it or not.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "cairn/status.h"
#include "engine/base/hooks.h"

namespace cairn::engine {

struct BackupReport {
  std::array<uint8_t, 16> store_id{};  // the new id of the copy
  uint64_t runs = 0;
  uint64_t last_lsn = 0;  // of the log, at that moment
};

struct BackupOptions {
  std::string directory;  // of the store
  std::string target;
  bool unsafe_file_system = false;
  Hooks hooks;
  /// Called after each run with the number of runs so far; false stops with kTimeout. May be empty.
  std::function<bool(uint64_t runs)> go_on;
};

/// Writes all runs of the store, as a reader finds them at one moment, into the new directory `target`: a store of its
/// own with a new id, whose records, with their sequences and creation LSNs, are those of the original. Its log begins
/// after that of the original. `target` appears whole and synced, by a rename, or not at all; a kill may leave a
/// directory `target`.backup-XXXXXX next to it.
/// Errors: kExists (`target` exists, and is not changed), kInvalidArgument (it is inside the store), those of
/// StoreReader, kAgain (an owner was in the middle of a write for 2 s), kNoSpace, kIo, kReadOnly, kUnsafe (a network
/// file system).
Result<BackupReport> back_up(const BackupOptions& options);

}  // namespace cairn::engine
