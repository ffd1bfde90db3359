#include "wal/log_writer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace cairn::wal {

// ---------------------------------------------------------------------------------------------------------- contract

Writer::Append::Append(Writer& w) : writer_(w) { writer_.lock_append(); }
Writer::Append::~Append() { writer_.unlock_append(); }
void Writer::Append::add(uint8_t type, std::string_view payload) { writer_.add_record(type, payload); }
uint64_t Writer::Append::next_lsn() const { return writer_.next_record_lsn(); }
Result<uint64_t> Writer::Append::commit() { return writer_.commit_records(0); }
Result<uint64_t> Writer::Append::commit_split(size_t leading) { return writer_.commit_records(leading); }

// -------------------------------------------------------------------------------------------------------------- start

LogWriter::LogWriter(Files& files, const Options& options, WriterStart start)
    : options_(options),
      segment_files_(files, options),
      written_lsn_(start.last_lsn),
      durable_lsn_(start.durable_lsn),
      file_(std::move(start.file)),
      header_(start.header),
      headers_written_(start.headers_written),
      position_(start.position),
      chain_(start.chain),
      ends_in_close_(!start.close.empty()),
      close_to_repeat_(std::move(start.close)),
      spare_(std::move(start.spare)),
      full_(std::move(start.full)),
      active_seq_(start.header.seq),
      active_first_lsn_(start.header.first_lsn),
      active_bytes_(start.header.segment_bytes),
      headers_durable_seq_(start.headers_written ? start.header.seq : 0) {
  count_disk_bytes_locked();
}

Status LogWriter::recover(std::string_view tail, const std::vector<Payload>& more) {
  const MutexLock lock(append_mutex_);
  while (!tail.empty()) {
    const RecordHeader header = peek_record_header(tail.data());
    assert(header.lsn == next_record_lsn());
    add_framed(header.type, header.flags, tail.substr(kRecordHeaderBytes, header.length_bytes - kRecordHeaderBytes));
    tail.remove_prefix(record_space_bytes(header.length_bytes - kRecordHeaderBytes));
  }
  const size_t tail_count = pending_.size();
  for (const Payload& record : more) {
    add_record(record.type, record.payload);
  }
  Status s = pending_error_;
  // Headers last, and only when the records are on the disk: before, the file is a spare, and recovery begins again
  // from the old segment. Under one sync with the records, a power cut could keep the headers alone. They would name
  // the watermark as the old segment's end and so hide its records behind it, which may have been acknowledged: the
  // watermark on disk lags behind what the last sync made durable.
  const size_t count = pending_.size();
  const bool all_fit = fits(space_bytes(0, count));
  defer_headers_ = true;
  const size_t first_count = all_fit ? count : tail_count;
  if (s.ok() && first_count > 0) {
    s = write_group(0, first_count);
  }
  if (s.ok()) {
    s = pad_to_border();
  }
  defer_headers_ = false;
  if (s.ok() && first_count > 0) {
    s = sync_file(*file_, written_lsn(), true);
  }
  if (s.ok()) {
    s = write_at_position({});
  }
  // Do this before anything more is appended: later records attest that the copies are durable, which is true only once
  // the headers are.
  if (s.ok()) {
    s = sync_file(*file_, written_lsn(), true);
  }
  if (s.ok()) {
    const MutexLock segments(segments_mutex_);
    headers_durable_seq_ = header_.seq;
  }
  for (size_t next = first_count; s.ok() && next < count;) {
    size_t end = next;
    while (end < count && fits(space_bytes(next, end + 1))) {
      ++end;
    }
    if (end > next) {
      s = write_group(next, end);
      next = end;
    } else {
      s = rotate(space_bytes(next, next + 1));
    }
  }
  if (s.ok() && first_count < count) {
    s = pad_to_border();
    if (s.ok()) {
      s = sync_file(*file_, written_lsn(), true);
    }
  }
  forget_pending();
  return s;
}

// -------------------------------------------------------------------------------------------------------------- append

void LogWriter::unlock_append() {
  forget_pending();
  append_mutex_.unlock();
}

void LogWriter::forget_pending() {
  buffer_.clear();
  pending_.clear();
  pending_error_ = Status();
}

void LogWriter::add_record(uint8_t type, std::string_view payload) {
  if (type < kFirstUserType) {
    pending_error_ = {Code::kInvalidArgument, "a record type that is reserved for the log"};
  } else if (payload.size() > record_bytes_max(options_.segment_bytes)) {
    pending_error_ = {Code::kTooLarge, "the record is larger than a log record may be"};
  } else {
    add_framed(type, 0, payload);
  }
}

void LogWriter::add_framed(uint8_t type, uint8_t flags, std::string_view payload) {
  Pending record;
  record.at = buffer_.size();
  record.length_bytes = static_cast<uint32_t>(kRecordHeaderBytes + payload.size());
  record.type = type;
  record.flags = flags;
  buffer_.resize(buffer_.size() + record_space_bytes(payload.size()));
  if (!payload.empty()) {
    std::memcpy(buffer_.data() + record.at + kRecordHeaderBytes, payload.data(), payload.size());
  }
  pending_.push_back(record);
}

uint64_t LogWriter::next_record_lsn() const { return written_lsn() + pending_.size() + 1; }

size_t LogWriter::space_bytes(size_t first, size_t last) const {
  const size_t begin = first < pending_.size() ? pending_[first].at : buffer_.size();
  const size_t end = last < pending_.size() ? pending_[last].at : buffer_.size();
  return end - begin;
}

// The last border of a segment is kept for the SEAL, which must not share a sector with a synced group.
uint64_t LogWriter::group_bytes_max(uint32_t segment_bytes) const {
  return segment_bytes - kRecordsOffset - options_.border_bytes;
}

bool LogWriter::fits(size_t bytes) const {
  return position_ + bytes <= uint64_t{header_.segment_bytes} - options_.border_bytes;
}

Status LogWriter::refuse_if_ended() const {
  if (closed_) {
    return {Code::kClosed, "the log was closed"};
  }
  return latched() ? Status(Code::kLatched, "an earlier error stopped the log") : Status();
}

Result<uint64_t> LogWriter::commit_records(size_t leading) {
  Status s = refuse_if_ended();
  leading_ = leading;
  const size_t count = pending_.size();
  if (s.ok()) {
    s = pending_error_;
  }
  const size_t total_bytes = space_bytes(0, count);
  const size_t group_max = group_bytes_max(options_.segment_bytes);
  const bool may_split = leading > 0 && leading < count;
  if (s.ok() && count > 0) {
    if (fits(total_bytes)) {
      s = write_group(0, count);
    } else if (total_bytes > group_max &&
               (!may_split || space_bytes(0, leading) > group_max || space_bytes(leading, count) > group_max)) {
      s = {Code::kTooLarge, "the records are larger than one append may be"};
    } else {
      size_t done = 0;
      if (may_split) {
        if (!fits(space_bytes(0, leading))) {
          s = rotate(total_bytes <= group_max ? total_bytes : space_bytes(0, leading));
        } else {
          s = ensure_spare(space_bytes(leading, count));  // a lack of space shows before anything is written
        }
        if (s.ok() && fits(total_bytes)) {
          leading = count;
        }
        if (s.ok()) {
          s = write_group(0, leading);
          done = leading;
        }
      }
      if (s.ok() && done < count) {
        s = rotate(space_bytes(done, count));
        if (s.ok()) {
          s = write_group(done, count);
        }
      }
    }
  }
  forget_pending();
  if (!s.ok()) {
    return s;
  }
  return written_lsn();
}

Status LogWriter::write_group(size_t first, size_t last) {
  const size_t begin = pending_[first].at;
  const size_t bytes = space_bytes(first, last);
  uint64_t lsn = written_lsn();
  const uint64_t durable = durable_lsn();
  uint32_t chain = chain_;
  for (size_t i = first; i < last; ++i) {
    const Pending& record = pending_[i];
    RecordHeader header;
    header.length_bytes = record.length_bytes;
    header.type = record.type;
    header.flags = record.flags;
    header.lsn = ++lsn;
    header.durable_behind = durable_distance(lsn, durable);
    header.chain = chain;
    chain = static_cast<uint32_t>(
        write_record_header(buffer_.data() + record.at, header, position_ + (record.at - begin), header_.salt));
  }
  if (Status s = write_at_position(std::string_view(buffer_).substr(begin, bytes)); !s.ok()) {
    const bool gone = take_back(first, last);
    if (s.code == Code::kNoSpace && !gone) {
      // After a kill these records would come back, although the caller was told that they failed, before records that
      // are acknowledged from now on.
      return latch({Code::kLatched, "a failed append could not be taken back", s.cause});
    }
    return s;
  }
  position_ += bytes;
  chain_ = chain;
  ends_in_close_ = false;
  appends_.fetch_add(1, std::memory_order_relaxed);
  records_.fetch_add(last - first, std::memory_order_relaxed);
  written_lsn_.store(lsn, std::memory_order_release);
  return {};
}

// After a failed write some of its records may be in the file, whole, and must be invalidated. Not only the first: it
// may be appended again with exactly the same bytes, and would then be followed by the others. Begins with the last
// one, so that a kill in between leaves a prefix. False: one of them can still be read. Only the leading ones may stay.
bool LogWriter::take_back(size_t first, size_t last) {
  static constexpr std::string_view kNothingHere("\0\0\0\0", sizeof(RecordHeader::length_bytes));
  bool gone = true;
  for (size_t i = last; i-- > first;) {
    const Pending& record = pending_[i];
    const uint64_t offset = position_ + (record.at - pending_[first].at);
    if (file_->write_at(offset, kNothingHere).ok()) {
      continue;
    }
    // On file systems where each write takes new blocks, a full disk refuses this one too. That is harmless if the
    // record itself never reached the file.
    std::string there(record.length_bytes, '\0');
    const Result<size_t> got = file_->read_at(offset, {there.data(), there.size()});
    gone = gone &&
           (i < leading_ || (got.ok() && std::string_view(buffer_).substr(record.at, record.length_bytes) != there));
  }
  return gone;
}

// Writes at the position of the next record, together with the headers if the segment has none yet. No space does not
// latch.
Status LogWriter::write_at_position(std::string_view bytes) {
  Status s;
  if (!close_to_repeat_.empty()) {
    // The close marker before this position may be readable but not on the disk: if its sync failed in this same boot,
    // the page was marked clean. After a power cut a hole would then cut off what follows. So the marker is written
    // again: the sync that covers what follows covers it, too. It shares no sector with a group.
    const uint64_t begin = position_ - close_to_repeat_.size();
    s = file_->write_at(begin, close_to_repeat_ + std::string(bytes));
    if (s.ok()) {
      close_to_repeat_.clear();
    }
  } else if (headers_written_ || defer_headers_) {
    s = file_->write_at(position_, bytes);
  } else if (position_ == kRecordsOffset) {
    s = file_->write_at(0, headers_page().append(bytes));
  } else {
    s = file_->write_at(0, headers_page());
    assert(bytes.empty());
  }
  if (s.ok()) {
    headers_written_ = headers_written_ || !defer_headers_;
    bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
    return s;
  }
  return s.code == Code::kNoSpace ? s : latch(s);
}

std::string LogWriter::headers_page() const {
  std::string pages(kRecordsOffset, '\0');
  for (uint32_t copy = 0; copy < kHeaderCopies; ++copy) {
    const auto bytes = encode_segment_header(header_, copy);
    std::memcpy(pages.data() + size_t{copy} * kHeaderPageBytes, bytes.data(), bytes.size());
  }
  return pages;
}

Status LogWriter::write_control(uint8_t type) {
  RecordHeader header;
  header.length_bytes = kRecordHeaderBytes;
  header.type = type;
  header.lsn = written_lsn();
  header.durable_behind = durable_distance(header.lsn, durable_lsn());
  header.chain = chain_;
  std::array<char, kRecordHeaderBytes> bytes{};
  write_record_header(bytes.data(), header, position_, header_.salt);
  CAIRN_TRY(write_at_position({bytes.data(), bytes.size()}));
  position_ += bytes.size();
  return {};
}

Status LogWriter::pad_to_border() {
  const size_t gap = round_up(position_, options_.border_bytes) - position_;
  if (gap == 0) {
    return {};
  }
  std::array<char, kBorderBytesMax> bytes{};  // no memory: it runs between an append and its acknowledgement
  if (gap >= kRecordHeaderBytes) {
    RecordHeader header;
    header.length_bytes = static_cast<uint32_t>(gap);
    header.type = kTypePad;
    header.lsn = written_lsn();
    header.durable_behind = durable_distance(header.lsn, durable_lsn());
    header.chain = chain_;
    write_record_header(bytes.data(), header, position_, header_.salt);
  }
  CAIRN_TRY(write_at_position({bytes.data(), gap}));
  position_ += gap;
  return {};
}

// ------------------------------------------------------------------------------------------------------------ rotation

// Makes a spare that can hold `need_bytes` of records. A small one that cannot is replaced, under the same name.
Status LogWriter::make_spare_locked(size_t need_bytes) {
  if (spare_ && need_bytes <= group_bytes_max(spare_->segment_bytes)) {
    return {};
  }
  Result<SpareSegment> made = segment_files_.make_spare_or_small(active_seq_ + 1, options_.segment_bytes,
                                                                 kRecordsOffset + need_bytes + options_.border_bytes);
  if (!made.ok()) {
    return made.status();
  }
  spare_ = std::move(*made);
  count_disk_bytes_locked();
  return {};
}

Status LogWriter::ensure_spare(size_t need_bytes) {
  const MutexLock lock(segments_mutex_);
  return make_spare_locked(need_bytes);
}

// All memory is allocated before the SEAL is written: nothing after the SEAL is valid, so the switch to the next
// segment must follow.
Status LogWriter::rotate(size_t need_bytes) {
  const MutexLock lock(segments_mutex_);
  CAIRN_TRY(make_spare_locked(need_bytes));
  full_.push_back({segment_name(header_.seq), header_.segment_bytes, written_lsn()});
  Status s;
  if (position_ + kRecordHeaderBytes <= header_.segment_bytes) {
    s = write_control(kTypeSeal);
  } else if (!close_to_repeat_.empty()) {
    s = write_at_position({});  // it is this segment's last record, and must not be written into the next one
  }
  if (s.ok()) {
    if (const Status synced = sync_file(*file_, written_lsn(), true); !synced.ok()) {
      s = {Code::kLatched, "the full segment could not be synced", synced.cause};
    }
  }
  if (!s.ok()) {
    full_.pop_back();
    return s;
  }
  SegmentHeader header;
  header.store = options_.store;
  header.seq = spare_->seq;
  header.salt = segment_files_.fresh_salt();
  header.first_lsn = written_lsn() + 1;
  header.prev_last_lsn = written_lsn();
  header.prev_chain = chain_;
  header.segment_bytes = spare_->segment_bytes;
  header.state = SegmentState::kActive;
  header_ = header;
  file_ = std::move(spare_->file);
  spare_.reset();
  headers_written_ = false;
  ends_in_close_ = false;
  position_ = kRecordsOffset;
  active_seq_ = header.seq;
  active_first_lsn_ = header.first_lsn;
  active_bytes_ = header.segment_bytes;
  rotations_.fetch_add(1, std::memory_order_relaxed);
  count_disk_bytes_locked();
  return {};
}

Status LogWriter::prepare_spare() {
  if (latched()) {
    return {Code::kLatched, "an earlier error stopped the log"};
  }
  return ensure_spare(0);
}

// The headers are written with the segment's first records, and durable with them.
bool LogWriter::active_headers_are_durable() const {
  return headers_durable_seq_ == active_seq_ || durable_lsn() >= active_first_lsn_;
}

Status LogWriter::recycle(uint64_t applied_lsn) {
  if (latched()) {
    return {Code::kLatched, "an earlier error stopped the log"};
  }
  bool newest_first = false;
  {
    const MutexLock lock(segments_mutex_);
    newest_first = !full_.empty() && full_.back().last_lsn <= applied_lsn && !active_headers_are_durable();
  }
  if (newest_first) {
    CAIRN_TRY(sync(written_lsn()));
  }
  const MutexLock lock(segments_mutex_);
  bool removed = false;
  Status s;
  const size_t kept = active_headers_are_durable() ? 0 : 1;  // else a power cut could leave no header at all
  while (s.ok() && full_.size() > kept && full_.front().last_lsn <= applied_lsn) {
    const FullSegment oldest = full_.front();
    if (!spare_ && oldest.segment_bytes == options_.segment_bytes) {
      Result<SpareSegment> spare = segment_files_.convert_to_spare(oldest.name, active_seq_ + 1, oldest.segment_bytes);
      if (spare.ok()) {
        spare_ = std::move(*spare);
      } else if (spare.code() != Code::kNotFound) {
        s = spare.status();
      }
    } else {
      s = segment_files_.remove(oldest.name);
      removed = true;
    }
    if (s.ok() || s.code == Code::kNotFound) {
      s = {};
      full_.pop_front();
      recycled_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  count_disk_bytes_locked();
  if (s.ok() && removed) {
    s = segment_files_.sync_directory();
  }
  return s;
}

void LogWriter::count_disk_bytes_locked() {
  uint64_t bytes = uint64_t{active_bytes_} + (spare_ ? spare_->segment_bytes : 0);
  for (const FullSegment& segment : full_) {
    bytes += segment.segment_bytes;
  }
  disk_bytes_.store(bytes, std::memory_order_relaxed);
}

// ---------------------------------------------------------------------------------------------------------------- sync

Status LogWriter::latch(Status cause) {
  const MutexLock lock(sync_mutex_);
  latched_.store(true, std::memory_order_release);
  return cause;
}

// Does one fdatasync of `file`, which holds everything up to `target_lsn` that is not durable yet.
Status LogWriter::sync_file(File& file, uint64_t target_lsn, bool always) {
  return sync_unless_durable(always ? std::numeric_limits<uint64_t>::max() : target_lsn, file, target_lsn);
}

// Syncs `file` unless `lsn` is durable by then; in that case `file` may be gone.
Status LogWriter::sync_unless_durable(uint64_t lsn, File& file, uint64_t target_lsn) {
  const MutexLock lock(sync_mutex_);
  if (latched()) {
    return {Code::kIndeterminate, "an earlier error stopped the log"};
  }
  if (durable_lsn() >= lsn) {
    return {};  // a rotation's sync covered it
  }
  if (Status s = file.sync(); !s.ok()) {
    latched_.store(true, std::memory_order_release);
    return s.cause == ENOENT ? s : Status{Code::kIndeterminate, "the sync failed", s.cause};
  }
  syncs_.fetch_add(1, std::memory_order_relaxed);
  if (durable_lsn() < target_lsn) {
    durable_lsn_.store(target_lsn, std::memory_order_release);
  }
  return {};
}

Status LogWriter::lead_group() {
  std::shared_ptr<File> file;
  uint64_t target_lsn = 0;
  {
    const MutexLock lock(append_mutex_);
    if (latched()) {
      return {Code::kIndeterminate, "an earlier error stopped the log"};
    }
    target_lsn = written_lsn();
    if (durable_lsn() >= target_lsn) {
      return {};
    }
    if (Status s = pad_to_border(); s.code == Code::kNoSpace) {
      position_ = round_up(position_, options_.border_bytes);  // readers do not need the padding
    } else if (!s.ok()) {
      return {Code::kIndeterminate, "the padding could not be written", s.cause};
    }
    file = file_;
  }
  return sync_file(*file, target_lsn, false);
}

Status LogWriter::sync(uint64_t lsn) {
  if (durable_lsn() >= lsn) {
    return {};
  }
  if (latched()) {
    return {Code::kLatched, "an earlier error stopped the log"};
  }
  if (lsn > written_lsn()) {
    return {Code::kInvalidArgument, "no record of this LSN has been written"};
  }
  Status s = groups_.join([this] { return lead_group(); });
  return durable_lsn() >= lsn ? Status() : s;
}

Status LogWriter::note_idle() {
  std::shared_ptr<File> file;
  uint64_t durable = 0;
  {
    const MutexLock lock(append_mutex_);
    CAIRN_TRY(refuse_if_ended());
    durable = durable_lsn();
    // Not idle; or the marker or the header says it already.
    if (durable < written_lsn() || ends_in_close_ || durable < header_.first_lsn || durable <= header_.watermark) {
      return {};
    }
    SegmentHeader header = header_;
    header.watermark = durable;
    // Write only one copy: if a power cut destroys it, the other is left.
    const auto bytes = encode_segment_header(header, 1);
    if (Status s = file_->write_at(kHeaderPageBytes, {bytes.data(), bytes.size()}); !s.ok()) {
      return s.code == Code::kNoSpace ? s : latch(s);
    }
    header_ = header;
    file = file_;
  }
  // Appends may continue meanwhile, and `file` may get full and be recycled. That happens only after something newer is
  // durable.
  return sync_unless_durable(durable + 1, *file, durable);
}

Status LogWriter::close_clean() {
  const MutexLock lock(append_mutex_);
  if (closed_) {
    return {};
  }
  CAIRN_TRY(refuse_if_ended());
  if (!ends_in_close_) {
    // The marker says that all before it is durable, so it may not reach the disk before them.
    if (durable_lsn() < written_lsn()) {
      CAIRN_TRY(pad_to_border());
      CAIRN_TRY(sync_file(*file_, written_lsn(), false));
    }
    CAIRN_TRY(write_control(kTypeClose));
    CAIRN_TRY(pad_to_border());
    CAIRN_TRY(sync_file(*file_, written_lsn(), true));
    ends_in_close_ = true;
  }
  closed_ = true;
  return {};
}

Writer::Counters LogWriter::counters() const {
  Counters c;
  c.appends = appends_.load(std::memory_order_relaxed);
  c.records = records_.load(std::memory_order_relaxed);
  c.bytes = bytes_.load(std::memory_order_relaxed);
  c.syncs = syncs_.load(std::memory_order_relaxed);
  c.rotations = rotations_.load(std::memory_order_relaxed);
  c.recycled = recycled_.load(std::memory_order_relaxed);
  return c;
}

}  // namespace cairn::wal
