// What a directory must be before anything of a store is put into it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "wal/files.h"

namespace cairn::engine {

/// kNetwork: locks or mappings of it do not hold between machines. kCopyOnWrite: a full disk can hit a mapping.
enum class FileSystem { kSafe, kCopyOnWrite, kNetwork };
FileSystem file_system(const std::string& directory);
FileSystem file_system(int fd);

/// Ours, and not writable for others; made if it is absent and `create`. kNotAStore, kUnsafe, kReadOnly, kNoSpace, kIo.
Status check_directory(const std::string& directory, bool create);

/// The files of the store in `directory`, for one who reads it. kNotAStore, kUnsafe (another user's), kIo, with detail.
Result<std::unique_ptr<wal::Files>> open_store_files(const std::string& directory);

/// `s`; if it is kUnsafe for what stands in the place of one of the store's files, the error names that.
Status name_strange_file(Status s, const std::string& directory);

/// What is in `directory`, without "." and "..", in any order. kNotFound (no such directory), kNoMemory, kIo.
Result<std::vector<std::string>> names_in(const std::string& directory);

/// The name of `directory`, in the directory that holds it, survives power loss. kIo.
Status sync_parent(const std::string& directory);

}  // namespace cairn::engine
