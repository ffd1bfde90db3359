// A disk in memory that knows what was synced. A kill keeps all that was written; a power cut keeps, of each 512-byte
// sector and each name that was not synced, the old or the new state or garbage, by chance.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "wal/files.h"

namespace cairn::testing {

class MemoryFiles final : public wal::Files {
 public:
  static constexpr size_t kSectorBytes = 512;

  Result<std::unique_ptr<wal::File>> open(const std::string& name, wal::OpenMode mode) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = names_.find(name);
    const bool creates = mode == wal::OpenMode::kCreate || mode == wal::OpenMode::kCreateOrTruncate;
    if (found == names_.end() && !creates) {
      return {Code::kNotFound, "open"};
    }
    if (found != names_.end() && mode == wal::OpenMode::kCreate) {
      return {Code::kExists, "open"};
    }
    std::shared_ptr<Node> node;
    if (found != names_.end()) {
      node = found->second;
      if (creates) {
        node->live.clear();
      }
    } else {
      node = std::make_shared<Node>();
      node->inode = ++inodes_;
      names_[name] = node;
      changes_.push_back({name, "", node});
    }
    return std::unique_ptr<wal::File>(std::make_unique<OpenFile>(*this, node));
  }

  Status rename(const std::string& from, const std::string& to) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = names_.find(from);
    if (found == names_.end()) {
      return {Code::kNotFound, "rename"};
    }
    changes_.push_back({to, from, found->second});
    names_[to] = found->second;
    names_.erase(from);
    return {};
  }

  Status remove(const std::string& name) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (names_.erase(name) == 0) {
      return {Code::kNotFound, "remove"};
    }
    changes_.push_back({name, "", nullptr});
    return {};
  }

  Status make_directory(const std::string&) override { return {}; }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> found;
    for (const auto& entry : names_) {
      if (directory_of(entry.first) == directory) {
        found.push_back(entry.first.substr(directory.empty() ? 0 : directory.size() + 1));
      }
    }
    return found;
  }

  Status sync_directory(const std::string& directory) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<Change> rest;
    for (const Change& change : changes_) {
      if (directory_of(change.name) == directory) {
        apply(change, synced_names_);
      } else {
        rest.push_back(change);
      }
    }
    changes_ = std::move(rest);
    return {};
  }

  Result<uint64_t> free_bytes() override { return uint64_t{1} << 40; }

  // ------------------------------------------------------------------------------------------------ what tests do to
  // it

  /// The machine loses power. Open files are dead.
  void power_cut(std::mt19937_64& random) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto names = synced_names_;
    for (const Change& change : changes_) {
      if (random() % 2 == 0) {
        apply(change, names);
      }
    }
    std::map<Node*, std::shared_ptr<Node>> survivors;
    for (auto& entry : names) {
      std::shared_ptr<Node>& survivor = survivors[entry.second.get()];
      if (survivor == nullptr) {
        survivor = std::make_shared<Node>();
        survivor->inode = entry.second->inode;
        survivor->live = after_power_cut(*entry.second, random);
        survivor->synced = survivor->live;
      }
      entry.second = survivor;
    }
    names_ = names;
    synced_names_ = names;
    changes_.clear();
  }

  /// The process dies: all it wrote stays in the page cache. Nothing to do; for the script's sake.
  void kill() {}

  /// A failed sync as Linux does it: the pages are marked clean, the disk keeps the old bytes.
  void drop_dirty(const std::string& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (names_.count(name) != 0) {
      names_[name]->dirty.clear();
    }
  }

  [[nodiscard]] std::string& bytes(const std::string& name) { return names_.at(name)->live; }
  [[nodiscard]] bool has(const std::string& name) const { return names_.count(name) != 0; }
  void put(const std::string& name, std::string bytes) {
    auto node = std::make_shared<Node>();
    node->inode = ++inodes_;
    node->live = node->synced = std::move(bytes);
    names_[name] = synced_names_[name] = node;
  }
  /// All files with their bytes, to come back to.
  [[nodiscard]] std::map<std::string, std::string> save() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : names_) {
      all[entry.first] = entry.second->live;
    }
    return all;
  }
  void restore(const std::map<std::string, std::string>& all) {
    names_.clear();
    synced_names_.clear();
    changes_.clear();
    for (const auto& entry : all) {
      put(entry.first, entry.second);
    }
  }

 private:
  struct Node {
    std::string live;
    std::string synced;
    std::set<size_t> dirty;  // sectors
    uint64_t inode = 0;
  };
  // A name that was made (node, no from), renamed (node and from) or removed (no node), not yet synced.
  struct Change {
    std::string name;
    std::string from;
    std::shared_ptr<Node> node;
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  static std::string directory_of(const std::string& name) {
    const size_t slash = name.rfind('/');
    return slash == std::string::npos ? "" : name.substr(0, slash);
  }

  static void apply(const Change& change, Names& names) {
    if (change.node == nullptr) {
      names.erase(change.name);
    } else {
      if (!change.from.empty()) {
        names.erase(change.from);
      }
      names[change.name] = change.node;
    }
  }

  static std::string after_power_cut(const Node& node, std::mt19937_64& random) {
    std::string bytes = random() % 2 == 0 ? node.live : node.synced;  // its length
    for (size_t i = 0; i < bytes.size(); i += kSectorBytes) {
      const size_t n = std::min(kSectorBytes, bytes.size() - i);
      const bool dirty = node.dirty.count(i / kSectorBytes) != 0;
      const uint64_t fate = dirty ? random() % 8 : 7;
      std::string sector(n, '\0');
      if (fate == 0) {
        for (char& c : sector) {
          c = static_cast<char>(random());
        }
      } else {
        const std::string& from = dirty && fate <= 4 ? node.live : node.synced;
        if (i < from.size()) {
          std::memcpy(sector.data(), from.data() + i, std::min(n, from.size() - i));
        }
      }
      std::memcpy(bytes.data() + i, sector.data(), n);
    }
    return bytes;
  }

  class OpenFile final : public wal::File {
   public:
    OpenFile(MemoryFiles& disk, std::shared_ptr<Node> node) : disk_(disk), node_(std::move(node)) {}
    Result<size_t> read_at(uint64_t offset, std::span<char> into) override {
      const std::lock_guard<std::mutex> lock(disk_.mutex_);
      if (offset >= node_->live.size()) {
        return size_t{0};
      }
      const size_t n = std::min<size_t>(into.size(), node_->live.size() - offset);
      std::memcpy(into.data(), node_->live.data() + offset, n);
      return n;
    }
    Status write_at(uint64_t offset, std::string_view bytes) override {
      const std::lock_guard<std::mutex> lock(disk_.mutex_);
      if (bytes.empty()) {
        return {};
      }
      if (node_->live.size() < offset + bytes.size()) {
        node_->live.resize(offset + bytes.size());
      }
      std::memcpy(node_->live.data() + offset, bytes.data(), bytes.size());
      for (size_t s = offset / kSectorBytes; s <= (offset + bytes.size() - 1) / kSectorBytes; ++s) {
        node_->dirty.insert(s);
      }
      return {};
    }
    Status sync() override {
      const std::lock_guard<std::mutex> lock(disk_.mutex_);
      node_->synced.resize(node_->live.size());
      for (const size_t s : node_->dirty) {
        const size_t at = s * kSectorBytes;
        if (at < node_->live.size()) {
          std::memcpy(node_->synced.data() + at, node_->live.data() + at,
                      std::min(kSectorBytes, node_->live.size() - at));
        }
      }
      node_->dirty.clear();
      return {};
    }
    Status resize(uint64_t bytes) override {
      const std::lock_guard<std::mutex> lock(disk_.mutex_);
      node_->live.resize(bytes);
      return {};
    }
    Result<wal::FileInfo> info() override {
      const std::lock_guard<std::mutex> lock(disk_.mutex_);
      wal::FileInfo info;
      info.inode = node_->inode;
      info.bytes = node_->live.size();
      return info;
    }
    Result<char*> map(size_t) override { return {Code::kIo, "no mapping of a disk in memory"}; }

   private:
    MemoryFiles& disk_;
    const std::shared_ptr<Node> node_;
  };

  mutable std::mutex mutex_;
  Names names_;
  Names synced_names_;
  std::vector<Change> changes_;  // since the directory's last sync
  uint64_t inodes_ = 0;
};

}  // namespace cairn::testing
