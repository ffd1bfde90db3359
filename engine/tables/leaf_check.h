// Tells a page that lost entries from one that never had them. LMDB trusts the count in a page's header, so a damaged
// count gives fewer entries and no error. But the nodes of a page fill it without gaps from its upper border to its
// end: a node that is not counted leaves a gap. Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/tables/layout.h"

namespace cairn::engine {

/// Whether the nodes of a branch or leaf page fill it from the upper border to its end. Its borders and nodes must be
/// inside the page.
bool fills_page(const char* page, size_t page_bytes);

/// Checks one tree of one snapshot, whose pages do not change.
class LeafCheck {
 public:
  enum class Order : uint8_t { kOfBytes, kOfNumbers /* the free tree: only its last leaf can be asked for */ };

  /// `fd`: data.mdb, read by pread, so its position does not change.
  LeafCheck(int fd, size_t page_bytes, const layout::Tree& tree, Order order = Order::kOfBytes)
      : fd_(fd), page_bytes_(page_bytes), tree_(tree), order_(order) {}

  /// Checks that the leaf where `key` is or would be ("": the first, null: the last), and each branch above it, hold
  /// the entries that they count. kCorrupt, kIo.  Cost: reads of the pages that the last check did not read, at most
  /// the depth of the tree.
  Status check(std::optional<std::string_view> key);
  /// The same for a key that LMDB gave, at its place in the map: that page must be the leaf. Costs nothing on the same
  /// page as before.
  Status check_given(std::string_view key);

  /// How many nodes the leaf has that check() accepted.
  [[nodiscard]] size_t nodes() const;
  [[nodiscard]] std::string_view key(size_t node) const;
  struct Value {
    std::string_view inside;     // of the leaf; or
    uint64_t overflow_page = 0;  // the first page of a long one, not 0
    uint64_t bytes = 0;
  };
  [[nodiscard]] Value value(size_t node) const;
  /// The value in the leaf under `key`; nullopt also if it cannot be read.
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
