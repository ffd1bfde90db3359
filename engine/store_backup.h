// A copy of a store as of one moment, beside a live owner or of a store that nobody owns.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "cairn/status.h"
#include "engine/hooks.h"

namespace cairn::engine {

struct BackupReport {
  std::array<uint8_t, 16> store_id{};  // the copy's own
  uint64_t runs = 0;
  uint64_t last_lsn = 0;  // of the log, at that moment
};

struct BackupOptions {
  std::string directory;  // of the store
  std::string target;
  bool unsafe_file_system = false;
  Hooks hooks;
  /// Asked after each run with their number so far; false stops with kTimeout. May be empty.
  std::function<bool(uint64_t runs)> go_on;
};

/// Writes all runs of the store, as a reader finds them at one moment, into the new directory `target`: a store of its
/// own with a new id, whose records, also their sequences and creation LSNs, are those of the original. Its log begins
/// behind that of the original. `target` appears whole and synced, by a rename, or not at all; a kill may leave a
/// directory `target`.backup-XXXXXX beside it.
/// Errors: kExists (`target` is there, and stays as it is), kInvalidArgument (it lies in the store), those of
/// StoreReader, kAgain (an owner was in the middle of a write for 2 s), kNoSpace, kIo, kReadOnly, kUnsafe (a network
/// file system).
Result<BackupReport> back_up(const BackupOptions& options);

}  // namespace cairn::engine
