#include "wal/log_writer.h"

#include <cassert>
#include <memory>
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

LogWriter::LogWriter(Files& files, const Options& options, WriterStart&& start)
    : segment_bytes_(options.segment_bytes),
      sync_(start.last_lsn, start.durable_lsn),
      segments_(files, options, std::move(start.others), start.active.header, start.active.headers_written, sync_),
      active_(std::move(start.active), options.border_bytes, sync_, bytes_) {}

Status LogWriter::recover(std::string_view tail, const std::vector<Payload>& more) {
  const MutexLock lock(append_mutex_);
  while (!tail.empty()) {
    const RecordHeader header = peek_record_header(tail.data());
    assert(header.lsn == next_record_lsn());
    pending_.add(header.type, header.flags, tail.substr(kRecordHeaderBytes, header.length_bytes - kRecordHeaderBytes));
    tail.remove_prefix(record_space_bytes(header.length_bytes - kRecordHeaderBytes));
  }
  const size_t tail_count = pending_.count();
  for (const Payload& record : more) {
    add_record(record.type, record.payload);
  }
  const size_t count = pending_.count();
  const size_t first_count = active_.fits(pending_.space_bytes(0, count)) ? count : tail_count;
  Status s = pending_error_;
  if (s.ok()) {
    s = write_first(first_count);
  }
  if (s.ok() && first_count < count) {
    s = write_rest(first_count);
  }
  forget_pending();
  return s;
}

// Headers last, and only when the records are on the disk: before, the file is a spare, and recovery begins again from
// the old segment. Under one sync with the records, a power cut could keep the headers alone. They would name the
// watermark as the old segment's end and so hide its records behind it, which may have been acknowledged: the watermark
// on disk lags behind what the last sync made durable.
Status LogWriter::write_first(size_t count) {
  active_.defer_headers();
  if (count > 0) {
    CAIRN_TRY(write_group(0, count, 0));
  }
  CAIRN_TRY(active_.pad_to_border());
  if (count > 0) {
    CAIRN_TRY(sync_active());
  }
  CAIRN_TRY(active_.write_headers());
  // Do this before anything more is appended: later records attest that the copies are durable, which is true only once
  // the headers are.
  CAIRN_TRY(sync_active());
  segments_.note_headers_durable();
  return {};
}

Status LogWriter::write_rest(size_t first) {
  const size_t count = pending_.count();
  while (first < count) {
    size_t end = first;
    while (end < count && active_.fits(pending_.space_bytes(first, end + 1))) {
      ++end;
    }
    if (end > first) {
      CAIRN_TRY(write_group(first, end, 0));
      first = end;
    } else {
      CAIRN_TRY(rotate(pending_.space_bytes(first, first + 1)));
    }
  }
  CAIRN_TRY(active_.pad_to_border());
  return sync_active();
}

// -------------------------------------------------------------------------------------------------------------- append

void LogWriter::unlock_append() {
  forget_pending();
  append_mutex_.unlock();
}

void LogWriter::forget_pending() {
  pending_.clear();
  pending_error_ = Status();
}

void LogWriter::add_record(uint8_t type, std::string_view payload) {
  if (type < kFirstUserType) {
    pending_error_ = {Code::kInvalidArgument, "a record type that is reserved for the log"};
  } else if (payload.size() > record_bytes_max(segment_bytes_)) {
    pending_error_ = {Code::kTooLarge, "the record is larger than a log record may be"};
  } else {
    pending_.add(type, 0, payload);
  }
}

uint64_t LogWriter::next_record_lsn() const { return written_lsn() + pending_.count() + 1; }

Status LogWriter::refuse_if_ended() const {
  if (closed_) {
    return {Code::kClosed, "the log was closed"};
  }
  return latched() ? Status(Code::kLatched, "an earlier error stopped the log") : Status();
}

Result<uint64_t> LogWriter::commit_records(size_t leading) {
  Status s = refuse_if_ended();
  if (s.ok()) {
    s = pending_error_;
  }
  if (s.ok() && pending_.count() > 0) {
    s = write_pending(leading);
  }
  forget_pending();
  if (!s.ok()) {
    return s;
  }
  return written_lsn();
}

Status LogWriter::write_pending(size_t leading) {
  const size_t count = pending_.count();
  const size_t bytes = pending_.space_bytes(0, count);
  if (active_.fits(bytes)) {
    return write_group(0, count, leading);
  }
  const size_t group_max = segments_.group_bytes_max(segment_bytes_);
  const bool may_split = leading > 0 && leading < count;
  if (bytes > group_max && (!may_split || pending_.space_bytes(0, leading) > group_max ||
                            pending_.space_bytes(leading, count) > group_max)) {
    return {Code::kTooLarge, "the records are larger than one append may be"};
  }
  if (may_split) {
    return write_split(leading);
  }
  CAIRN_TRY(rotate(bytes));
  return write_group(0, count, leading);
}

Status LogWriter::write_split(size_t leading) {
  const size_t count = pending_.count();
  const size_t bytes = pending_.space_bytes(0, count);
  const size_t leading_bytes = pending_.space_bytes(0, leading);
  if (!active_.fits(leading_bytes)) {
    CAIRN_TRY(rotate(bytes <= segments_.group_bytes_max(segment_bytes_) ? bytes : leading_bytes));
  } else {
    CAIRN_TRY(segments_.prepare_spare(bytes - leading_bytes));  // a lack of space shows before anything is written
  }
  if (active_.fits(bytes)) {
    return write_group(0, count, leading);
  }
  CAIRN_TRY(write_group(0, leading, leading));
  CAIRN_TRY(rotate(bytes - leading_bytes));
  return write_group(leading, count, leading);
}

Status LogWriter::write_group(size_t first, size_t last, size_t leading) {
  CAIRN_TRY(active_.append(pending_, first, last, leading));
  appends_.fetch_add(1, std::memory_order_relaxed);
  records_.fetch_add(last - first, std::memory_order_relaxed);
  return {};
}

// ------------------------------------------------------------------------------------------------------------ segments

// All memory is allocated before the SEAL is written: nothing after the SEAL is valid, so the switch to the next
// segment must follow.
Status LogWriter::rotate(size_t need_bytes) {
  const MutexLock lock(segments_.mutex());
  CAIRN_TRY(segments_.make_spare(need_bytes));
  const SegmentHeader& full = active_.header();
  segments_.add_full({segment_name(full.seq), full.segment_bytes, written_lsn()});
  struct TakeBackUnlessSealed {  // an exception, too: the segment is written on then
    LogSegments& segments;
    bool sealed = false;
    ~TakeBackUnlessSealed() {
      segments.mutex().assert_held();
      if (!sealed) {
        segments.take_full_back();
      }
    }
  } full_one{segments_};
  CAIRN_TRY(active_.seal());
  if (const Status synced = sync_active(); !synced.ok()) {
    return {Code::kLatched, "the full segment could not be synced", synced.cause};
  }
  full_one.sealed = true;
  std::shared_ptr<File> file;
  const SegmentHeader header = segments_.activate_spare(file, written_lsn(), active_.chain());
  active_.begin(std::move(file), header);
  return {};
}

Status LogWriter::prepare_spare() {
  if (latched()) {
    return {Code::kLatched, "an earlier error stopped the log"};
  }
  return segments_.prepare_spare(0);
}

Status LogWriter::recycle(uint64_t applied_lsn) {
  if (latched()) {
    return {Code::kLatched, "an earlier error stopped the log"};
  }
  if (segments_.waits_for_headers(applied_lsn)) {
    CAIRN_TRY(sync(written_lsn()));
  }
  return segments_.recycle(applied_lsn);
}

// ---------------------------------------------------------------------------------------------------------------- sync

Status LogWriter::sync(uint64_t lsn) {
  return sync_.wait(lsn, [this] { return lead_group(); });
}

Status LogWriter::sync_active() { return sync_.sync(*active_.file(), written_lsn()); }

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
    if (Status s = active_.pad_to_border(); s.code == Code::kNoSpace) {
      active_.skip_to_border();
    } else if (!s.ok()) {
      return {Code::kIndeterminate, "the padding could not be written", s.cause};
    }
    file = active_.file();
  }
  return sync_.sync_unless_durable(target_lsn, *file, target_lsn);
}

Status LogWriter::note_idle() {
  std::shared_ptr<File> file;
  uint64_t durable = 0;
  {
    const MutexLock lock(append_mutex_);
    CAIRN_TRY(refuse_if_ended());
    durable = durable_lsn();
    const SegmentHeader& header = active_.header();
    // Not idle; or the marker or the header says it already.
    if (durable < written_lsn() || active_.ends_in_close() || durable < header.first_lsn ||
        durable <= header.watermark) {
      return {};
    }
    CAIRN_TRY(active_.note_watermark(durable));
    file = active_.file();
  }
  // Appends may continue meanwhile, and `file` may get full and be recycled. That happens only after something newer is
  // durable.
  return sync_.sync_unless_durable(durable + 1, *file, durable);
}

Status LogWriter::close_clean() {
  const MutexLock lock(append_mutex_);
  if (closed_) {
    return {};
  }
  CAIRN_TRY(refuse_if_ended());
  if (!active_.ends_in_close()) {
    // The marker says that all before it is durable, so it may not reach the disk before them.
    if (const uint64_t last = written_lsn(); durable_lsn() < last) {
      CAIRN_TRY(active_.pad_to_border());
      CAIRN_TRY(sync_.sync_unless_durable(last, *active_.file(), last));
    }
    CAIRN_TRY(active_.write_close());
    CAIRN_TRY(sync_active());
    active_.set_ends_in_close();
  }
  closed_ = true;
  return {};
}

Writer::Counters LogWriter::counters() const {
  Counters c;
  c.appends = appends_.load(std::memory_order_relaxed);
  c.records = records_.load(std::memory_order_relaxed);
  c.bytes = bytes_.load(std::memory_order_relaxed);
  c.syncs = sync_.syncs();
  c.rotations = segments_.rotations();
  c.recycled = segments_.recycled();
  c.segments = segments_.count();
  return c;
}

}  // namespace cairn::wal
