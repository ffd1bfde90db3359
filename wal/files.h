// The interface to the store's files: the operating system's by default; the embedder or a test may supply others.
// All names are relative to the store's directory ("wal/0000000000000001.wal"). LMDB's files do not pass through here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::wal {

struct FileInfo {
  uint64_t inode = 0;
  uint64_t birth_ns = 0;  // 0 where the file system has none
  uint64_t bytes = 0;
};

class File {
 public:
  virtual ~File() = default;
  /// Reads until `into` is full or the file ends; returns the bytes read.
  virtual Result<size_t> read_at(uint64_t offset, std::span<char> into) = 0;
  /// Writes all or fails; retries EINTR and short writes. On failure some prefix may have been written. kNoSpace for
  /// ENOSPC and EDQUOT, else kIo.
  virtual Status write_at(uint64_t offset, std::string_view bytes) = 0;
  /// fdatasync. One failure is final for the caller: the kernel reports it once. kIo with ENOENT and kRemovedFile if
  /// the file was removed; checking that costs an fstat.
  virtual Status sync() = 0;
  virtual Status resize(uint64_t bytes) = 0;
  virtual Result<FileInfo> info() = 0;
  /// Shared mapping of the first `bytes` bytes, writable if the file was opened so; lives as long as the File.
  /// Prefaulted, MADV_RANDOM, MADV_DONTFORK.
  virtual Result<char*> map(size_t bytes) = 0;
};

inline constexpr const char* kRemovedFile = "the file was removed while it was open";

enum class OpenMode : uint8_t { kRead, kWrite, kCreate /* fails if it is there */, kCreateOrTruncate };

class Files {
 public:
  virtual ~Files() = default;
  /// kNotFound when it is not there (not for kCreate*). Symlinks are not followed. Created 0600.
  virtual Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& name) = 0;                               // kNotFound if absent
  virtual Status make_directory(const std::string& name) = 0;                       // 0700; kOk if it is there
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names, sorted; empty if absent
  virtual Status sync_directory(const std::string& directory) = 0;                  // "" is the store's own
  virtual Result<uint64_t> free_bytes() = 0;
};

/// Call before a file gets this long: over the limit of this process the kernel sends SIGXFSZ, which ends it. kIo,
/// EFBIG.
Status check_size_limit(uint64_t bytes);

/// Converts the error of a failed fsync or fdatasync. kUnsafe: the system does not support it; that is an error, never
/// treated as success. kNoSpace, kReadOnly, kIo.
Status sync_failure(int error, const char* what);

/// The FileInfo of an open file or directory, which may be opened with O_PATH.
Result<FileInfo> file_info(int fd);

/// The operating system's files below `directory`, which exists. Opens by openat with O_NOFOLLOW and O_CLOEXEC.
Result<std::unique_ptr<Files>> open_posix_files(const std::string& directory);

}  // namespace cairn::wal
