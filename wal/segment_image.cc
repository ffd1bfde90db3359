#include "wal/segment_image.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "wal/writer.h"

namespace cairn::wal {

Status SegmentImage::load(File& file, const SegmentHeader& header) {
  header_ = header;
  bytes_ = header.segment_bytes;
  if (capacity_ < bytes_) {
    data_.reset(new char[bytes_]);
    capacity_ = bytes_;
  }
  return reload(file, 0);
}

Status SegmentImage::reload(File& file, uint64_t offset) {
  Result<size_t> got = file.read_at(offset, {data_.get() + offset, static_cast<size_t>(bytes_ - offset)});
  if (!got.ok()) {
    return got.status();
  }
  std::memset(data_.get() + offset + *got, 0, bytes_ - offset - *got);
  return {};
}

std::optional<ImageRecord> SegmentImage::record_at(uint64_t offset) {
  if (offset % kRecordAlignment != 0 || offset < kRecordsOffset || offset + kRecordHeaderBytes > bytes_) {
    return std::nullopt;
  }
  char* at = data_.get() + offset;
  const RecordHeader header = peek_record_header(at);
  // The length is bounded before anything is hashed.
  if (header.length_bytes < kRecordHeaderBytes || header.length_bytes > bytes_ - offset ||
      header.length_bytes > kRecordHeaderBytes + kPayloadBytesMax ||  // the bytes may be of a use with larger segments
      header.durable_behind > header.lsn || header.lsn > kLsnMax ||
      !record_checksum_matches(at, header.length_bytes, offset, header_.salt)) {
    return std::nullopt;
  }
  ImageRecord record;
  record.header = header;
  record.payload = {at + kRecordHeaderBytes, header.length_bytes - kRecordHeaderBytes};
  record.offset = offset;
  record.next_offset = std::min(round_up(offset + header.length_bytes, kRecordAlignment), bytes_);
  return record;
}

bool SegmentImage::is_plausible(uint64_t offset, uint64_t lsn_next) const {
  if (offset + kRecordHeaderBytes > bytes_) {
    return false;
  }
  uint64_t lsn = 0;
  std::memcpy(&lsn, data_.get() + offset + offsetof(RecordHeader, lsn), sizeof(lsn));
  // The log's own records repeat the LSN before them. Stale bytes of the file's earlier use have smaller ones; this
  // test alone excludes nearly all positions.
  if (lsn + 1 < lsn_next || lsn > lsn_next + bytes_ / kRecordHeaderBytes) {
    return false;
  }
  const RecordHeader header = peek_record_header(data_.get() + offset);
  return header.length_bytes >= kRecordHeaderBytes && header.length_bytes <= bytes_ - offset &&
         header.length_bytes <= kRecordHeaderBytes + kPayloadBytesMax && header.type != 0 && header.reserved == 0 &&
         header.durable_behind <= header.lsn && (header.type < kFirstUserType || header.lsn >= lsn_next);
}

std::optional<ImageRecord> SegmentImage::find_from(uint64_t offset, uint64_t lsn_next, uint64_t& budget_bytes) {
  for (; offset + kRecordHeaderBytes <= bytes_; offset += kRecordAlignment) {
    if (!is_plausible(offset, lsn_next)) {
      continue;
    }
    const uint64_t cost_bytes = peek_record_header(data_.get() + offset).length_bytes;
    if (cost_bytes > budget_bytes) {
      return std::nullopt;
    }
    budget_bytes -= cost_bytes;
    if (auto record = record_at(offset)) {
      return record;
    }
  }
  return std::nullopt;
}

bool SegmentImage::hints_at_durable(uint64_t lsn_next) const {
  for (uint64_t offset = kRecordsOffset; offset + kRecordHeaderBytes <= bytes_; offset += kRecordAlignment) {
    if (!is_plausible(offset, lsn_next)) {
      continue;
    }
    const RecordHeader header = peek_record_header(data_.get() + offset);
    const uint64_t next = round_up(offset + header.length_bytes, kRecordAlignment);
    if (header.lsn - header.durable_behind < lsn_next || header.type < kFirstUserType ||
        !is_plausible(next, lsn_next)) {
      continue;
    }
    if (peek_record_header(data_.get() + next).chain == static_cast<uint32_t>(header.checksum)) {
      return true;
    }
  }
  return false;
}

std::optional<ImageRecord> ChainWalk::fitting_record_at(uint64_t offset) {
  auto record = image_.record_at(offset);
  if (!record || record->header.chain != chain_) {
    return std::nullopt;
  }
  const uint64_t lsn_expected = record->header.type < kFirstUserType ? lsn_next_ - 1 : lsn_next_;
  return record->header.lsn == lsn_expected ? record : std::nullopt;
}

std::optional<ImageRecord> ChainWalk::next_record() {
  if (auto record = fitting_record_at(offset_)) {
    return record;
  }
  // Padding shorter than a header is implicit, and damaged padding loses nothing: a record with the next LSN and the
  // right chain at the border is the proof that none is missing.
  uint64_t border = offset_;
  for (const uint32_t border_bytes : {kBorderBytesMin, kBorderBytesMax}) {
    if (const uint64_t next = round_up(offset_, border_bytes); next != border) {
      border = next;
      if (auto record = fitting_record_at(border)) {
        return record;
      }
    }
  }
  return std::nullopt;
}

ChainWalk::Step ChainWalk::step(ImageRecord& record) {
  for (;;) {
    const auto found = next_record();
    if (!found) {
      return Step::kBad;
    }
    watermark_ = std::max(watermark_, found->watermark());
    if (found->header.type >= kFirstUserType) {
      record = *found;
      offset_ = found->next_offset;
      ++lsn_next_;
      chain_ = static_cast<uint32_t>(found->header.checksum);
      at_close_ = false;
      return Step::kRecord;
    }
    switch (found->header.type) {
      case kTypeSeal:
        return Step::kSealed;
      case kTypeClose:
        at_close_ = true;
        close_offset_ = found->offset;
        break;
      case kTypePad:
        break;
      default:
        if ((found->header.flags & kFlagSkippable) == 0) {
          return Step::kUnknownType;
        }
    }
    offset_ = found->next_offset;
  }
}

namespace {

// Classifies a file by both header copies; the better one decides.
SegmentEntry classify(std::string name, uint64_t seq, std::string_view pages, const StoreId& store) {
  SegmentEntry entry;
  entry.name = std::move(name);
  entry.seq = seq;
  bool newer = false;
  bool foreign = false;
  bool misnamed = false;
  std::array<std::optional<SegmentHeader>, kHeaderCopies> good;
  for (uint32_t copy = 0; copy < kHeaderCopies; ++copy) {
    const size_t at = std::min<size_t>(size_t{copy} * kHeaderPageBytes, pages.size());
    const auto header = decode_segment_header(pages.substr(at, kHeaderPageBytes), copy);
    if (!header) {
      continue;
    }
    if (header->version > kFormatVersion) {
      newer = true;
    } else if (header->store != store) {
      foreign = true;
    } else if (header->seq != seq) {
      misnamed = true;
    } else if (segment_header_is_sound(*header)) {
      good[copy] = header;
    }
  }
  if (newer) {
    entry.kind = SegmentEntry::Kind::kNewer;
    return entry;
  }
  for (const auto& header : good) {
    if (!header) {
      continue;
    }
    if (header->state == SegmentState::kSpare) {
      // One copy of an activated header may have reached the disk without the other: the active one decides.
      if (entry.kind == SegmentEntry::Kind::kBad) {
        entry.kind = SegmentEntry::Kind::kSpare;
        entry.header = *header;
      }
    } else if (entry.kind != SegmentEntry::Kind::kActive) {
      entry.kind = SegmentEntry::Kind::kActive;
      entry.header = *header;
    } else if (entry.header.salt != header->salt || entry.header.first_lsn != header->first_lsn ||
               entry.header.prev_chain != header->prev_chain || entry.header.segment_bytes != header->segment_bytes) {
      entry.kind = SegmentEntry::Kind::kMisnamed;
      return entry;
    } else {
      entry.header.watermark = std::max(entry.header.watermark, header->watermark);
    }
  }
  if (entry.kind == SegmentEntry::Kind::kBad && foreign) {
    entry.kind = SegmentEntry::Kind::kForeign;
  } else if (entry.kind == SegmentEntry::Kind::kBad && misnamed) {
    entry.kind = SegmentEntry::Kind::kMisnamed;
  }
  return entry;
}

}  // namespace

bool is_segment_length(uint64_t file_bytes) {
  return file_bytes >= kSegmentBytesMin && file_bytes <= kSegmentBytesMax && std::has_single_bit(file_bytes);
}

Result<std::vector<SegmentEntry>> list_segments(Files& files, const StoreId& store) {
  Result<std::vector<std::string>> names = files.list(std::string(kLogDirectory));
  if (!names.ok()) {
    return names.status();
  }
  std::vector<SegmentEntry> entries;
  std::string pages(kRecordsOffset, '\0');
  for (const std::string& name : *names) {  // sorted, and the numbers have a fixed width
    const auto seq = parse_segment_name(name);
    if (!seq) {
      continue;
    }
    Result<std::unique_ptr<File>> file = files.open(log_path(name), OpenMode::kRead);
    if (file.code() == Code::kNotFound) {
      continue;
    }
    if (!file.ok()) {
      return file.status();
    }
    SegmentEntry entry;
    // A live writer may be activating it at this moment: read it twice.
    for (int attempt = 0; attempt < 2; ++attempt) {
      Result<size_t> got = (*file)->read_at(0, {pages.data(), pages.size()});
      if (!got.ok()) {
        return got.status();
      }
      entry = classify(name, *seq, std::string_view(pages).substr(0, *got), store);
      if (entry.kind != SegmentEntry::Kind::kBad) {
        break;
      }
    }
    Result<FileInfo> info = (*file)->info();
    if (!info.ok()) {
      return info.status();
    }
    entry.file_bytes = info->bytes;
    entries.push_back(std::move(entry));
  }
  return entries;
}

Status load_segment(Files& files, const SegmentEntry& entry, SegmentImage& image, std::unique_ptr<File>& file) {
  Result<std::unique_ptr<File>> opened = files.open(log_path(entry.name), OpenMode::kRead);
  if (!opened.ok()) {
    return opened.status();
  }
  file = std::move(*opened);
  return image.load(*file, entry.header);
}

}  // namespace cairn::wal
