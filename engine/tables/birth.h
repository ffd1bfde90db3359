// Creates an environment, and opens its files as LMDB is to have them. Private to this folder.
#pragma once

#include <cstdint>
#include <string>

#include "cairn/status.h"

struct MDB_env;

namespace cairn::engine {

inline constexpr unsigned kMaxReaders = 1024;
inline constexpr uint64_t kLockFileBytes = 68u << 10;  // header and kMaxReaders slots of 64 bytes, in whole pages
inline constexpr unsigned kMaxTables = 32;

/// mdb_env_open, with each descriptor at 3 or above.
int open_held(MDB_env* env, const std::string& path, unsigned flags);
/// Creates <directory>/data completely or not at all: written as data.tmp/, synced, renamed. No environment of
/// `directory` is open in this process.
Status give_birth(const std::string& directory, const std::string& store_id, uint64_t map_bytes);
/// Removes data.tmp/, which an interrupted creation leaves.
Status remove_unborn(const std::string& directory);
/// Gives lock.mdb in the directory `data` real blocks. LMDB maps it, sparse, and writes into the mapping: on a full
/// disk that is a SIGBUS. kNoSpace instead. Before the environment is opened in this process.
Status prepare_lock_file(int data);

}  // namespace cairn::engine
