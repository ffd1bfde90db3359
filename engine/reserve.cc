#include "engine/reserve.h"

#include <string>

namespace cairn::engine {

namespace {

constexpr const char* kName = "RESERVE";

Status fill(wal::File& file) {
  CAIRN_TRY(wal::check_size_limit(kReserveBytes));
  const std::string zeros(64u << 10, '\0');
  for (uint64_t at = 0; at < kReserveBytes; at += zeros.size()) {
    CAIRN_TRY(file.write_at(at, zeros));
  }
  return file.sync();  // blocks that the file system has only promised are none yet
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
  if (info->bytes == kReserveBytes) {
    held_.store(true, std::memory_order_release);
    return {};
  }
  return files_.remove(kName);  // a crash cut its making
}

Status Reserve::prepare(uint64_t others_bytes) {
  if (bytes() != 0) {
    return {};
  }
  if (auto free = files_.free_bytes(); !free.ok() || *free < kReserveBytes + others_bytes) {
    return {};
  }
  auto file = files_.open(kName, wal::OpenMode::kCreateOrTruncate);
  const Status made = file.ok() ? fill(**file) : file.status();
  if (made.ok()) {
    held_.store(true, std::memory_order_release);
    return {};
  }
  if (file.ok()) {
    (void)(*file)->resize(0);
    (void)files_.remove(kName);
  }
  return made.code == Code::kNoSpace ? Status() : made;
}

bool Reserve::give_back() { return held_.exchange(false, std::memory_order_acq_rel) && files_.remove(kName).ok(); }

}  // namespace cairn::engine
