// Begins a writer: in place after a clean close, else in a new segment (FORMAT.md, "After an unclean end").
#include <algorithm>
#include <bit>
#include <utility>

#include "wal/log_writer.h"
#include "wal/reader.h"
#include "wal/segment_files.h"

namespace cairn::wal {
namespace {

using State = SegmentSummary::State;

Status check_options(const Options& options) {
  if (options.segment_bytes < kSegmentBytesMin || options.segment_bytes > kSegmentBytesMax ||
      !std::has_single_bit(options.segment_bytes)) {
    return {Code::kInvalidArgument, "segment_bytes: a power of two from 256 KiB to 64 MiB"};
  }
  if (options.border_bytes != kBorderBytesMin && options.border_bytes != kBorderBytesMax) {
    return {Code::kInvalidArgument, "border_bytes: 512 or 4096"};
  }
  return options.random ? Status() : Status(Code::kInvalidArgument, "no source of random salts");
}

class Beginning {
 public:
  Beginning(Files& files, const Options& options, const ScanReport& report, uint64_t applied_lsn)
      : files_(files),
        options_(options),
        report_(report),
        watermark_(std::max(report.watermark, applied_lsn)),
        segment_files_(files, options) {}

  Result<std::unique_ptr<Writer>> run(const std::vector<RecoveryRecord>& recovery);

 private:
  Status check() const;
  Status clear_away();
  Status remove_from_last(const std::vector<SegmentSummary>& files);
  [[nodiscard]] uint64_t next_seq() const { return newest_active() == nullptr ? 1 : newest_active()->seq + 1; }
  Result<std::unique_ptr<LogWriter>> go_on_in_place();
  Result<std::unique_ptr<LogWriter>> begin_segment();
  Result<SpareSegment> take_spare(uint64_t seq, uint32_t segment_bytes);
  Result<SpareSegment> open_spare(const SegmentSummary& there);
  Status adopt_spare(WriterStart& start);
  [[nodiscard]] const SegmentSummary* newest_active() const;
  void collect_full(WriterStart& start, uint64_t before_seq);

  Files& files_;
  const Options& options_;
  const ScanReport& report_;
  const uint64_t watermark_;
  SegmentFiles segment_files_;
  std::vector<SegmentSummary> spares_;
  std::vector<std::string> superseded_;
};

const SegmentSummary* Beginning::newest_active() const {
  const SegmentSummary* newest = nullptr;
  for (const SegmentSummary& file : report_.files) {
    newest = file.state == State::kActive ? &file : newest;
  }
  return newest;
}

Status Beginning::check() const {
  if (!report_.damage.empty()) {
    return {Code::kCorrupt, "the log is damaged"};
  }
  if (newest_active() != nullptr && watermark_ > report_.last_lsn) {
    return {Code::kCorrupt, "the log ends before what is known durable"};
  }
  return {};
}

// Removes what a killed writer left. The file after the newest header stays: next to a sealed segment its absence would
// be damage. Without a valid header it holds nothing durable (scan() made sure), and becomes a spare in place.
Status Beginning::clear_away() {
  CAIRN_TRY(segment_files_.remove_unfinished());
  std::vector<SegmentSummary> useless;
  for (SegmentSummary file : report_.files) {
    if (file.state == State::kActive) {
      continue;
    }
    if (file.seq != next_seq() && (file.state == State::kDamaged || file.file_bytes < file.segment_bytes)) {
      useless.push_back(std::move(file));
      continue;
    }
    if (file.state == State::kDamaged) {
      file.segment_bytes = static_cast<uint32_t>(file.file_bytes);
      CAIRN_TRY(segment_files_.remake_in_place(file.name, file.seq, file.segment_bytes));
    } else if (file.file_bytes < file.segment_bytes) {
      CAIRN_TRY(segment_files_.lengthen(file.name, file.segment_bytes));
    }
    spares_.push_back(std::move(file));
  }
  return remove_from_last(useless);
}

// Removes them one by one, the last first: a spare without the file before it would be damage.
Status Beginning::remove_from_last(const std::vector<SegmentSummary>& files) {
  for (size_t i = files.size(); i-- > 0;) {
    CAIRN_TRY(segment_files_.remove(files[i].name));
    CAIRN_TRY(segment_files_.sync_directory());
  }
  return {};
}

void Beginning::collect_full(WriterStart& start, uint64_t before_seq) {
  for (const SegmentSummary& file : report_.files) {
    if (file.state != State::kActive || file.seq >= before_seq) {
      continue;
    }
    // Nothing above the watermark is valid any more: the new segment's header names it as the end of all before.
    const uint64_t last_lsn = std::min(file.last_lsn, watermark_);
    if (last_lsn < file.first_lsn) {
      superseded_.push_back(file.name);
    } else {
      start.others.full.push_back({file.name, file.segment_bytes, last_lsn});
    }
  }
}

// The spare `seq`. An existing one is used if possible, because recovery must work on a full disk; one of another size
// if there is no room for a new one. A new one gets its name when it is complete.
Result<SpareSegment> Beginning::take_spare(uint64_t seq, uint32_t segment_bytes) {
  const auto found =
      std::find_if(spares_.begin(), spares_.end(), [seq](const SegmentSummary& file) { return file.seq == seq; });
  if (found == spares_.end()) {
    return segment_files_.make_spare_or_small(seq, segment_bytes,
                                              kRecordsOffset + report_.tail.size() + options_.border_bytes);
  }
  const SegmentSummary there = *found;
  spares_.erase(found);
  if (there.segment_bytes != segment_bytes) {
    Result<SpareSegment> made = segment_files_.make_spare(seq, segment_bytes);
    const bool fits = kRecordsOffset + report_.tail.size() + options_.border_bytes <= there.segment_bytes;
    if (made.code() != Code::kNoSpace || !fits) {
      return made;
    }
  }
  return open_spare(there);
}

Result<SpareSegment> Beginning::open_spare(const SegmentSummary& there) {
  Result<std::unique_ptr<File>> file = segment_files_.open(there.name);
  if (!file.ok()) {
    return file.status();
  }
  SpareSegment spare;
  spare.file = std::move(*file);
  spare.seq = there.seq;
  spare.segment_bytes = there.segment_bytes;
  return spare;
}

// At most one spare stays, under the number after the active segment.
Status Beginning::adopt_spare(WriterStart& start) {
  std::vector<SegmentSummary> useless;
  for (SegmentSummary& found : spares_) {
    if (start.others.spare || found.seq != start.active.header.seq + 1 ||
        found.segment_bytes != options_.segment_bytes) {
      useless.push_back(std::move(found));
      continue;
    }
    Result<SpareSegment> spare = open_spare(found);
    if (!spare.ok()) {
      return spare.status();
    }
    start.others.spare = std::move(*spare);
  }
  spares_.clear();
  CAIRN_TRY(remove_from_last(useless));
  // This also makes the name of a spare durable if the process that made it was killed before the sync.
  return segment_files_.sync_directory();
}

Result<std::unique_ptr<LogWriter>> Beginning::go_on_in_place() {
  const SegmentSummary& active = *newest_active();
  Result<std::unique_ptr<File>> file = segment_files_.open(active.name);
  if (!file.ok()) {
    return file.status();
  }
  // Both copies are the same except for the idle watermark.
  std::string pages(kRecordsOffset, '\0');
  Result<size_t> got = (*file)->read_at(0, {pages.data(), pages.size()});
  if (!got.ok()) {
    return got.status();
  }
  WriterStart start;
  bool found = false;
  for (uint32_t copy = 0; copy < kHeaderCopies; ++copy) {
    const auto header =
        decode_segment_header(std::string_view(pages).substr(size_t{copy} * kHeaderPageBytes, kHeaderPageBytes), copy);
    if (header && segment_header_is_sound(*header) && header->state == SegmentState::kActive &&
        header->seq == active.seq && header->store == options_.store) {
      start.active.header = *header;
      found = true;
    }
  }
  if (!found) {
    return {Code::kCorrupt, "the segment's headers changed since the scan"};
  }
  start.active.file = std::move(*file);
  start.active.headers_written = true;
  start.active.position = report_.end_offset;
  start.last_lsn = report_.last_lsn;
  start.durable_lsn = report_.last_lsn;
  start.active.chain = report_.end_chain;
  start.active.close = report_.close;
  collect_full(start, active.seq);
  CAIRN_TRY(adopt_spare(start));
  return std::make_unique<LogWriter>(files_, options_, std::move(start));
}

Result<std::unique_ptr<LogWriter>> Beginning::begin_segment() {
  const uint64_t seq = next_seq();
  // The tail always fits, even if segments were larger before.
  uint32_t segment_bytes = options_.segment_bytes;
  while (kRecordsOffset + report_.tail.size() > segment_bytes) {
    segment_bytes *= 2;
  }
  Result<SpareSegment> spare = take_spare(seq, segment_bytes);
  if (!spare.ok()) {
    return spare.status();
  }
  WriterStart start;
  start.active.file = std::move(spare->file);
  start.active.header.store = options_.store;
  start.active.header.seq = seq;
  start.active.header.salt = segment_files_.fresh_salt();
  start.active.header.segment_bytes = spare->segment_bytes;
  start.active.header.state = SegmentState::kActive;
  start.active.header.first_lsn = watermark_ + 1;
  start.active.header.prev_last_lsn = watermark_;
  start.active.header.prev_chain = report_.watermark_chain;
  start.last_lsn = watermark_;
  start.durable_lsn = watermark_;
  start.active.chain = report_.watermark_chain;
  collect_full(start, seq);
  CAIRN_TRY(adopt_spare(start));
  return std::make_unique<LogWriter>(files_, options_, std::move(start));
}

Result<std::unique_ptr<Writer>> Beginning::run(const std::vector<RecoveryRecord>& recovery) {
  CAIRN_TRY(check_options(options_));
  CAIRN_TRY(check());
  CAIRN_TRY(files_.make_directory(std::string(kLogDirectory)));
  CAIRN_TRY(files_.sync_directory(""));
  CAIRN_TRY(clear_away());
  // A larger border than before could be after the marker's own block, which must not be written again.
  const bool in_place = report_.clean && newest_active() != nullptr && report_.end_offset % options_.border_bytes == 0;
  Result<std::unique_ptr<LogWriter>> writer = in_place ? go_on_in_place() : begin_segment();
  if (!writer.ok()) {
    return writer.status();
  }
  if (!in_place) {
    std::vector<LogWriter::Payload> payloads;
    payloads.reserve(recovery.size());
    for (const RecoveryRecord& record : recovery) {
      payloads.push_back({record.type, record.payload});
    }
    CAIRN_TRY((*writer)->recover(report_.tail, payloads));
  } else if (!recovery.empty()) {
    for (const RecoveryRecord& record : recovery) {
      Writer::Append append(**writer);
      append.add(record.type, record.payload);
      Result<uint64_t> lsn = append.commit();
      if (!lsn.ok()) {
        return lsn.status();
      }
    }
    CAIRN_TRY((*writer)->sync((*writer)->written_lsn()));
  }
  // If the store is opened and killed again and again, the log must not grow: segments that a later one replaced are
  // removed at once.
  for (const std::string& name : superseded_) {
    CAIRN_TRY(segment_files_.remove(name));
  }
  if (!superseded_.empty()) {
    CAIRN_TRY(segment_files_.sync_directory());
  }
  return std::unique_ptr<Writer>(std::move(*writer));
}

}  // namespace

Result<std::unique_ptr<Writer>> begin_writer(Files& files, const Options& options, const ScanReport& report,
                                             uint64_t applied_lsn, const std::vector<RecoveryRecord>& recovery) {
  return Beginning(files, options, report, applied_lsn).run(recovery);
}

}  // namespace cairn::wal
