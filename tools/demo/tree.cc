#include "tools/demo/tree.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>

namespace cairn::demo {

namespace fs = std::filesystem;

std::vector<SubTree> survey(const std::string& directory) {
  if (!fs::is_directory(directory)) {
    throw std::runtime_error(directory + " is no directory");
  }
  const fs::path root(directory);
  std::map<std::string, SubTree> trees;
  std::error_code error;
  fs::recursive_directory_iterator at(root, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (!fs::is_regular_file(at->symlink_status(ignored))) {
      continue;
    }
    const uint64_t bytes = at->file_size(ignored);
    if (ignored) {
      continue;
    }
    const std::string path = at->path().lexically_relative(root).string();
    const size_t slash = path.find('/');
    const std::string name = slash == std::string::npos ? "." : path.substr(0, slash);
    SubTree& tree = trees[name];
    tree.files.push_back({path, bytes});
    tree.bytes += bytes;
  }
  std::vector<SubTree> all;
  for (auto& [name, tree] : trees) {
    tree.name = name;
    tree.run_id = run_id_of(name);
    std::sort(tree.files.begin(), tree.files.end(),
              [](const TreeFile& a, const TreeFile& b) { return a.path < b.path; });
    all.push_back(std::move(tree));
  }
  return all;
}

std::string run_id_of(std::string_view name) {
  std::string id;
  for (const char c : name.substr(0, 40)) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    id += plain ? c : '_';
  }
  return id + "_" + hex_text(XXH3_64bits(name.data(), name.size())).substr(0, 8);
}

uint64_t block_count(uint64_t file_bytes) { return file_bytes == 0 ? 1 : (file_bytes + kBlockBytes - 1) / kBlockBytes; }

uint64_t checksum_file(const std::string& path, const std::function<void(size_t bytes)>& on_block) {
  struct FreeState {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  const std::unique_ptr<XXH3_state_t, FreeState> state(XXH3_createState());
  if (state == nullptr) {
    throw std::bad_alloc();
  }
  XXH3_64bits_reset(state.get());
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  bool any = false;
  static thread_local std::array<char, kBlockBytes> block;
  while (fd >= 0) {
    size_t have = 0;
    ssize_t got = 1;
    while (have < block.size() && got != 0) {
      got = read(fd, block.data() + have, block.size() - have);
      if (got < 0 && errno != EINTR) {
        break;
      }
      have += got > 0 ? static_cast<size_t>(got) : 0;
    }
    if (have == 0) {
      break;
    }
    XXH3_64bits_update(state.get(), block.data(), have);
    any = true;
    if (on_block) {
      on_block(have);
    }
  }
  if (fd >= 0) {
    close(fd);
  }
  if (!any && on_block) {
    on_block(0);
  }
  return XXH3_64bits_digest(state.get());
}

uint64_t continue_checksum(uint64_t checksum, std::string_view path, uint64_t file_checksum) {
  const uint64_t named = XXH3_64bits_withSeed(path.data(), path.size(), checksum);
  return XXH3_64bits_withSeed(&file_checksum, sizeof file_checksum, named);
}

std::string hex_text(uint64_t checksum) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(checksum));
  return text;
}

uint64_t parse_hex(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 16); }

}  // namespace cairn::demo
