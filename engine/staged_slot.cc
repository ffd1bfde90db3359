#include "engine/staged_slot.h"

// In line here: these are hashes of 30 to 60 bytes, where the call would cost as much as the work.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

#include "engine/staged_entry.h"
#include "engine/thread_object.h"

namespace cairn::engine {

using staging::BufferHeader;

namespace {

BufferHeader* header_of(char* buffer) { return reinterpret_cast<BufferHeader*>(buffer); }
char* payload_of(char* buffer) { return buffer + sizeof(BufferHeader); }

// The whole encoding goes through one string per thread, so that the steady state allocates nothing.
struct Scratch {
  std::string bytes;
};
std::string& scratch() { return thread_object<Scratch>().bytes; }

}  // namespace

void StagedSlot::prepare_thread() {
  if (std::string& bytes = scratch(); bytes.capacity() < staging::payload_bytes_max(staging::kClasses - 1)) {
    bytes.reserve(staging::payload_bytes_max(staging::kClasses - 1));
  }
}

Slot StagedSlot::replace_slot(const Slot& slot) {
  const Slot old = slot_;
  slot_ = slot;
  next_ = 0;
  for (Buffer& b : buffers_) {
    b.whole = true;
    b.changed_count = 0;
    b.count = 0;
    b.payload_bytes = 0;
    b.sum = 0;
    b.places.clear();
  }
  return old;
}

size_t StagedSlot::whole_bytes(const LiveDocument& live) {
  std::string& bytes = scratch();
  size_t sum = 0;
  for (const PendingEntry& e : live.pending().entries) {
    bytes.clear();
    append_entry(bytes, live.key_of(e), e.form, live.value_of(e));
    sum += kEntryLengthBytes + bytes.size();
  }
  return sum;
}

Slot StagedSlot::release() { return replace_slot(Slot{}); }

void StagedSlot::note_changed(Buffer& buffer, int entry) {
  if (buffer.whole || static_cast<uint32_t>(entry) >= buffer.count) {
    return;  // appended or encoded anyway
  }
  for (uint32_t i = 0; i < buffer.changed_count; ++i) {
    if (buffer.changed[i] == static_cast<uint32_t>(entry)) {
      return;
    }
  }
  if (buffer.changed_count == kChangedMax) {
    buffer.whole = true;
    return;
  }
  buffer.changed[buffer.changed_count++] = static_cast<uint32_t>(entry);
}

bool StagedSlot::append_entries(const LiveDocument& live, Buffer& buffer, char* payload, uint32_t capacity) {
  const PendingDiff& pending = live.pending();
  std::string& bytes = scratch();
  // Room in both buffers now: later writes of the same entries, on the hot path, must not need memory.
  buffers_[0].places.reserve(pending.entries.size());
  buffers_[1].places.reserve(pending.entries.size());
  buffer.whole = true;  // until it is done: memory may run out on the way
  for (uint32_t i = buffer.count; i < pending.entries.size(); ++i) {
    const PendingEntry& e = pending.entries[i];
    bytes.assign(kEntryLengthBytes, '\0');
    append_entry(bytes, live.key_of(e), e.form, live.value_of(e));
    const auto n = static_cast<uint32_t>(bytes.size());
    std::memcpy(bytes.data(), &n, sizeof n);
    if (n > capacity - buffer.payload_bytes) {
      return false;
    }
    char* at = payload + buffer.payload_bytes;
    std::memcpy(at, bytes.data(), n);
    const uint64_t hash = XXH3_64bits_withSeed(at, n, slot_.seed + buffer.payload_bytes);
    buffer.places.push_back({buffer.payload_bytes, n, hash});
    buffer.sum += hash;
    buffer.payload_bytes += n;
    ++buffer.count;
  }
  buffer.whole = false;
  return true;
}

bool StagedSlot::write_slow(const LiveDocument& live, Buffer& buffer, char* memory) {
  buffer.whole = true;  // stays so if it does not fit: the buffer's content is spoiled, the other one is whole
  buffer.count = 0;
  buffer.payload_bytes = 0;
  buffer.sum = 0;
  buffer.places.clear();
  if (!append_entries(live, buffer, payload_of(memory), staging::payload_bytes_max(slot_.size_class))) {
    return false;
  }
  buffer.layout = live.pending().layout;
  return true;
}

bool StagedSlot::write(const LiveDocument& live, int entry, uint64_t last, uint64_t updated_us,
                       const StagingSeam& seam) {
  const PendingDiff& pending = live.pending();
  if (entry < 0) {
    buffers_[0].whole = true;
    buffers_[1].whole = true;
  } else {
    note_changed(buffers_[0], entry);
    note_changed(buffers_[1], entry);
  }
  Buffer& buffer = buffers_[next_];
  char* memory = slot_.memory + sizeof(staging::SlotHeader) + next_ * staging::buffer_bytes(slot_.size_class);
  char* payload = payload_of(memory);
  bool whole = buffer.whole || buffer.layout != pending.layout;
  for (uint32_t i = 0; !whole && i < buffer.changed_count; ++i) {
    const uint32_t index = buffer.changed[i];
    Place& place = buffer.places[index];
    const PendingEntry& e = pending.entries[index];
    if (!patch_entry(payload + place.offset, place.bytes, live.key_of(e), e.form, live.value_of(e))) {
      whole = true;
      break;
    }
    const uint64_t hash = XXH3_64bits_withSeed(payload + place.offset, place.bytes, slot_.seed + place.offset);
    buffer.sum += hash - place.hash;
    place.hash = hash;
  }
  if (whole) {
    if (!write_slow(live, buffer, memory)) {
      return false;
    }
  } else if (buffer.count < pending.entries.size()) {
    if (!append_entries(live, buffer, payload, staging::payload_bytes_max(slot_.size_class))) {
      return false;
    }
  }
  buffer.changed_count = 0;
  if (seam.stored != nullptr) [[unlikely]] {
    seam.stored(seam.context, StagingSeam::Point::kPayload, payload, buffer.payload_bytes);
  }

  BufferHeader* header = header_of(memory);
  header->base = pending.base;
  header->updated_us = updated_us;
  header->payload_bytes = buffer.payload_bytes;
  header->entry_count = static_cast<uint16_t>(buffer.count);
  header->flags = pending.replace ? staging::kFlagReplace : 0;
  header->last_copy = last;
  header->checksum = XXH3_64bits_withSeed(header, offsetof(BufferHeader, checksum), slot_.seed) + buffer.sum;
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
  const int newest = 1 - next_;
  const char* memory = slot_.memory + sizeof(staging::SlotHeader) + newest * staging::buffer_bytes(slot_.size_class);
  return {memory + sizeof(BufferHeader), buffers_[newest].payload_bytes};
}

}  // namespace cairn::engine
