#include "wal/segment_files.h"

#include <algorithm>
#include <utility>

namespace cairn::wal {
namespace {

constexpr size_t kFillBytes = 64u << 10;

}  // namespace

Status SegmentFiles::fill(File& file, uint64_t from, uint32_t segment_bytes) {
  CAIRN_TRY(check_size_limit(segment_bytes));
  const std::string zeros(kFillBytes, '\0');
  for (uint64_t offset = from; offset < segment_bytes; offset += kFillBytes) {
    const size_t bytes = std::min<uint64_t>(kFillBytes, segment_bytes - offset);
    CAIRN_TRY(file.write_at(offset, std::string_view(zeros).substr(0, bytes)));
  }
  return {};
}

Status SegmentFiles::write_spare_headers(File& file, uint64_t seq, uint32_t segment_bytes) {
  SegmentHeader header;
  header.store = options_.store;
  header.seq = seq;
  header.salt = fresh_salt();
  header.segment_bytes = segment_bytes;
  header.state = SegmentState::kSpare;
  for (uint32_t copy = 0; copy < kHeaderCopies; ++copy) {
    const auto bytes = encode_segment_header(header, copy);
    CAIRN_TRY(file.write_at(uint64_t{copy} * kHeaderPageBytes, {bytes.data(), bytes.size()}));
  }
  return {};
}

Result<SpareSegment> SegmentFiles::publish(std::unique_ptr<File> file, uint64_t seq, uint32_t segment_bytes) {
  const std::string unfinished = log_path(kUnfinishedName);
  const std::string name = log_path(segment_name(seq));
  SpareSegment spare;  // with all its memory before the file gets its name
  spare.file = std::move(file);
  spare.seq = seq;
  spare.segment_bytes = segment_bytes;
  Status s = write_spare_headers(*spare.file, seq, segment_bytes);
  if (s.ok()) {
    s = spare.file->sync();
  }
  if (s.ok()) {
    s = files_.rename(unfinished, name);
  }
  if (!s.ok()) {
    (void)files_.remove(unfinished);
    return s;
  }
  // A segment whose name may vanish must never hold a record, so on failure it is not returned. The file stays, because
  // a spare may have had this name before, and a sealed segment needs one after it.
  CAIRN_TRY(sync_directory());
  return spare;
}

Result<SpareSegment> SegmentFiles::make_spare(uint64_t seq, uint32_t segment_bytes) {
  if (options_.may_grow) {
    CAIRN_TRY(options_.may_grow(segment_bytes));
  }
  const std::string unfinished = log_path(kUnfinishedName);
  Result<std::unique_ptr<File>> file = files_.open(unfinished, OpenMode::kCreateOrTruncate);
  if (!file.ok()) {
    return file.status();
  }
  if (Status s = fill(**file, 0, segment_bytes); !s.ok()) {
    // Free the blocks that it took: others need them now.
    (void)(*file)->resize(0);
    (void)files_.remove(unfinished);
    return s;
  }
  return publish(std::move(*file), seq, segment_bytes);
}

Result<SpareSegment> SegmentFiles::make_spare_or_small(uint64_t seq, uint32_t segment_bytes, uint64_t need_bytes) {
  Result<SpareSegment> made = make_spare(seq, segment_bytes);
  uint32_t small_bytes = kSegmentBytesMin;
  while (small_bytes < need_bytes) {
    small_bytes *= 2;
  }
  if (made.code() != Code::kNoSpace || small_bytes > segment_bytes || !options_.small_will_do ||
      !options_.small_will_do()) {
    return made;
  }
  if (small_bytes < segment_bytes) {
    made = make_spare(seq, small_bytes);
  }
  if (made.code() == Code::kNoSpace && options_.make_room && options_.make_room()) {
    made = make_spare(seq, small_bytes);
  }
  return made;
}

Result<SpareSegment> SegmentFiles::convert_to_spare(const std::string& name, uint64_t seq, uint32_t segment_bytes) {
  const std::string unfinished = log_path(kUnfinishedName);
  Result<std::unique_ptr<File>> file = open(name);
  if (!file.ok()) {
    return file.status();
  }
  CAIRN_TRY(files_.rename(log_path(name), unfinished));
  // The removal of the old name must be durable before the header is overwritten, else a power cut brings back a file
  // whose name and header disagree.
  if (Status s = sync_directory(); !s.ok()) {
    (void)files_.remove(unfinished);
    return s;
  }
  return publish(std::move(*file), seq, segment_bytes);
}

// A kill or a power cut in between leaves a file without valid headers, or the old or the new spare.
Status SegmentFiles::remake_in_place(const std::string& name, uint64_t seq, uint32_t segment_bytes) {
  Result<std::unique_ptr<File>> file = open(name);
  if (!file.ok()) {
    return file.status();
  }
  CAIRN_TRY(write_spare_headers(**file, seq, segment_bytes));
  return (*file)->sync();
}

Status SegmentFiles::lengthen(const std::string& name, uint32_t segment_bytes) {
  Result<std::unique_ptr<File>> file = open(name);
  if (!file.ok()) {
    return file.status();
  }
  Result<FileInfo> info = (*file)->info();
  if (!info.ok()) {
    return info.status();
  }
  CAIRN_TRY(fill(**file, info->bytes, segment_bytes));
  return (*file)->sync();
}

Result<std::unique_ptr<File>> SegmentFiles::open(const std::string& name) {
  return files_.open(log_path(name), OpenMode::kWrite);
}

Status SegmentFiles::remove(const std::string& name) {
  Status s = files_.remove(log_path(name));
  return s.code == Code::kNotFound ? Status() : s;
}

Status SegmentFiles::remove_unfinished() { return remove(std::string(kUnfinishedName)); }

}  // namespace cairn::wal
