// The files below a directory, by first-level sub-tree, in an order that every process finds again; and their
// checksums.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::demo {

inline constexpr size_t kBlockBytes = 64 << 10;

struct TreeFile {
  std::string path;  // below the directory
  uint64_t bytes = 0;
};

/// One run of the worker: what stands in one first-level directory, or the files beside them.
struct SubTree {
  std::string run_id;
  std::string name;
  std::vector<TreeFile> files;  // sorted by path
  uint64_t bytes = 0;
};

/// Regular files only; symbolic links are not followed; what cannot be listed is left out. Sub-trees without files are
/// left out, too. Throws std::runtime_error if `directory` is none.
std::vector<SubTree> survey(const std::string& directory);

/// 1 to 64 characters of a run id, different for different names.
std::string run_id_of(std::string_view name);

/// At least 1: an empty file is one empty block.
uint64_t block_count(uint64_t file_bytes);

/// XXH3 of a file, read in blocks; `on_block` (may be empty) gets the bytes of each. A file that cannot be read counts
/// up to there.
uint64_t checksum_file(const std::string& path, const std::function<void(size_t bytes)>& on_block);

/// Continues the checksum of a sub-tree by one file.
uint64_t continue_checksum(uint64_t checksum, std::string_view path, uint64_t file_checksum);

std::string hex_text(uint64_t checksum);
uint64_t parse_hex(const std::string& text);

}  // namespace cairn::demo
