// The hot write: writes a run's pending diff into the older of its slot's two buffers.
//
// Invariants (held under the run's lock):
// - each buffer is written whole or patched from its own last content; `changed` says which pending entries changed
//   since it was last written, and those are encoded again: in place if their length in that buffer is unchanged, else
//   the entries after them move;
// - the other buffer is not touched, so it is whole if the process is killed between two stores;
// - the order of stores is payload, checksum, sequence (release).
// A write of entries that were written before allocates no memory.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/hooks.h"
#include "engine/diff/live_document.h"
#include "engine/staging/format.h"

namespace cairn::engine {

/// A place in a staging file, for one run.
struct Slot {
  char* memory = nullptr;  // of the slot; null: no slot
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
  /// Uses `slot` from now on; its buffers count as never written. Returns the old one, which the caller keeps until the
  /// seal.
  Slot replace_slot(const Slot& slot);
  Slot release();

  /// Writes the pending diff. `entry` is the one pending entry that changed since the last write, or -1 for unknown.
  /// False if it does not fit the slot: nothing valid was overwritten; use a larger slot or seal.
  bool write(const LiveDocument& live, int entry, uint64_t last, uint64_t updated_us, const StagingSeam& seam) {
    if (entry < 0) [[unlikely]] {
      buffers_[0].whole = buffers_[1].whole = true;
    }
    return write_several(live, uint64_t{1} << (static_cast<uint32_t>(entry) % 64), last, updated_us, seam);
  }
  /// The same if several entries changed: bit i of `changed` means the entries i, i + 64, ...
  bool write_several(const LiveDocument& live, uint64_t changed, uint64_t last, uint64_t updated_us,
                     const StagingSeam& seam);

  /// The payload bytes of the whole pending diff, for which a slot must have room.
  static size_t whole_bytes(const LiveDocument& live);

  /// The entries of the newest buffer, as they are in the slot: [u32 bytes][entry]... A seal copies them.
  [[nodiscard]] std::string_view newest_payload() const;

 private:
  struct Place {
    uint64_t head_hash;
    uint64_t tail_hash;
    uint16_t offset;
    uint16_t bytes;
    uint8_t number_tag;  // for a kSet of a number, not fresh: msgpack's byte for its type. 0: anything else
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

  // Not inlined: the stack they need would slow down the path of a number, too.
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
