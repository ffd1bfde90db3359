// Layout of a staging file, the mapped write buffer that survives the death of the process. STAGING.md is the
// specification.
//
// A file: one header page, then chunks of 32 KiB (the first one is shortened by the header page). A chunk belongs to
// one size class, chosen when it is first needed; the header's class table says which. A chunk is an array of slots of
// that class's stride. A slot: the run it belongs to, then two buffers. A buffer: its header, then entries, each [u32
// bytes, itself included][msgpack entry of diff.h].
//
// A buffer is valid iff all hold: payload_bytes fits the class; base < last; the entries' lengths add up to
// payload_bytes and their number is entry_count; checksum == XXH3(header fields before it, seed) + sum of the entries'
// head_hash and tail_hash, which are seeded with the entry's index, where seed = XXH3(staging id, file number, offset
// of the slot, run id, creation LSN). So bytes of another run, of a deleted and re-created one, of another place or of
// an earlier use of the file never match, and an entry that moves because one before it got longer keeps its hash.
//
// Version 1 hashed an entry with seed + its offset in the payload.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "wal/xxh3.h"

namespace cairn::engine::staging {

inline constexpr char kMagic[8] = {'C', 'A', 'I', 'R', 'N', 'S', 'T', 'G'};
inline constexpr uint32_t kFormatVersion = 2;
inline constexpr uint32_t kHeaderBytes = 4096;
inline constexpr uint32_t kChunkBytes = 32u << 10;
inline constexpr uint64_t kFirstFileBytes = 256u << 10;
inline constexpr uint64_t kFileBytesMax = 64u << 20;
inline constexpr uint32_t kChunksMax = kFileBytesMax / kChunkBytes;

inline constexpr int kClasses = 4;
inline constexpr std::array<uint32_t, kClasses> kStride = {512, 2048, 8192, 32768};

enum class FileState : uint32_t { kActive = 1, kSuperseded = 2 };

struct FileHeader {
  char magic[8];
  uint32_t format_version;
  uint32_t header_bytes;
  uint64_t file_bytes;
  uint32_t file_number;
  uint32_t chunk_bytes;
  uint64_t staging_id;  // random for each open of the store for writing
  uint8_t store_id[16];
  uint8_t boot_id[16];
  uint64_t pid_namespace;  // inode of /proc/self/ns/pid
  uint64_t checksum;       // XXH3 of the bytes before it
  std::atomic<uint32_t> state;
  uint32_t reserved;
  uint8_t unused[928];
  std::atomic<uint8_t> chunk_class[kChunksMax];  // 0: unassigned, else class + 1
  uint8_t unused_end[kHeaderBytes - 1024 - kChunksMax];
};
static_assert(sizeof(FileHeader) == kHeaderBytes);
static_assert(offsetof(FileHeader, checksum) == 80);
static_assert(offsetof(FileHeader, state) == 88);
static_assert(offsetof(FileHeader, chunk_class) == 1024);

struct SlotHeader {
  uint64_t created_lsn;
  std::atomic<uint32_t> state;  // 0: free, 1: taken, 2: sealing; a hint for readers and `cairn dump`, never relied on
  uint8_t run_id_bytes;
  uint8_t reserved[3];
  char run_id[64];
  uint8_t unused[48];
};
static_assert(sizeof(SlotHeader) == 128);

struct BufferHeader {
  uint64_t base;
  uint64_t updated_us;
  uint32_t payload_bytes;
  uint16_t entry_count;
  uint16_t flags;      // 1: replace
  uint64_t last_copy;  // == last; inside the checksum
  uint64_t checksum;
  std::atomic<uint64_t> last;  // written last, with release order; 0: being written
};
static_assert(sizeof(BufferHeader) == 48);
static_assert(offsetof(BufferHeader, checksum) == 32);

inline constexpr uint16_t kFlagReplace = 1;

/// Bytes of one buffer, header included, in a slot of the class.
constexpr uint32_t buffer_bytes(int size_class) {
  return (kStride[static_cast<size_t>(size_class)] - static_cast<uint32_t>(sizeof(SlotHeader))) / 2;
}
constexpr uint32_t payload_bytes_max(int size_class) {
  return buffer_bytes(size_class) - static_cast<uint32_t>(sizeof(BufferHeader));
}
static_assert(payload_bytes_max(0) == 144);
static_assert(payload_bytes_max(3) == 16272);

inline uint64_t slot_seed(uint64_t staging_id, uint32_t file_number, uint32_t offset, std::string_view run_id,
                          uint64_t created_lsn) {
  struct {
    uint64_t staging_id;
    uint64_t created_lsn;
    uint32_t file_number;
    uint32_t offset;
    uint64_t run_id_bytes;
    char run_id[64];
  } fields = {staging_id, created_lsn, file_number, offset, run_id.size(), {}};
  std::memcpy(fields.run_id, run_id.data(), run_id.size() < 64 ? run_id.size() : 64);
  return xxh3(&fields, sizeof fields);
}

// The last 8 bytes of an entry of up to 240 bytes, where a number is, are hashed separately: a new number costs a hash
// of 8 bytes. For more than 240 bytes a seed makes XXH3 derive a secret, which costs more than hashing 300 bytes, so
// there the seed is mixed in afterwards.
inline constexpr uint32_t kTailBytes = 8;
inline constexpr uint32_t kSeededBytesMax = 240;
inline bool has_tail(uint32_t bytes) { return bytes > 2 * kTailBytes && bytes <= kSeededBytesMax; }

inline uint64_t head_seed(uint64_t slot_seed, uint32_t index) { return slot_seed + 1 + 2 * uint64_t{index}; }
inline uint64_t tail_seed(uint64_t slot_seed, uint32_t index) { return slot_seed + 2 + 2 * uint64_t{index}; }

inline uint64_t head_hash(const char* entry, uint32_t bytes, uint64_t slot_seed, uint32_t index) {
  const uint64_t seed = head_seed(slot_seed, index);
  if (bytes > kSeededBytesMax) {
    const uint64_t content = xxh3(entry, bytes);
    return xxh3(&content, sizeof content, seed);
  }
  return xxh3(entry, has_tail(bytes) ? bytes - kTailBytes : bytes, seed);
}

inline uint64_t tail_hash(const char* entry, uint32_t bytes, uint64_t slot_seed, uint32_t index) {
  return has_tail(bytes) ? xxh3(entry + bytes - kTailBytes, kTailBytes, tail_seed(slot_seed, index)) : 0;
}

}  // namespace cairn::engine::staging
