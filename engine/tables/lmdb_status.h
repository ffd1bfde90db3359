// What LMDB's errors mean. Private to this folder.
#pragma once

#include <cstdint>
#include <string>

#include "cairn/status.h"

namespace cairn::engine {

/// Converts an LMDB or errno code to a Status. Not for failed commits: see Environment.
Status lmdb_status(int rc, const char* what);
/// The same after a call that syncs; kUnsafe if the system does not support the sync.
Status lmdb_sync_status(int rc, const char* what);
/// True when a write of `need_bytes` below `directory` would fail for lack of space or quota. LMDB reports a short
/// write as EIO, so this tells a full disk from a failing one.
bool disk_is_full(const std::string& directory, uint64_t need_bytes);

}  // namespace cairn::engine
