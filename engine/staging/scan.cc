// Reads staging files: after a kill, and while a live process writes them.
#include <algorithm>
#include <cstring>

#include "engine/staging/staged_entry.h"
#include "engine/staging/staging.h"
#include "wal/xxh3.h"

namespace cairn::engine {

using staging::BufferHeader;
using staging::FileHeader;
using staging::FileState;
using staging::SlotHeader;

namespace {

template <class T>
T load(const char* from) {
  T v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

bool header_matches(const std::string& bytes, const StagingIdentity& identity) {
  const char* h = bytes.data();
  return std::memcmp(h, staging::kMagic, 8) == 0 &&
         load<uint32_t>(h + offsetof(FileHeader, chunk_bytes)) == staging::kChunkBytes &&
         load<uint64_t>(h + offsetof(FileHeader, checksum)) == xxh3(h, offsetof(FileHeader, checksum)) &&
         load<uint32_t>(h + offsetof(FileHeader, state)) == static_cast<uint32_t>(FileState::kActive) &&
         load<uint64_t>(h + offsetof(FileHeader, file_bytes)) <= bytes.size() &&
         std::memcmp(h + offsetof(FileHeader, store_id), identity.store_id.data(), 16) == 0 &&
         std::memcmp(h + offsetof(FileHeader, boot_id), identity.boot_id.data(), 16) == 0;
}

// The validity rules of staging/format.h, in their order. `at` holds payload_max + header bytes.
bool decode_buffer(const char* at, uint32_t payload_max, uint32_t version, uint64_t seed, SlotView::Buffer& out) {
  out = {};
  const auto last = load<uint64_t>(at + offsetof(BufferHeader, last));
  const auto checksum = load<uint64_t>(at + offsetof(BufferHeader, checksum));
  out.empty = last == 0 && checksum == 0;
  const auto payload_bytes = load<uint32_t>(at + offsetof(BufferHeader, payload_bytes));
  const auto entry_count = load<uint16_t>(at + offsetof(BufferHeader, entry_count));
  const auto flags = load<uint16_t>(at + offsetof(BufferHeader, flags));
  Diff diff;
  diff.base = load<uint64_t>(at + offsetof(BufferHeader, base));
  diff.last = load<uint64_t>(at + offsetof(BufferHeader, last_copy));
  diff.updated_us = static_cast<int64_t>(load<uint64_t>(at + offsetof(BufferHeader, updated_us)));
  diff.replace = (flags & staging::kFlagReplace) != 0;
  if (payload_bytes > payload_max || diff.base >= diff.last || diff.last != last) {
    return false;
  }
  const char* payload = at + sizeof(BufferHeader);
  uint64_t sum = xxh3(at, offsetof(BufferHeader, checksum), seed);
  uint32_t offset = 0;
  uint32_t count = 0;
  while (offset < payload_bytes) {
    if (payload_bytes - offset < kEntryLengthBytes) {
      return false;
    }
    const auto bytes = load<uint32_t>(payload + offset);
    if (bytes <= kEntryLengthBytes || bytes > payload_bytes - offset) {
      return false;
    }
    sum += version == 1 ? xxh3(payload + offset, bytes, seed + offset)
                        : staging::head_hash(payload + offset, bytes, seed, count) +
                              staging::tail_hash(payload + offset, bytes, seed, count);
    offset += bytes;
    ++count;
  }
  if (count != entry_count || sum != checksum) {
    return false;
  }
  for (offset = 0; offset < payload_bytes;) {
    const auto bytes = load<uint32_t>(payload + offset);
    auto entry = decode_entry({payload + offset + kEntryLengthBytes, bytes - kEntryLengthBytes});
    if (!entry.ok()) {
      return false;
    }
    diff.entries.push_back(std::move(*entry));
    offset += bytes;
  }
  out.diff = std::move(diff);
  out.valid = true;
  return true;
}

constexpr int kLooks = 64;  // a hot writer is between two writes in most of them

uint64_t newest_of(const SlotView& view) {
  uint64_t last = 0;
  for (const SlotView::Buffer& b : view.buffers) {
    if (b.valid) {
      last = std::max(last, b.diff.last);
    }
  }
  return last;
}

bool torn(const SlotView& view) {
  return (!view.buffers[0].valid && !view.buffers[0].empty) || (!view.buffers[1].valid && !view.buffers[1].empty);
}

// A copy is not of one moment: while a process writes the slot, the two copied buffers may be of different times. If
// one of them is torn, the other may be older than updates that were acknowledged before the copy: the writer may have
// finished the torn one, begun the other again, and so on. So copy this slot again, until neither buffer is torn, or
// until the whole one is the same in two copies: then it did not change while the torn one was copied between them. As
// writes alternate between the buffers, nothing newer was complete at that time.
void settle(wal::File& file, uint32_t version, uint64_t seed, SlotView& view) {
  view.settled = view.state == 0 || !torn(view);
  if (view.settled && (view.state == 0 || newest_of(view) != 0)) {
    return;
  }
  view.settled = false;
  std::string slot(staging::kStride[static_cast<size_t>(view.size_class)], '\0');
  for (int look = 0; look < kLooks && !view.settled; ++look) {
    auto got = file.read_at(view.offset, {slot.data(), slot.size()});
    if (!got.ok() || *got != slot.size() ||
        load<uint64_t>(slot.data() + offsetof(SlotHeader, created_lsn)) != view.created_lsn ||
        slot.compare(offsetof(SlotHeader, run_id), view.run_id.size(), view.run_id) != 0) {
      view.settled = true;  // the slot is of another run now: what was in it is in the log
      return;
    }
    const uint64_t before = newest_of(view);
    view.state = load<uint32_t>(slot.data() + offsetof(SlotHeader, state));
    for (int b = 0; b < 2; ++b) {
      const char* at =
          slot.data() + sizeof(SlotHeader) + static_cast<size_t>(b) * staging::buffer_bytes(view.size_class);
      decode_buffer(at, staging::payload_bytes_max(view.size_class), version, seed,
                    view.buffers[static_cast<size_t>(b)]);
    }
    const uint64_t now = newest_of(view);
    view.settled = view.state == 0 || (now != 0 && (now == before || !torn(view)));
  }
}

void visit_file(wal::File& file, const std::string& bytes, const std::string& name,
                const FunctionRef<void(const SlotView&)>& visit) {
  const auto version = load<uint32_t>(bytes.data() + offsetof(FileHeader, format_version));
  const auto staging_id = load<uint64_t>(bytes.data() + offsetof(FileHeader, staging_id));
  const auto number = load<uint32_t>(bytes.data() + offsetof(FileHeader, file_number));
  const auto file_bytes =
      std::min(load<uint64_t>(bytes.data() + offsetof(FileHeader, file_bytes)), staging::kFileBytesMax);
  const auto chunks = static_cast<uint32_t>(file_bytes / staging::kChunkBytes);
  for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
    const auto mark = static_cast<uint8_t>(bytes[offsetof(FileHeader, chunk_class) + chunk]);
    if (mark == 0 || mark > staging::kClasses) {
      continue;
    }
    const int size_class = mark - 1;
    const uint32_t stride = staging::kStride[static_cast<size_t>(size_class)];
    const uint32_t begin = chunk == 0 ? staging::kHeaderBytes : chunk * staging::kChunkBytes;
    for (uint32_t offset = begin; offset + stride <= (chunk + 1) * staging::kChunkBytes; offset += stride) {
      const char* slot = bytes.data() + offset;
      SlotView view;
      view.file = name;
      view.offset = offset;
      view.size_class = size_class;
      view.state = load<uint32_t>(slot + offsetof(SlotHeader, state));
      view.created_lsn = load<uint64_t>(slot + offsetof(SlotHeader, created_lsn));
      const auto id_bytes = static_cast<uint8_t>(slot[offsetof(SlotHeader, run_id_bytes)]);
      if (id_bytes == 0 || id_bytes > sizeof(SlotHeader::run_id)) {
        continue;
      }
      view.run_id.assign(slot + offsetof(SlotHeader, run_id), id_bytes);
      const uint64_t seed = staging::slot_seed(staging_id, number, offset, view.run_id, view.created_lsn);
      for (int b = 0; b < 2; ++b) {
        const char* at = slot + sizeof(SlotHeader) + static_cast<size_t>(b) * staging::buffer_bytes(size_class);
        decode_buffer(at, staging::payload_bytes_max(size_class), version, seed, view.buffers[static_cast<size_t>(b)]);
      }
      settle(file, version, seed, view);
      visit(view);
    }
  }
}

}  // namespace

bool is_staging_name(const std::string& name) {
  return name.size() == 2 && name.find_first_not_of("0123456789") == std::string::npos;
}

namespace {

/// Opens the staging files of the folder, one after the other. One that is gone by then is an error, but if `may_go`.
Status each_file(const StagingPlace& place, bool may_go,
                 const FunctionRef<Status(const std::string& name, wal::File& file)>& visit) {
  CAIRN_TRY_ASSIGN(const auto names, place.files->list(place.folder));
  for (const std::string& name : names) {
    if (!is_staging_name(name)) {
      continue;
    }
    auto file = place.files->open(place.path(name), wal::OpenMode::kRead);
    if (may_go && file.code() == Code::kNotFound) {
      continue;
    }
    CAIRN_TRY(file.status());
    CAIRN_TRY(visit(name, **file));
  }
  return {};
}

}  // namespace

Status visit_slots(const StagingPlace& place, const StagingIdentity& identity,
                   const FunctionRef<void(const SlotView&)>& visit, StagingScan& scan) {
  constexpr bool kMayGo = true;  // a live owner is replaced meanwhile
  return each_file(place, kMayGo, [&](const std::string& name, wal::File& file) -> Status {
    CAIRN_TRY_ASSIGN(const auto info, file.info());
    ++scan.files;
    if (info.bytes < sizeof(FileHeader) || info.bytes > staging::kFileBytesMax) {
      ++scan.ignored_files;
      return {};
    }
    std::string bytes(info.bytes, '\0');
    CAIRN_TRY_ASSIGN(const size_t got, file.read_at(0, {bytes.data(), bytes.size()}));
    if (got != bytes.size() || !header_matches(bytes, identity)) {
      ++scan.ignored_files;
      return {};
    }
    if (load<uint32_t>(bytes.data() + offsetof(FileHeader, format_version)) > staging::kFormatVersion) {
      return {Code::kVersion, "staging was written by a newer version of Cairn: open the store with that once"};
    }
    visit_file(file, bytes, name, visit);
    return {};
  });
}

Status scan_staging(const StagingPlace& place, const StagingIdentity& identity, StagingScan& scan) {
  return visit_slots(
      place, identity,
      [&scan](const SlotView& slot) {
        for (const SlotView::Buffer& buffer : slot.buffers) {
          if (buffer.valid) {
            scan.diffs.push_back({slot.run_id, slot.created_lsn, buffer.diff, slot.file, slot.offset});
          } else if (!buffer.empty) {
            ++scan.invalid_buffers;
          }
        }
        if (!slot.settled) {
          ++scan.unsettled_slots;
        }
      },
      scan);
}

Result<std::vector<std::string>> damaged_staging(const StagingPlace& place, const StagingIdentity& identity) {
  std::vector<std::string> damaged;
  CAIRN_TRY(each_file(place, false, [&](const std::string& name, wal::File& file) -> Status {
    std::string header(sizeof(FileHeader), '\0');
    CAIRN_TRY_ASSIGN(const size_t got, file.read_at(0, {header.data(), header.size()}));
    CAIRN_TRY_ASSIGN(const auto info, file.info());
    const char* h = header.data();
    if (got < header.size()) {
      damaged.push_back(name + " ends within its header");
    } else if (std::memcmp(h, staging::kMagic, 8) != 0 ||
               load<uint64_t>(h + offsetof(FileHeader, checksum)) != xxh3(h, offsetof(FileHeader, checksum))) {
      damaged.push_back("the header of " + name + " is damaged");
    } else if (std::memcmp(h + offsetof(FileHeader, boot_id), identity.boot_id.data(), 16) == 0 &&
               load<uint64_t>(h + offsetof(FileHeader, file_bytes)) > info.bytes) {
      damaged.push_back(name + " was cut short");
    }
    return {};
  }));
  StagingScan scan;
  CAIRN_TRY(visit_slots(
      place, identity,
      [&damaged](const SlotView& slot) {
        const auto spoiled = [](const SlotView::Buffer& b) { return !b.valid && !b.empty; };
        if (slot.state != 0 && spoiled(slot.buffers[0]) && spoiled(slot.buffers[1])) {
          damaged.push_back("both buffers of the slot at offset " + std::to_string(slot.offset) + " of " + slot.file +
                            " are damaged: run " + slot.run_id);
        }
      },
      scan));
  return damaged;
}

}  // namespace cairn::engine
