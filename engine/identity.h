// STORE: what makes a directory this store. Renamed in last at creation: no STORE file means unborn.
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

/// kNotFound: no STORE. kNotAStore: not ours, or damaged. kVersion: a newer format; touch nothing.
Result<Identity> read_identity(wal::Files& files);

/// Writes STORE.tmp, syncs it, renames it to STORE, syncs the directory. With `copied` it goes on counting as copied.
Status write_identity(wal::Files& files, const Identity& identity);

}  // namespace cairn::engine
