#include "engine/staging/staged_slot.h"

// Inlined here: for hashes of 30 to 60 bytes the call would cost as much as the work.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <cstring>

#include "engine/json/byte_sink.h"
#include "engine/staging/staged_entry.h"

namespace cairn::engine {

using staging::BufferHeader;

namespace {

char* payload_of(char* buffer) { return buffer + sizeof(BufferHeader); }

// staging::head_hash, with its short cases inlined.
uint64_t head_hash_of(const char* entry, uint32_t bytes, uint64_t slot_seed, uint32_t index) {
  if (bytes <= staging::kSeededBytesMax) {
    return staging::head_hash(entry, bytes, slot_seed, index);
  }
  const uint64_t content = xxh3(entry, bytes);
  return XXH3_64bits_withSeed(&content, sizeof content, staging::head_seed(slot_seed, index));
}

// The number_tag for the place of this entry.
uint8_t number_tag_of(const Form& form, const Value* value) {
  return form.kind == FormKind::kSet && !form.fresh ? number_tag(*value) : 0;
}

uint8_t number_tag_of(const Form& form, const Value* value, uint32_t bytes) {
  return staging::has_tail(bytes) ? number_tag_of(form, value) : uint8_t{0};
}

}  // namespace

Slot StagedSlot::replace_slot(const Slot& slot) {
  const Slot old = slot_;
  slot_ = slot;
  next_ = 0;
  char* memory = slot.memory == nullptr ? nullptr : slot.memory + sizeof(staging::SlotHeader);
  for (Buffer& b : buffers_) {
    b.memory = memory;
    b.whole = true;
    b.changed = 0;
    b.count = 0;
    b.payload_bytes = 0;
    b.sum = 0;
    b.places.clear();
    if (memory != nullptr) {
      memory += staging::buffer_bytes(slot.size_class);
    }
  }
  return old;
}

size_t StagedSlot::whole_bytes(const LiveDocument& live) {
  ByteSink count(nullptr, 0);
  for (const PendingEntry& e : live.pending().entries) {
    encode_entry(count, live.key_of(e), e.form, live.value_of(e));
  }
  return count.written() + live.pending().entries.size() * kEntryLengthBytes;
}

Slot StagedSlot::release() { return replace_slot(Slot{}); }

bool StagedSlot::append_entries(const LiveDocument& live, Buffer& buffer) {
  const PendingDiff& pending = live.pending();
  char* const payload = payload_of(buffer.memory);
  const uint32_t capacity = staging::payload_bytes_max(slot_.size_class);
  // Reserve room in both buffers now: later writes of the same entries, on the hot path, must not need memory.
  buffers_[0].places.reserve(pending.entries.size());
  buffers_[1].places.reserve(pending.entries.size());
  buffer.whole = true;  // until this is complete: it may not fit
  for (uint32_t i = buffer.count; i < pending.entries.size(); ++i) {
    const PendingEntry& e = pending.entries[i];
    const Value* value = live.value_of(e);
    char* at = payload + buffer.payload_bytes;
    const uint32_t room = capacity - buffer.payload_bytes;
    if (room < kEntryLengthBytes) {
      return false;
    }
    ByteSink out(at + kEntryLengthBytes, room - kEntryLengthBytes);
    encode_entry(out, live.key_of(e), e.form, value);
    if (out.written() > room - kEntryLengthBytes) {
      return false;
    }
    const auto bytes = static_cast<uint32_t>(kEntryLengthBytes + out.written());
    std::memcpy(at, &bytes, sizeof bytes);
    const uint64_t head = staging::head_hash(at, bytes, slot_.seed, i);
    const uint64_t tail = staging::tail_hash(at, bytes, slot_.seed, i);
    buffer.places.push_back({head, tail, static_cast<uint16_t>(buffer.payload_bytes), static_cast<uint16_t>(bytes),
                             number_tag_of(e.form, value, bytes)});
    buffer.sum += head + tail;
    buffer.payload_bytes += bytes;
    ++buffer.count;
  }
  buffer.whole = false;
  return true;
}

bool StagedSlot::write_whole(const LiveDocument& live, Buffer& buffer) {
  buffer.count = 0;
  buffer.payload_bytes = 0;
  buffer.sum = 0;
  buffer.places.clear();
  buffer.layout = live.pending().layout;
  return append_entries(live, buffer);
}

// The entry got longer or shorter: those after it move.
bool StagedSlot::resize_entry(const LiveDocument& live, Buffer& buffer, uint32_t index) {
  const PendingEntry& e = live.pending().entries[index];
  const Value* value = live.value_of(e);
  Place& place = buffer.places[index];
  ByteSink counted(nullptr, 0);
  encode_entry(counted, live.key_of(e), e.form, value);
  const size_t bytes = kEntryLengthBytes + counted.written();
  const uint32_t end = place.offset + place.bytes;
  buffer.whole = true;  // until this is complete: it may not fit
  if (buffer.payload_bytes - place.bytes + bytes > staging::payload_bytes_max(slot_.size_class)) {
    return false;
  }
  char* const payload = payload_of(buffer.memory);
  char* const at = payload + place.offset;
  std::memmove(at + bytes, payload + end, buffer.payload_bytes - end);
  const auto moved = static_cast<uint32_t>(bytes - place.bytes);
  for (size_t i = index + 1; i < buffer.places.size(); ++i) {
    buffer.places[i].offset = static_cast<uint16_t>(buffer.places[i].offset + moved);
  }
  buffer.payload_bytes += moved;
  const auto length = static_cast<uint32_t>(bytes);
  std::memcpy(at, &length, sizeof length);
  ByteSink out(at + kEntryLengthBytes, counted.written());
  encode_entry(out, live.key_of(e), e.form, value);
  place.bytes = static_cast<uint16_t>(bytes);
  buffer.whole = false;
  return true;
}

inline bool StagedSlot::write_entry(const LiveDocument& live, Buffer& buffer, uint32_t index) {
  const PendingEntry& e = live.pending().entries[index];
  Place& place = buffer.places[index];
  const Value* value = live.value_of(e);
  char* const entry = payload_of(buffer.memory) + place.offset;
  if (place.number_tag != 0 && number_tag_of(e.form, value) == place.number_tag) [[likely]] {
    // Only the number itself changes. It is hashed before it is stored, so that the hash does not wait for the store.
    const uint64_t tail = big_endian_number(*value);
    const uint64_t hash = XXH3_64bits_withSeed(&tail, sizeof tail, staging::tail_seed(slot_.seed, index));
    std::memcpy(entry + place.bytes - sizeof tail, &tail, sizeof tail);
    buffer.sum += hash - place.tail_hash;
    place.tail_hash = hash;
    return true;
  }
  return rewrite_entry(live, buffer, index);
}

// Any other change of one entry.
bool StagedSlot::rewrite_entry(const LiveDocument& live, Buffer& buffer, uint32_t index) {
  const PendingEntry& e = live.pending().entries[index];
  Place& place = buffer.places[index];
  const Value* value = live.value_of(e);
  char* const entry = payload_of(buffer.memory) + place.offset;
  if (!patch_entry(entry, place.bytes, live.key_of(e), e.form, value) && !resize_entry(live, buffer, index)) {
    return false;
  }
  const uint64_t head = head_hash_of(entry, place.bytes, slot_.seed, index);
  const uint64_t tail = staging::tail_hash(entry, place.bytes, slot_.seed, index);
  buffer.sum += head + tail - place.head_hash - place.tail_hash;
  place.head_hash = head;
  place.tail_hash = tail;
  place.number_tag = number_tag_of(e.form, value, place.bytes);
  return true;
}

// Writes the entries that changed since this buffer was written, and those that were added.
inline bool StagedSlot::write_changed(const LiveDocument& live, Buffer& buffer) {
  if (buffer.whole || buffer.layout != live.pending().layout) [[unlikely]] {
    return write_whole(live, buffer);
  }
  for (uint64_t rest = buffer.changed; rest != 0; rest &= rest - 1) {
    for (auto i = static_cast<uint32_t>(std::countr_zero(rest)); i < buffer.count; i += 64) {
      if (!write_entry(live, buffer, i)) [[unlikely]] {
        return false;
      }
    }
  }
  return buffer.count == live.pending().entries.size() || append_entries(live, buffer);
}

bool StagedSlot::write_several(const LiveDocument& live, uint64_t changed, uint64_t last, uint64_t updated_us,
                               const StagingSeam& seam) {
  buffers_[0].changed |= changed;
  buffers_[1].changed |= changed;
  Buffer& buffer = buffers_[static_cast<size_t>(next_)];
  if (!write_changed(live, buffer)) [[unlikely]] {
    return false;
  }
  buffer.changed = 0;
  if (seam.stored != nullptr) [[unlikely]] {
    seam.stored(seam.context, StagingSeam::Point::kPayload, payload_of(buffer.memory), buffer.payload_bytes);
  }

  const PendingDiff& pending = live.pending();
  auto* const header = reinterpret_cast<BufferHeader*>(buffer.memory);
  // Hash the values in registers and not the stored bytes: loading what was stored in parts waits for the stores.
  const uint64_t shape = buffer.payload_bytes | uint64_t{buffer.count} << 32 |
                         uint64_t{pending.replace ? staging::kFlagReplace : uint16_t{0}} << 48;
  const std::array<uint64_t, 4> fields = {pending.base, updated_us, shape, last};
  static_assert(sizeof fields == offsetof(BufferHeader, checksum));
  header->base = pending.base;
  header->updated_us = updated_us;
  std::memcpy(&header->payload_bytes, &shape, sizeof shape);
  header->last_copy = last;
  header->checksum = XXH3_64bits_withSeed(fields.data(), sizeof fields, slot_.seed) + buffer.sum;
  if (seam.stored != nullptr) [[unlikely]] {
    seam.stored(seam.context, StagingSeam::Point::kChecksum, reinterpret_cast<char*>(header),
                offsetof(BufferHeader, last));
  }
  header->last.store(last, std::memory_order_release);
  if (seam.stored != nullptr) [[unlikely]] {
    seam.stored(seam.context, StagingSeam::Point::kSequence, reinterpret_cast<char*>(&header->last),
                sizeof header->last);
  }
  next_ = 1 - next_;
  return true;
}

std::string_view StagedSlot::newest_payload() const {
  const Buffer& newest = buffers_[static_cast<size_t>(1 - next_)];
  return {newest.memory + sizeof(BufferHeader), newest.payload_bytes};
}

}  // namespace cairn::engine
