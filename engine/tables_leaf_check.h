// Tells a page that lost entries from one that never had them. LMDB believes the count in a page's head, so a spoiled
// count gives fewer entries and no error. But a page's nodes lie without gaps from its upper border to its end, in the
// order of their keys: what is not counted leaves a gap. Private to tables*.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/tables_layout.h"

namespace cairn::engine {

/// The nodes of a branch or leaf page, whose borders and nodes are inside it, fill it from the upper border to its end.
bool fills_page(const char* page, size_t page_bytes);

/// For one tree of one snapshot, whose pages hold still.
class LeafCheck {
 public:
  enum class Order : uint8_t { kOfBytes, kOfNumbers /* the free tree: only its last leaf can be asked for */ };

  /// `fd` of data.mdb: read by pread, its position stays.
  LeafCheck(int fd, size_t page_bytes, const layout::Tree& tree, Order order = Order::kOfBytes)
      : fd_(fd), page_bytes_(page_bytes), tree_(tree), order_(order) {}

  /// The leaf where `key` stands or would stand ("": the first, null: the last), and each branch above it, hold what
  /// they count. kCorrupt if not, kIo.  Cost: reads of the pages that the check before did not meet, at most the depth.
  Status check(std::optional<std::string_view> key);
  /// The same for a key that LMDB gave, at its place in the map: that page must be the leaf. Free on the page of
  /// before.
  Status check_given(std::string_view key);

  /// Of the leaf that check() found whole.
  [[nodiscard]] size_t nodes() const;
  [[nodiscard]] std::string_view key(size_t node) const;
  struct Value {
    std::string_view inside;     // of the leaf; or
    uint64_t overflow_page = 0;  // the first page of a long one, not 0
    uint64_t bytes = 0;
  };
  [[nodiscard]] Value value(size_t node) const;
  /// The value that stands in the leaf under `key`; nothing also if that cannot be read.
  std::optional<std::string_view> find(std::string_view key);

 private:
  struct Level {
    uint64_t page = layout::kNoPage;
    std::string bytes;
  };
  Status load(Level& level, uint64_t page, bool leaf) const;

  const int fd_;
  const size_t page_bytes_;
  const layout::Tree tree_;
  const Order order_;
  std::vector<Level> levels_;   // from the root
  const char* leaf_ = nullptr;  // in the map
};

}  // namespace cairn::engine
