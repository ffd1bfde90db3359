#include "engine/directory/reserve.h"

#include <string>

namespace cairn::engine {

namespace {

constexpr const char* kName = "RESERVE";
constexpr uint64_t kLogsBytes = kReserveBytes / 2;

Status fill(wal::File& file, uint64_t from) {
  CAIRN_TRY(wal::check_size_limit(kReserveBytes));
  const std::string zeros(64u << 10, '\0');
  for (uint64_t at = from; at < kReserveBytes; at += zeros.size()) {
    CAIRN_TRY(file.write_at(at, zeros));
  }
  return file.sync();  // until then the file system may only have promised the blocks
}

}  // namespace

Status Reserve::find() {
  auto file = files_.open(kName, wal::OpenMode::kRead);
  if (!file.ok()) {
    return file.code() == Code::kNotFound ? Status() : file.status();
  }
  auto info = (*file)->info();
  if (!info.ok()) {
    return info.status();
  }
  if (info->bytes == kReserveBytes || info->bytes == kLogsBytes) {
    held_bytes_.store(info->bytes, std::memory_order_release);
    return {};
  }
  return files_.remove(kName);  // a crash interrupted its creation
}

Status Reserve::prepare(uint64_t others_bytes) {
  const MutexLock guard(mutex_);
  const uint64_t held = bytes();
  if (held == kReserveBytes) {
    return {};
  }
  if (auto free = files_.free_bytes(); !free.ok() || *free < kReserveBytes - held + others_bytes) {
    return {};
  }
  auto file = files_.open(kName, held == 0 ? wal::OpenMode::kCreateOrTruncate : wal::OpenMode::kWrite);
  const Status made = file.ok() ? fill(**file, held) : file.status();
  if (made.ok()) {
    held_bytes_.store(kReserveBytes, std::memory_order_release);
    return {};
  }
  if (file.ok()) {
    (void)(*file)->resize(held);
    if (held == 0) {
      (void)files_.remove(kName);
    }
  }
  return made.code == Code::kNoSpace ? Status() : made;
}

Status Reserve::shorten(uint64_t bytes) {
  if (bytes == 0) {
    return files_.remove(kName);
  }
  auto file = files_.open(kName, wal::OpenMode::kWrite);
  return file.ok() ? (*file)->resize(bytes) : file.status();
}

bool Reserve::give_back(Part part) {
  const MutexLock guard(mutex_);
  const uint64_t left = part == Part::kAll ? 0 : kLogsBytes;
  if (bytes() <= left) {
    return false;
  }
  held_bytes_.store(left, std::memory_order_release);
  return shorten(left).ok();
}

}  // namespace cairn::engine
