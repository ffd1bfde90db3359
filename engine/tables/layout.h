// The page layout of LMDB 0.9 (data version 1) on machines of 64 bits, in the machine's byte order. Offsets in bytes.
//   page    0 number u64 | 8 pad u16 | 10 flags u16 | 12 lower u16 | 14 upper u16 (overflow: 12 count u32) |
//           16 node offsets u16[]
//   meta    16 magic u32 | 20 version u32 | 24 address u64 | 32 map bytes u64 | 40 free tree | 88 main tree |
//           136 last page u64 | 144 txn u64
//   tree    0 page size, in the free tree of a meta page only, u32 | 4 flags u16 | 6 depth u16 | 8 branch, 16 leaf,
//           24 overflow pages u64 | 32 entries u64 | 40 root u64
//   node    0 low u16 | 2 high u16 | 4 flags u16 | 6 key length u16 | 8 key, then data. Leaf: data length = low, high.
//           Branch: child = low, high, flags.
// Private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace cairn::engine::layout {

inline constexpr size_t kPageHeaderBytes = 16;
inline constexpr size_t kMetaBytes = 152;
inline constexpr size_t kTreeBytes = 48;
inline constexpr size_t kNodeBytes = 8;
inline constexpr uint32_t kMagic = 0xBEEFC0DE;
inline constexpr uint32_t kVersion = 1;
inline constexpr uint16_t kBranchPage = 0x01;
inline constexpr uint16_t kLeafPage = 0x02;
inline constexpr uint16_t kOverflowPage = 0x04;
inline constexpr uint16_t kMetaPage = 0x08;
inline constexpr uint16_t kPageKinds = 0x7f;
inline constexpr uint16_t kBigData = 0x01;
inline constexpr uint16_t kSubTree = 0x02;
inline constexpr uint16_t kIntegerKey = 0x08;
inline constexpr uint64_t kNoPage = ~uint64_t{0};
inline constexpr uint16_t kTreeDepthMax = 32;  // LMDB's cursor stack
inline constexpr uint64_t kMapBytesMax = uint64_t{1} << 46;

template <class T>
T load(const char* bytes) {
  T v;
  std::memcpy(&v, bytes, sizeof v);
  return v;
}

struct Tree {
  uint16_t depth = 0;
  uint64_t root = kNoPage;
  uint64_t entries = 0;
};

struct Meta {
  uint64_t page_bytes = 0;
  uint64_t map_bytes = 0;
  uint64_t last_page = 0;
  uint64_t txn = 0;
  Tree free;
  Tree main;
};

inline Tree load_tree(const char* bytes) {
  return {load<uint16_t>(bytes + 6), load<uint64_t>(bytes + 40), load<uint64_t>(bytes + 32)};
}

/// Reads meta page `number`, 0 or 1, of which `page` holds kMetaBytes. Returns what is wrong with it, or null.
inline const char* parse_meta(const char* page, uint64_t number, Meta& m) {
  if (load<uint64_t>(page) != number || (load<uint16_t>(page + 10) & kPageKinds) != kMetaPage) {
    return "not a meta page";
  }
  if (load<uint32_t>(page + 16) != kMagic) {
    return "a meta page without LMDB's magic number";
  }
  if (load<uint32_t>(page + 20) != kVersion) {
    return "a meta page of another LMDB format";
  }
  m.page_bytes = load<uint32_t>(page + 40);
  if (m.page_bytes < 512 || m.page_bytes > 65536 || (m.page_bytes & (m.page_bytes - 1)) != 0) {
    return "a meta page with an impossible page size";
  }
  m.map_bytes = load<uint64_t>(page + 32);
  m.free = load_tree(page + 40);
  m.main = load_tree(page + 88);
  m.last_page = load<uint64_t>(page + 136);
  m.txn = load<uint64_t>(page + 144);
  if (m.map_bytes > kMapBytesMax || m.last_page < 1 || m.last_page >= kMapBytesMax / m.page_bytes) {
    return "a meta page with an impossible size";
  }
  if (load<uint16_t>(page + 44) != kIntegerKey || load<uint16_t>(page + 92) != 0) {
    return "a meta page with flags that were never set";
  }
  return nullptr;
}

}  // namespace cairn::engine::layout
