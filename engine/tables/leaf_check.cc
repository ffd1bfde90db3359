#include "engine/tables/leaf_check.h"

#include <unistd.h>

#include <cerrno>

namespace cairn::engine {
namespace {

using namespace layout;  // NOLINT(google-build-using-namespace): this file is about nothing else

constexpr Status kLacks{Code::kCorrupt, "a page of the tables lacks entries that it had"};
constexpr Status kStrange{Code::kCorrupt, "a page of the tables does not belong to its tree"};

size_t nodes_of(const char* page) { return (layout::load<uint16_t>(page + 12) - kPageHeaderBytes) / 2; }
const char* node_of(const char* page, size_t i) {
  return page + layout::load<uint16_t>(page + kPageHeaderBytes + 2 * i);
}
std::string_view key_of(const char* node) { return {node + kNodeBytes, layout::load<uint16_t>(node + 6)}; }

uint64_t child_of(const char* node) {
  return layout::load<uint16_t>(node) | static_cast<uint64_t>(layout::load<uint16_t>(node + 2)) << 16 |
         static_cast<uint64_t>(layout::load<uint16_t>(node + 4)) << 32;
}

bool is_leaf(const char* page) { return (layout::load<uint16_t>(page + 10) & kPageKinds) == kLeafPage; }

/// The size of a node with its key and data, which LMDB rounds up to an even number.
size_t node_bytes(const char* node, bool leaf) {
  size_t bytes = kNodeBytes + layout::load<uint16_t>(node + 6);
  if (leaf && layout::load<uint16_t>(node + 4) == kBigData) {
    bytes += sizeof(uint64_t);
  } else if (leaf) {
    bytes += layout::load<uint16_t>(node) | static_cast<size_t>(layout::load<uint16_t>(node + 2)) << 16;
  }
  return bytes + bytes % 2;
}

/// Whether borders and nodes are inside the page.
bool holds_together(const char* page, size_t page_bytes) {
  const auto lower = layout::load<uint16_t>(page + 12);
  const auto upper = layout::load<uint16_t>(page + 14);
  if (lower < kPageHeaderBytes + 2 || lower > upper || upper > page_bytes || lower % 2 != 0) {
    return false;
  }
  for (size_t i = 0; i < nodes_of(page); ++i) {
    const size_t offset = layout::load<uint16_t>(page + kPageHeaderBytes + 2 * i);
    if (offset < upper || offset + kNodeBytes > page_bytes) {
      return false;
    }
    if (offset + node_bytes(page + offset, is_leaf(page)) > page_bytes) {
      return false;
    }
  }
  return true;
}

/// Whether the keys are in order. The first key of a branch counts as lower than all others.
bool in_order(const char* page) {
  for (size_t i = is_leaf(page) ? 1 : 2; i < nodes_of(page); ++i) {
    if (key_of(node_of(page, i - 1)) >= key_of(node_of(page, i))) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool fills_page(const char* page, size_t page_bytes) {
  size_t filled = 0;
  for (size_t i = 0; i < nodes_of(page); ++i) {
    filled += node_bytes(node_of(page, i), is_leaf(page));
  }
  return filled == page_bytes - layout::load<uint16_t>(page + 14);
}

Status LeafCheck::load(Level& level, uint64_t page, bool leaf) const {
  level.page = kNoPage;
  level.bytes.resize(page_bytes_);
  for (size_t done = 0; done < page_bytes_;) {
    const ssize_t n = pread(fd_, &level.bytes[done], page_bytes_ - done, static_cast<off_t>(page * page_bytes_ + done));
    if (n < 0 && errno != EINTR) {
      return {Code::kIo, "reading data.mdb", errno};
    }
    if (n == 0) {
      return kStrange;
    }
    done += n > 0 ? static_cast<size_t>(n) : 0;
  }
  const char* bytes = level.bytes.data();
  const auto kind = static_cast<uint16_t>(layout::load<uint16_t>(bytes + 10) & kPageKinds);
  if (layout::load<uint64_t>(bytes) != page || kind != (leaf ? kLeafPage : kBranchPage)) {
    return kStrange;
  }
  if (!holds_together(bytes, page_bytes_) || !fills_page(bytes, page_bytes_)) {
    return kLacks;
  }
  if (order_ == Order::kOfBytes && !in_order(bytes)) {
    return kLacks;
  }
  level.page = page;
  return {};
}

Status LeafCheck::check(std::optional<std::string_view> key) {
  if (tree_.root == kNoPage) {
    return {};
  }
  if (tree_.depth == 0 || tree_.depth > kTreeDepthMax) {
    return kStrange;
  }
  levels_.resize(tree_.depth);
  std::string_view low;                  // keys of the current page are at or above this
  std::optional<std::string_view> high;  // and below this
  uint64_t page = tree_.root;
  for (size_t i = 0; i < levels_.size(); ++i) {
    const bool leaf = i + 1 == levels_.size();
    if (levels_[i].page != page) {
      CAIRN_TRY(load(levels_[i], page, leaf));
    }
    const char* bytes = levels_[i].bytes.data();
    const size_t nodes = nodes_of(bytes);
    if (leaf && order_ == Order::kOfNumbers) {
      return {};
    }
    if (leaf) {
      const bool inside = key_of(node_of(bytes, 0)) >= low && (!high || key_of(node_of(bytes, nodes - 1)) < *high);
      return inside ? Status() : kStrange;
    }
    size_t at = 0;
    while (at + 1 < nodes && (!key || key_of(node_of(bytes, at + 1)) <= *key)) {
      ++at;
    }
    if (at > 0) {
      low = key_of(node_of(bytes, at));
    }
    if (at + 1 < nodes) {
      high = key_of(node_of(bytes, at + 1));
    }
    page = child_of(node_of(bytes, at));
  }
  return {};
}

Status LeafCheck::check_given(std::string_view key) {
  const char* leaf = key.data() - reinterpret_cast<uintptr_t>(key.data()) % page_bytes_;
  if (leaf == leaf_) {
    return {};
  }
  CAIRN_TRY(check(key));
  if (levels_.empty() || layout::load<uint64_t>(leaf) != levels_.back().page) {
    return kStrange;
  }
  leaf_ = leaf;
  return {};
}

size_t LeafCheck::nodes() const { return levels_.empty() ? 0 : nodes_of(levels_.back().bytes.data()); }

std::string_view LeafCheck::key(size_t node) const { return key_of(node_of(levels_.back().bytes.data(), node)); }

LeafCheck::Value LeafCheck::value(size_t node) const {
  const char* at = node_of(levels_.back().bytes.data(), node);
  const char* data = at + kNodeBytes + key(node).size();
  const uint64_t bytes = layout::load<uint16_t>(at) | static_cast<uint64_t>(layout::load<uint16_t>(at + 2)) << 16;
  if (layout::load<uint16_t>(at + 4) == kBigData) {
    return {{}, layout::load<uint64_t>(data), bytes};
  }
  return {{data, bytes}, 0, bytes};
}

std::optional<std::string_view> LeafCheck::find(std::string_view key) {
  if (!check(key).ok()) {
    return std::nullopt;
  }
  for (size_t i = 0; i < nodes(); ++i) {
    const Value v = value(i);
    if (this->key(i) == key && v.overflow_page == 0) {
      return v.inside;
    }
  }
  return std::nullopt;
}

}  // namespace cairn::engine
