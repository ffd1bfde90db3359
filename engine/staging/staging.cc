#include "engine/staging/staging.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstring>

#include "wal/xxh3.h"

namespace cairn::engine {

using staging::FileHeader;
using staging::FileState;
using staging::SlotHeader;

namespace {

std::string file_name(uint32_t number) {
  char name[16];
  std::snprintf(name, sizeof name, "%02u", number);
  return name;
}

void stored(const StagingSeam& seam, StagingSeam::Point point, const void* address, size_t bytes) {
  if (seam.stored != nullptr) {
    seam.stored(seam.context, point, static_cast<const char*>(address), bytes);
  }
}

}  // namespace

Result<Staging::MappedFile> Staging::make_file(const std::string& name, uint32_t number, uint64_t bytes) {
  if (options_.may_grow) {
    CAIRN_TRY(options_.may_grow(bytes));
  }
  auto opened = place_.files->open(place_.path(name), wal::OpenMode::kCreateOrTruncate);
  if (!opened.ok()) {
    return opened.status();
  }
  MappedFile made;
  made.file = std::move(*opened);
  made.bytes = bytes;

  FileHeader header;
  std::memset(static_cast<void*>(&header), 0, sizeof header);
  std::memcpy(header.magic, staging::kMagic, sizeof header.magic);
  header.format_version = staging::kFormatVersion;
  header.header_bytes = staging::kHeaderBytes;
  header.file_bytes = bytes;
  header.file_number = number;
  header.chunk_bytes = staging::kChunkBytes;
  header.staging_id = options_.staging_id;
  std::memcpy(header.store_id, options_.identity.store_id.data(), 16);
  std::memcpy(header.boot_id, options_.identity.boot_id.data(), 16);
  header.pid_namespace = options_.identity.pid_namespace;
  header.checksum = xxh3(&header, offsetof(FileHeader, checksum));
  header.state.store(static_cast<uint32_t>(FileState::kActive));

  // Zero-filled by writes of 4 KiB: one large write makes large folios, and the kernel's own writeback then writes a
  // whole folio for every slot that is touched (250 times the bytes, measured).
  static const std::string zeros(4096, '\0');
  Status status = wal::check_size_limit(bytes);
  if (status.ok()) {
    status = made.file->write_at(0, {reinterpret_cast<const char*>(&header), sizeof header});
  }
  for (uint64_t at = sizeof header; status.ok() && at < bytes; at += zeros.size()) {
    status = made.file->write_at(at, zeros);
  }
  if (status.ok()) {
    status = made.file->sync();
  }
  if (status.ok()) {
    auto mapped = made.file->map(bytes);
    status = mapped.ok() ? Status() : mapped.status();
    made.memory = mapped.ok() ? *mapped : nullptr;
  }
  if (status.ok() && options_.guard != nullptr) {
    auto guarded = options_.guard->guard(made.memory, bytes);
    status = guarded.status();
    if (guarded.ok()) {
      made.guarded = std::move(*guarded);
    }
  }
  if (!status.ok()) {
    made.file.reset();
    (void)place_.files->remove(place_.path(name));
    return status;
  }
  disk_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return made;
}

namespace {

Status mark_superseded(const StagingPlace& place, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name == kUnfinishedStagingName) {
      continue;
    }
    auto old = place.files->open(place.path(name), wal::OpenMode::kWrite);
    if (!old.ok()) {
      return old.status();
    }
    auto info = (*old)->info();
    if (!info.ok() || info->bytes < sizeof(FileHeader)) {
      continue;  // its creation was interrupted: it never had a slot
    }
    const auto superseded = static_cast<uint32_t>(FileState::kSuperseded);
    CAIRN_TRY((*old)->write_at(offsetof(FileHeader, state), {reinterpret_cast<const char*>(&superseded), 4}));
  }
  return {};
}

}  // namespace

Status Staging::supersede(const StagingPlace& place) {
  auto names = place.files->list(place.folder);
  if (!names.ok()) {
    return names.status();
  }
  CAIRN_TRY(mark_superseded(place, *names));
  for (const std::string& name : *names) {
    CAIRN_TRY(place.files->remove(place.path(name)));
  }
  if (!place.directory.empty()) {
    (void)::rmdir(place.directory.c_str());  // an empty directory that stays costs nothing
    return {};
  }
  return names->empty() ? Status() : place.files->sync_directory(place.folder);
}

Result<std::unique_ptr<Staging>> Staging::create(const StagingPlace& place, const Options& options) {
  std::unique_ptr<Staging> staging(new Staging(place, options));
  if (place.directory.empty()) {
    CAIRN_TRY(place.files->make_directory(place.folder));
  }
  auto old_names = place.files->list(place.folder);
  if (!old_names.ok()) {
    return old_names.status();
  }
  auto made = staging->make_file(kUnfinishedStagingName, 0, staging::kFirstFileBytes);
  if (!made.ok()) {
    return made.status();
  }
  CAIRN_TRY(mark_superseded(place, *old_names));
  CAIRN_TRY(place.files->rename(place.path(kUnfinishedStagingName), place.path(file_name(0))));
  for (const std::string& name : *old_names) {
    if (name != kUnfinishedStagingName && name != file_name(0)) {
      CAIRN_TRY(place.files->remove(place.path(name)));
    }
  }
  CAIRN_TRY(place.files->sync_directory(place.folder));
  {
    const MutexLock guard(staging->mutex_);
    staging->mapped_.push_back(std::move(*made));
  }
  return staging;
}

bool Staging::carve(int size_class) {
  for (uint32_t number = 0; number < mapped_.size(); ++number) {
    MappedFile& file = mapped_[number];
    auto* header = reinterpret_cast<FileHeader*>(file.memory);
    const auto chunks = static_cast<uint32_t>(file.bytes / staging::kChunkBytes);
    for (uint32_t chunk = 0; file.chunks_used < chunks && chunk < chunks; ++chunk) {
      if (header->chunk_class[chunk].load(std::memory_order_relaxed) != 0) {
        continue;
      }
      const uint32_t begin = chunk == 0 ? staging::kHeaderBytes : chunk * staging::kChunkBytes;
      const uint32_t end = (chunk + 1) * staging::kChunkBytes;
      const uint32_t stride = staging::kStride[static_cast<size_t>(size_class)];
      if (end - begin < stride) {
        continue;  // the first chunk has no room for a slot of the largest class
      }
      // Reserve room for all slots of the class: giving one back must not need memory.
      auto& free = free_[static_cast<size_t>(size_class)];
      size_t& made = slots_[static_cast<size_t>(size_class)];
      free.reserve(made + (end - begin) / stride);
      made += (end - begin) / stride;
      header->chunk_class[chunk].store(static_cast<uint8_t>(size_class + 1), std::memory_order_release);
      stored(options_.seam, StagingSeam::Point::kChunkClass, &header->chunk_class[chunk], 1);
      ++file.chunks_used;
      // Pushed from the end, so that the lowest offset is used first.
      for (uint32_t offset = begin + (end - begin) / stride * stride; offset > begin; offset -= stride) {
        free.push_back({file.memory + offset - stride, 0, number, offset - stride, static_cast<int8_t>(size_class)});
      }
      return true;
    }
  }
  return false;
}

bool Staging::take(uint32_t payload_bytes, std::string_view run_id, uint64_t created_lsn, Slot& slot) {
  assert(run_id.size() <= sizeof(SlotHeader::run_id));
  int size_class = 0;
  while (size_class < staging::kClasses && staging::payload_bytes_max(size_class) < payload_bytes) {
    ++size_class;
  }
  const MutexLock guard(mutex_);
  for (; size_class < staging::kClasses; ++size_class) {
    auto& free = free_[static_cast<size_t>(size_class)];
    if (free.empty() && !carve(size_class)) {
      continue;
    }
    slot = free.back();
    free.pop_back();
    ++taken_;
    auto* header = reinterpret_cast<SlotHeader*>(slot.memory);
    // A reader may read while these are stored: a mixture gives a seed that no buffer matches.
    header->created_lsn = created_lsn;
    std::memset(header->run_id, 0, sizeof header->run_id);
    std::memcpy(header->run_id, run_id.data(), run_id.size());
    header->run_id_bytes = static_cast<uint8_t>(run_id.size());
    header->state.store(1, std::memory_order_release);
    stored(options_.seam, StagingSeam::Point::kSlotHeader, header, sizeof *header);
    slot.seed = staging::slot_seed(options_.staging_id, slot.file, slot.offset, run_id, created_lsn);
    return true;
  }
  return false;
}

void Staging::mark_sealing(const Slot& slot) {
  auto* header = reinterpret_cast<SlotHeader*>(slot.memory);
  header->state.store(2, std::memory_order_relaxed);
  stored(options_.seam, StagingSeam::Point::kSlotState, &header->state, sizeof header->state);
}

void Staging::give_back(const Slot& slot) {
  auto* header = reinterpret_cast<SlotHeader*>(slot.memory);
  header->state.store(0, std::memory_order_release);
  stored(options_.seam, StagingSeam::Point::kSlotState, &header->state, sizeof header->state);
  const MutexLock guard(mutex_);
  free_[static_cast<uint8_t>(slot.size_class)].push_back(slot);
  --taken_;
}

Status Staging::prepare() {
  uint32_t number;
  uint64_t bytes;
  {
    const MutexLock guard(mutex_);
    uint64_t chunks = 0;
    uint64_t used = 0;
    for (const MappedFile& file : mapped_) {
      chunks += file.bytes / staging::kChunkBytes;
      used += file.chunks_used;
    }
    if (used * 4 < chunks * 3 || mapped_.size() > 99) {
      return {};
    }
    number = static_cast<uint32_t>(mapped_.size());
    bytes = std::min(mapped_.back().bytes * 2, staging::kFileBytesMax);
  }
  // Only `step` makes files, one step at a time, so the number stays free without the mutex.
  auto made = make_file(kUnfinishedStagingName, number, bytes);
  if (!made.ok()) {
    return made.status();
  }
  CAIRN_TRY(place_.files->rename(place_.path(kUnfinishedStagingName), place_.path(file_name(number))));
  CAIRN_TRY(place_.files->sync_directory(place_.folder));
  const MutexLock guard(mutex_);
  mapped_.push_back(std::move(*made));
  return {};
}

Status Staging::remove_all() {
  size_t count;
  {
    const MutexLock guard(mutex_);
    count = mapped_.size();
  }
  for (size_t i = 0; i < count; ++i) {
    CAIRN_TRY(place_.files->remove(place_.path(file_name(static_cast<uint32_t>(i)))));
  }
  if (!place_.directory.empty()) {
    (void)::rmdir(place_.directory.c_str());
    return {};
  }
  return place_.files->sync_directory(place_.folder);
}

Staging::Counters Staging::counters() {
  const MutexLock guard(mutex_);
  Counters counters;
  counters.slots_taken = taken_;
  for (const auto& free : free_) {
    counters.slots_free += free.size();
  }
  for (const MappedFile& file : mapped_) {
    counters.chunks += file.bytes / staging::kChunkBytes;
    counters.chunks_used += file.chunks_used;
  }
  counters.files = mapped_.size();
  return counters;
}

}  // namespace cairn::engine
