#include "wal/log_segments.h"

#include <utility>

namespace cairn::wal {

LogSegments::LogSegments(Files& files, const Options& options, Start&& start, const SegmentHeader& active,
                         bool headers_written, const LogSync& sync)
    : options_(options),
      files_(files, options),
      sync_(sync),
      spare_(std::move(start.spare)),
      full_(std::move(start.full)),
      active_seq_(active.seq),
      active_first_lsn_(active.first_lsn),
      active_bytes_(active.segment_bytes),
      headers_durable_seq_(headers_written ? active.seq : 0) {
  count_disk_bytes();
}

// The last border of a segment is kept for the SEAL, which must not share a sector with a synced group.
uint64_t LogSegments::group_bytes_max(uint32_t segment_bytes) const {
  return segment_bytes - kRecordsOffset - options_.border_bytes;
}

// A small spare that cannot hold `need_bytes` is replaced, under the same name. If that fails after the rename, the small
// one has no name any more, and must not be used.
Status LogSegments::make_spare(size_t need_bytes) {
  if (spare_ && need_bytes <= group_bytes_max(spare_->segment_bytes)) {
    return {};
  }
  std::optional<SpareSegment> small_one = std::exchange(spare_, std::nullopt);
  Result<SpareSegment> made = files_.make_spare_or_small(active_seq_ + 1, options_.segment_bytes,
                                                         kRecordsOffset + need_bytes + options_.border_bytes);
  if (made.code() == Code::kNoSpace) {
    spare_ = std::move(small_one);  // the new one was never complete
  }
  if (!made.ok()) {
    return made.status();
  }
  spare_ = std::move(*made);
  count_disk_bytes();
  return {};
}

Status LogSegments::prepare_spare(size_t need_bytes) {
  const MutexLock lock(mutex_);
  return make_spare(need_bytes);
}

void LogSegments::add_full(FullSegment segment) { full_.push_back(std::move(segment)); }

void LogSegments::take_full_back() { full_.pop_back(); }

SegmentHeader LogSegments::activate_spare(std::shared_ptr<File>& file, uint64_t last_lsn, uint32_t chain) noexcept {
  SegmentHeader header;
  header.store = options_.store;
  header.seq = spare_->seq;
  header.salt = files_.fresh_salt();
  header.first_lsn = last_lsn + 1;
  header.prev_last_lsn = last_lsn;
  header.prev_chain = chain;
  header.segment_bytes = spare_->segment_bytes;
  header.state = SegmentState::kActive;
  file = std::move(spare_->file);
  spare_.reset();
  active_seq_ = header.seq;
  active_first_lsn_ = header.first_lsn;
  active_bytes_ = header.segment_bytes;
  rotations_.fetch_add(1, std::memory_order_relaxed);
  count_disk_bytes();
  return header;
}

void LogSegments::note_headers_durable() {
  const MutexLock lock(mutex_);
  headers_durable_seq_ = active_seq_;
}

// The headers are written with the segment's first records, and durable with them.
bool LogSegments::active_headers_are_durable() const {
  return headers_durable_seq_ == active_seq_ || sync_.durable_lsn() >= active_first_lsn_;
}

bool LogSegments::waits_for_headers(uint64_t applied_lsn) {
  const MutexLock lock(mutex_);
  return !full_.empty() && full_.back().last_lsn <= applied_lsn && !active_headers_are_durable();
}

Status LogSegments::recycle(uint64_t applied_lsn) {
  const MutexLock lock(mutex_);
  bool removed = false;
  Status s;
  const size_t kept = active_headers_are_durable() ? 0 : 1;  // else a power cut could leave no header at all
  while (s.ok() && full_.size() > kept && full_.front().last_lsn <= applied_lsn) {
    const FullSegment oldest = full_.front();
    if (!spare_ && oldest.segment_bytes == options_.segment_bytes) {
      Result<SpareSegment> spare = files_.convert_to_spare(oldest.name, active_seq_ + 1, oldest.segment_bytes);
      if (spare.ok()) {
        spare_ = std::move(*spare);
      } else if (spare.code() != Code::kNotFound) {
        s = spare.status();
      }
    } else {
      s = files_.remove(oldest.name);
      removed = true;
    }
    if (s.ok() || s.code == Code::kNotFound) {
      s = {};
      full_.pop_front();
      recycled_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  count_disk_bytes();
  if (s.ok() && removed) {
    s = files_.sync_directory();
  }
  return s;
}

void LogSegments::count_disk_bytes() {
  uint64_t bytes = uint64_t{active_bytes_} + (spare_ ? spare_->segment_bytes : 0);
  for (const FullSegment& segment : full_) {
    bytes += segment.segment_bytes;
  }
  disk_bytes_.store(bytes, std::memory_order_relaxed);
  count_.store(1 + full_.size(), std::memory_order_relaxed);
}

}  // namespace cairn::wal
