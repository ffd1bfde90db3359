// Tells a log that was never written to from one that lost its headers or its first records.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "wal/reader.h"
#include "wal/segment_files.h"
#include "wal/segment_image.h"

namespace cairn::wal {
namespace {

bool is_newborn(const SegmentHeader& header) {
  return header.version == kFormatVersion && segment_header_is_sound(header) && header.prev_last_lsn == 0 &&
         header.watermark == 0 && (header.state == SegmentState::kSpare || header.first_lsn == 1);
}

/// The header of a file if both copies can be of a store that was just created. An invalid copy is ignored; nullopt if
/// both are.
Result<std::optional<SegmentHeader>> newborn_header(File& file, bool& fits) {
  std::string pages(kRecordsOffset, '\0');
  CAIRN_TRY(file.read_at(0, {pages.data(), pages.size()}).status());
  std::optional<SegmentHeader> found;
  for (uint32_t copy = 0; copy < kHeaderCopies; ++copy) {
    const auto at = size_t{copy} * kHeaderPageBytes;
    const auto header = decode_segment_header(std::string_view(pages).substr(at, kHeaderPageBytes), copy);
    fits = fits && (!header || is_newborn(*header));
    found = header ? header : found;
  }
  return found;
}

/// A close leaves records that take no LSN: a CLOSE, and a PAD of zeros. A crash may have torn one of them. Only its
/// header is not zero then; a record of a store has more after its header.
Result<bool> holds_no_record(File& file, const SegmentHeader& header) {
  SegmentImage image;
  CAIRN_TRY(image.load(file, header));
  ChainWalk walk(image, 1, 0);
  ImageRecord record;
  const bool ends = walk.step(record) == ChainWalk::Step::kBad;
  const uint64_t behind = std::min(walk.offset() + kRecordHeaderBytes, image.bytes());
  return ends && image.view(behind, image.bytes()).find_first_not_of('\0') == std::string_view::npos;
}

Result<bool> is_unborn_file(Files& files, const std::string& name) {
  Result<std::unique_ptr<File>> file = files.open(log_path(name), OpenMode::kRead);
  if (!file.ok()) {
    return file.code() == Code::kNotFound ? Result<bool>(true) : file.status();
  }
  Result<FileInfo> info = (*file)->info();
  CAIRN_TRY(info.status());
  bool fits = true;
  const auto header = newborn_header(**file, fits);
  CAIRN_TRY(header.status());
  if (!fits) {
    return false;
  }
  if (name == kUnfinishedName) {  // not synced, so it may be any bytes; but it was never an active segment
    return !*header || (*header)->state == SegmentState::kSpare;
  }
  // A file gets its name when it is complete and synced.
  if (!*header || (*header)->seq != parse_segment_name(name) || info->bytes != (*header)->segment_bytes) {
    return false;
  }
  return holds_no_record(**file, **header);
}

}  // namespace

bool is_log_name(std::string_view name) { return name == kUnfinishedName || parse_segment_name(name); }

Result<bool> is_unborn(Files& files) {
  Result<std::vector<std::string>> names = files.list(std::string(kLogDirectory));
  CAIRN_TRY(names.status());
  for (const std::string& name : *names) {
    if (!is_log_name(name)) {
      continue;
    }
    Result<bool> unborn = is_unborn_file(files, name);
    if (!unborn.ok() || !*unborn) {
      return unborn;
    }
  }
  return true;
}

}  // namespace cairn::wal
