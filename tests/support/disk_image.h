// The content of a directory tree: what a crash left, to be written out and opened by the real code.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace cairn::testing {

/// LMDB's lock file and the store's own: they say who is alive, hold no data, and are made anew.
bool is_lock_file(const std::string& name);

/// A file's bytes; those behind `bytes` are zero (LMDB's file is 16 MiB of which little is used).
struct FileContent {
  std::string bytes;
  uint64_t size = 0;

  void overwrite(uint64_t offset, const char* from, size_t count);
  void resize(uint64_t to);
};

struct DiskImage {
  std::set<std::string> directories;         // relative, without the top
  std::map<std::string, FileContent> files;  // relative path -> content

  /// Writes everything below `directory`, which exists and is empty.
  void write_to(const std::string& directory) const;
  /// Reads what stands below `directory`, lock files left out.
  static DiskImage read_from(const std::string& directory);
  /// XXH3-128 over all names and bytes.
  [[nodiscard]] std::array<uint64_t, 2> hash() const;
  /// Empty when equal, else the first difference.
  [[nodiscard]] std::string difference_to(const DiskImage& other) const;
};

/// A fresh directory on tmpfs where there is one, removed with everything in it.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace cairn::testing
