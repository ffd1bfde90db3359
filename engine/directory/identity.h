// STORE: the file that makes a directory a store and has its id. It is renamed to its name last at creation: without it
// the store was never complete.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "cairn/status.h"
#include "wal/files.h"

namespace cairn::engine {

struct Identity {
  std::array<uint8_t, 16> store_id{};
  int64_t created_us = 0;
  bool copied = false;  // the file is not the one that was written here: copied, moved or restored
};

/// kNotFound: no STORE. kNotAStore: not a Cairn file, or damaged. kVersion: a newer format; touch nothing.
Result<Identity> read_identity(wal::Files& files);

/// Writes STORE.tmp, syncs it, renames it to STORE, syncs the directory. With `copied` the store still counts as
/// copied.
Status write_identity(wal::Files& files, const Identity& identity);

}  // namespace cairn::engine
