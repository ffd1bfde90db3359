// The hot write: a run's pending diff into the older of its slot's two buffers.
//
// Invariants (held under the run's lock):
// - each buffer is written whole or patched from its own last content; `changed` says which pending entries changed
//   since it was last written, and those are encoded again: in place if their length in that buffer is unchanged, else
//   the entries behind them move;
// - the other buffer is left alone, so a kill between two stores leaves it whole;
// - stores go payload, checksum, sequence (release).
// No memory is taken by a write of entries that were written before.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/live_document.h"
#include "engine/staging_format.h"

namespace cairn::engine {

/// Where a test may stop the process: after each store of the kind into a mapped staging file.
struct StagingSeam {
  enum class Point : uint8_t { kSlotHeader, kPayload, kChecksum, kSequence, kFileState, kChunkClass, kSlotState };
  void (*stored)(void* context, Point point, const char* address, size_t bytes) = nullptr;
  void* context = nullptr;
};

/// A place in a staging file, for one run.
struct Slot {
  char* memory = nullptr;  // of the slot; null: none
  uint64_t seed = 0;
  uint32_t file = 0;
  uint32_t offset = 0;
  int8_t size_class = -1;
  explicit operator bool() const { return memory != nullptr; }
};

class StagedSlot {
 public:
  [[nodiscard]] bool has_slot() const { return static_cast<bool>(slot_); }
  [[nodiscard]] const Slot& slot() const { return slot_; }
  /// Takes `slot`, whose buffers count as never written. The old one is returned to the caller, who keeps it until the
  /// seal.
  Slot replace_slot(const Slot& slot);
  Slot release();

  /// Writes the pending diff. `entry` is the one pending entry that changed since the last write, or -1 for unknown.
  /// False when it does not fit the slot: nothing valid was overwritten; take a larger slot or seal.
  bool write(const LiveDocument& live, int entry, uint64_t last, uint64_t updated_us, const StagingSeam& seam) {
    if (entry < 0) [[unlikely]] {
      buffers_[0].whole = buffers_[1].whole = true;
    }
    return write_several(live, uint64_t{1} << (static_cast<uint32_t>(entry) % 64), last, updated_us, seam);
  }
  /// The same when several entries changed: bit i of `changed` stands for the entries i, i + 64, ...
  bool write_several(const LiveDocument& live, uint64_t changed, uint64_t last, uint64_t updated_us,
                     const StagingSeam& seam);

  /// Payload bytes of the whole pending diff, as a slot must hold them.
  static size_t whole_bytes(const LiveDocument& live);

  /// The entries of the newest buffer, as they stand in the slot: [u32 bytes][entry]...; what a seal copies.
  [[nodiscard]] std::string_view newest_payload() const;
  [[nodiscard]] uint32_t newest_count() const { return buffers_[1 - next_].count; }

 private:
  struct Place {
    uint64_t head_hash;
    uint64_t tail_hash;
    uint16_t offset;
    uint16_t bytes;
    uint8_t number_tag;  // of a kSet, not fresh, of a number: msgpack's byte for its type. 0: anything else
  };
  static_assert(staging::payload_bytes_max(staging::kClasses - 1) <= UINT16_MAX);
  struct Buffer {
    char* memory = nullptr;
    uint64_t changed = 0;  // bit i: the entries i, i + 64, ... may have changed
    bool whole = true;     // must be encoded whole
    uint32_t layout = 0;   // of the pending diff, when last written
    uint32_t count = 0;    // entries written
    uint32_t payload_bytes = 0;
    uint64_t sum = 0;  // of the entries' hashes
    std::vector<Place> places;
  };

  // Out of line: what they need on the stack would burden the path of a number, too.
  [[gnu::noinline]] bool rewrite_entry(const LiveDocument& live, Buffer& buffer, uint32_t index);
  [[gnu::noinline]] bool resize_entry(const LiveDocument& live, Buffer& buffer, uint32_t index);
  [[gnu::noinline]] bool write_whole(const LiveDocument& live, Buffer& buffer);
  [[gnu::noinline]] bool append_entries(const LiveDocument& live, Buffer& buffer);
  bool write_entry(const LiveDocument& live, Buffer& buffer, uint32_t index);
  bool write_changed(const LiveDocument& live, Buffer& buffer);

  Slot slot_;
  int next_ = 0;
  std::array<Buffer, 2> buffers_;
};

}  // namespace cairn::engine
