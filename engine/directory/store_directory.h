// Checks a directory before files of a store are put into it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "wal/files.h"

namespace cairn::engine {

/// kNetwork: locks or mappings do not work between machines. kCopyOnWrite: a full disk can make a write to a mapping
/// fail.
enum class FileSystem { kSafe, kCopyOnWrite, kNetwork };
FileSystem file_system(const std::string& directory);
FileSystem file_system(int fd);

/// Checks that the directory is this user's and not writable for others; makes it if it is absent and `create` is set.
/// kNotAStore, kUnsafe, kReadOnly, kNoSpace, kIo.
Status check_directory(const std::string& directory, bool create);

/// The files of the store in `directory`, for reading. kNotAStore, kUnsafe (another user's), kIo, with detail.
Result<std::unique_ptr<wal::Files>> open_store_files(const std::string& directory);

/// Returns `s`. If it is kUnsafe because one of the store's files is something else, the error names that file.
Status name_strange_file(Status s, const std::string& directory);

/// The names in `directory`, without "." and "..", in any order. kNotFound (no such directory), kNoMemory, kIo.
Result<std::vector<std::string>> names_in(const std::string& directory);

/// Whether anything has that name, even a link that leads nowhere.
bool is_there(const std::string& path);

/// Exists in the store's directory while a repair puts its image in place (maintenance/repair.h).
inline constexpr const char* kRepairDirectory = "/repair";
/// kCorrupt if a repair was interrupted and has to be finished.
Status check_no_repair(const std::string& directory);

/// Makes the name of `directory`, in the directory that holds it, durable. kIo.
Status sync_parent(const std::string& directory);

}  // namespace cairn::engine
