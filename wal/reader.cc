// Invariants of a scan:
//   - a segment ends at the last LSN that the next valid header names; bytes after that are never read;
//   - `lsn_next_` is the LSN that must come next, `chain_` the chain value it must have;
//   - once `stopped_`, nothing is visited any more, but the rest is still examined, for further damage and watermarks.
#include "wal/reader.h"

#include <algorithm>
#include <utility>

#include "wal/segment_image.h"

namespace cairn::wal {
namespace {

using Kind = SegmentEntry::Kind;

// Bounds the hashing of forged records after a cut; about 0.3 s.
constexpr uint64_t kSearchBudgetBytes = uint64_t{4} << 30;
constexpr uint64_t kNoEnd = UINT64_MAX;

RecordView view_of(const ImageRecord& record, const std::string& segment) {
  RecordView view;
  view.lsn = record.header.lsn;
  view.type = record.header.type;
  view.flags = record.header.flags;
  view.payload = record.payload;
  view.segment = segment;
  view.offset = record.offset;
  return view;
}

// The last LSN of entry `i`, which the next active segment names.
uint64_t named_end(const std::vector<SegmentEntry>& entries, size_t i) {
  for (size_t k = i + 1; k < entries.size(); ++k) {
    if (entries[k].kind == Kind::kActive) {
      return entries[k].header.prev_last_lsn;
    }
  }
  return kNoEnd;
}

struct Bounds {
  uint64_t visit_from = 0;
  uint64_t known_durable = 0;
  bool begins_anywhere = false;  // it is not known how far back the log must reach
  bool whole = false;            // records below both of the above are read, too
  bool of_store = false;         // there is an active segment
};

class LogScan {
 public:
  LogScan(Files& files, const StoreId& store, const Bounds& bounds, const FunctionRef<Status(const RecordView&)>& visit,
          ScanReport& report)
      : files_(files),
        store_(store),
        bounds_(bounds),
        from_(bounds.visit_from),
        known_durable_(bounds.known_durable),
        visit_(visit),
        report_(report) {}

  Status run();

 private:
  Status refuse_foreign_and_newer();
  Status find_missing_files();
  /// A live writer may have made the file after the directory was read.
  Result<bool> has_come_since(uint64_t seq);
  void enter(const SegmentEntry& entry);
  Status walk(const SegmentEntry& entry, uint64_t end);
  Status judge_end(const SegmentEntry& entry, ChainWalk& walk, File& file);
  Status judge_headerless_end(const SegmentEntry& entry);
  void keep_tail(const SegmentEntry& entry);
  void add_damage(const SegmentEntry& entry, uint64_t offset, uint64_t lsn_first, uint64_t lsn_last, const char* what);
  /// Reports damage from the walk's position to an unknown end.
  void add_open_damage(const SegmentEntry& entry, uint64_t offset, const char* what);
  void summarise();
  void attest(uint64_t durable_lsn) { watermark_ = std::max(watermark_, durable_lsn); }
  Status visit(const ImageRecord& record, const SegmentEntry& entry);
  /// Continues `walk`. Sets `stepped` to how it ended.
  Status advance(const SegmentEntry& entry, ChainWalk& walk, uint64_t end, ChainWalk::Step& stepped);

  Files& files_;
  const StoreId& store_;
  const Bounds bounds_;
  const uint64_t from_;
  const uint64_t known_durable_;
  const FunctionRef<Status(const RecordView&)>& visit_;
  ScanReport& report_;

  std::vector<SegmentEntry> entries_;
  SegmentImage image_;
  uint64_t lsn_next_ = 1;
  uint32_t chain_ = 0;
  bool started_ = false;
  bool resync_ = true;  // lsn_next_ and chain_ are taken from the next header, unchecked
  bool stopped_ = false;
  uint64_t last_visited_ = 0;
  uint64_t watermark_ = 0;
  ChainWalk::Step newest_step_ = ChainWalk::Step::kBad;
};

Status LogScan::run() {
  report_ = ScanReport();
  watermark_ = known_durable_;
  Result<std::vector<SegmentEntry>> listed = list_segments(files_, store_);
  if (!listed.ok()) {
    return listed.status();
  }
  entries_ = std::move(*listed);
  CAIRN_TRY(refuse_foreign_and_newer());

  // Segments after this one that have no valid header were being activated.
  ptrdiff_t last_with_header = -1;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].kind == Kind::kActive || entries_[i].kind == Kind::kMisnamed) {
      last_with_header = static_cast<ptrdiff_t>(i);
    }
    if (entries_[i].kind == Kind::kActive) {
      attest(entries_[i].header.prev_last_lsn);
      attest(entries_[i].header.watermark);
    }
  }
  lsn_next_ = known_durable_ + 1;
  last_visited_ = known_durable_;
  report_.first_lsn = lsn_next_;

  for (size_t i = 0; i < entries_.size(); ++i) {
    const SegmentEntry& entry = entries_[i];
    if (entry.kind == Kind::kSpare) {
      continue;
    }
    ++report_.segments;
    const uint64_t end = named_end(entries_, i);
    if (entry.kind == Kind::kBad && static_cast<ptrdiff_t>(i) > last_with_header) {
      CAIRN_TRY(judge_headerless_end(entry));
    } else if (entry.kind == Kind::kBad && started_ && !resync_ && lsn_next_ > end) {
      // Its activation was not synced when the machine died, and recovery continued in the next one. The end that the
      // next one names is all there: nothing is missing.
    } else if (entry.kind == Kind::kBad || entry.kind == Kind::kMisnamed) {
      add_damage(entry, 0, lsn_next_, std::max(lsn_next_, end == kNoEnd ? watermark_ : end),
                 entry.kind == Kind::kBad ? "both segment headers are damaged"
                                          : "a segment whose file has the name of another segment");
      resync_ = true;
    } else {
      report_.bytes += entry.header.segment_bytes;
      enter(entry);
      if (!bounds_.whole && end < from_ && end <= known_durable_) {
        // All of it is in the tables: not read at all.
        lsn_next_ = end + 1;
        resync_ = true;
        last_visited_ = stopped_ ? last_visited_ : end;
      } else {
        CAIRN_TRY(walk(entry, end));
      }
    }
  }
  CAIRN_TRY(find_missing_files());
  report_.last_lsn = last_visited_;
  report_.watermark = watermark_;
  if (!report_.damage.empty()) {
    report_.clean = false;
    report_.torn_tail = false;
  }
  summarise();
  return {};
}

Status LogScan::refuse_foreign_and_newer() {
  for (const SegmentEntry& entry : entries_) {
    if (entry.kind == Kind::kNewer) {
      return {Code::kVersion, "the log was written by a newer version"};
    }
  }
  for (const SegmentEntry& entry : entries_) {
    if (entry.kind == Kind::kForeign) {
      add_damage(entry, 0, 0, 0, "a segment of another store");
    }
  }
  return report_.damage.empty() ? Status() : Status(Code::kNotAStore, "a log segment of another store");
}

// Checks that there is a valid header, and the files that must come after the newest one (FORMAT.md, "Which files there
// are").
Status LogScan::find_missing_files() {
  const SegmentEntry* newest = nullptr;
  const SegmentEntry* before = nullptr;
  for (const SegmentEntry& entry : entries_) {
    if (entry.kind == Kind::kActive || entry.kind == Kind::kMisnamed) {
      newest = &entry;
    } else if (newest != nullptr && entry.seq > newest->seq && before->seq + 1 != entry.seq) {
      const Result<bool> came = has_come_since(before->seq + 1);
      CAIRN_TRY(came.status());
      if (!*came) {
        add_open_damage(entry, 0, "the segment before this one is missing");
      }
    } else if (entry.kind == Kind::kBad && newest != nullptr && before != newest && before->kind == Kind::kBad) {
      // The activation of a segment begins after the one before is synced.
      add_open_damage(*before, 0, "both segment headers are damaged");
    }
    before = &entry;
  }
  if (newest == nullptr) {
    SegmentEntry none;
    none.name = std::string(kLogDirectory) + "/";
    if (bounds_.of_store) {
      add_open_damage(none, 0, entries_.empty() ? "it holds no segment" : "it holds no segment that was written to");
    }
  } else if (newest == &entries_.back() && newest->kind == Kind::kActive && newest_step_ == ChainWalk::Step::kSealed) {
    // The next segment exists before a segment is sealed.
    const Result<bool> came = has_come_since(newest->seq + 1);
    CAIRN_TRY(came.status());
    if (!*came) {
      add_open_damage(*newest, 0, "the segment after this one is missing");
    }
  }
  return {};
}

Result<bool> LogScan::has_come_since(uint64_t seq) {
  const Result<std::vector<SegmentEntry>> listed = list_segments(files_, store_);
  if (!listed.ok()) {
    return listed.status();
  }
  return std::ranges::any_of(*listed, [seq](const SegmentEntry& entry) {
    return entry.seq == seq || (entry.seq > seq && entry.kind == Kind::kActive);  // in use, and recycled by now
  });
}

// Compares the header with the walk's position. The walk of the segment before ended at this header's prev_last_lsn, or
// it found out why not and asked for a resync.
void LogScan::enter(const SegmentEntry& entry) {
  const SegmentHeader& header = entry.header;
  if (!started_ && !stopped_) {
    report_.first_lsn = header.first_lsn;
    const uint64_t wanted = std::max(from_, known_durable_ + 1);
    if (!bounds_.begins_anywhere && header.first_lsn > wanted) {
      add_damage(entry, 0, wanted, header.prev_last_lsn, "segments before this one are missing");
    } else {
      last_visited_ = header.prev_last_lsn;
    }
  } else if (!resync_ && (header.first_lsn != lsn_next_ || header.prev_chain != chain_)) {
    add_damage(entry, 0, std::min(lsn_next_, header.first_lsn), std::max(header.first_lsn, watermark_),
               "the chain breaks between two segments");
  }
  started_ = true;
  resync_ = false;
  lsn_next_ = header.first_lsn;
  chain_ = header.prev_chain;
}

Status LogScan::visit(const ImageRecord& record, const SegmentEntry& entry) {
  if (stopped_) {
    return {};
  }
  last_visited_ = record.header.lsn;
  return record.header.lsn >= from_ ? visit_(view_of(record, entry.name)) : Status();
}

Status LogScan::advance(const SegmentEntry& entry, ChainWalk& walk, uint64_t end, ChainWalk::Step& stepped) {
  ImageRecord record;
  stepped = ChainWalk::Step::kRecord;
  while (walk.lsn_next() <= end) {
    stepped = walk.step(record);
    attest(walk.watermark());
    if (stepped == ChainWalk::Step::kUnknownType) {
      return {Code::kVersion, "the log holds a record type of a newer version"};
    }
    if (stepped != ChainWalk::Step::kRecord) {
      break;
    }
    CAIRN_TRY(visit(record, entry));
  }
  return {};
}

Status LogScan::walk(const SegmentEntry& entry, uint64_t end) {
  std::unique_ptr<File> file;
  Status s = load_segment(files_, entry, image_, file);
  if (s.code == Code::kNotFound) {  // recycled since the directory was read
    if (end == kNoEnd) {
      add_open_damage(entry, 0, "the segment is gone");
    } else if (end > known_durable_) {
      add_damage(entry, 0, lsn_next_, end, "the segment is gone");
    }
    resync_ = true;
    return {};
  }
  CAIRN_TRY(s);
  if (end != kNoEnd && end + 1 < entry.header.first_lsn) {
    add_damage(entry, 0, end + 1, entry.header.first_lsn, "segments out of order");
    resync_ = true;
    return {};
  }
  ChainWalk walk(image_, lsn_next_, chain_);
  ChainWalk::Step stepped = ChainWalk::Step::kBad;
  CAIRN_TRY(advance(entry, walk, end, stepped));
  lsn_next_ = walk.lsn_next();
  chain_ = walk.chain();
  if (end == kNoEnd && entry.file_bytes < entry.header.segment_bytes) {
    // Only a later header would tell how far it went; a torn tail and a truncated file look the same.
    add_open_damage(entry, entry.file_bytes, "the file is cut short");
    return {};
  }
  if (end == kNoEnd) {
    newest_step_ = stepped;
    CAIRN_TRY(judge_end(entry, walk, *file));
    // A segment loses its name before it is used again: what was read is of one use if the name is still there.
    if (files_.open(log_path(entry.name), OpenMode::kRead).code() == Code::kNotFound) {
      add_open_damage(entry, walk.offset(), "the segment was recycled while it was read");
    }
    return {};
  }
  if (walk.lsn_next() > end) {
    return {};
  }
  resync_ = true;
  const SegmentEntry* next = nullptr;
  for (const SegmentEntry& other : entries_) {
    if (other.seq == entry.seq + 1) {
      next = &other;
    }
  }
  if (next == nullptr && end <= known_durable_) {
    // The rest was in a segment that was removed, and is in the tables.
    last_visited_ = stopped_ ? last_visited_ : end;
  } else if (next == nullptr) {
    add_damage(entry, walk.offset(), walk.lsn_next(), end, "the segments after this one are missing");
  } else if (next->kind == Kind::kActive || next->kind == Kind::kSpare) {
    add_damage(entry, walk.offset(), walk.lsn_next(), end, "a durable record is damaged");
  }  // else the header of the next segment is damaged, which is reported there
  return {};
}

// Decides for the newest segment: a torn tail, or the loss of durable records?
Status LogScan::judge_end(const SegmentEntry& entry, ChainWalk& walk, File& file) {
  for (int attempt = 0;; ++attempt) {
    uint64_t dropped = 0;
    bool torn = false;
    if (newest_step_ == ChainWalk::Step::kBad) {
      uint64_t budget_bytes = kSearchBudgetBytes;
      for (const uint64_t border_bytes : {kRecordAlignment, kBorderBytesMin, kBorderBytesMax}) {
        torn = torn || image_.is_plausible(round_up(walk.offset(), border_bytes), walk.lsn_next());
      }
      uint64_t offset = walk.offset();
      while (const auto record = image_.find_from(offset, walk.lsn_next(), budget_bytes)) {
        dropped += record->header.type >= kFirstUserType ? 1 : 0;
        torn = true;
        attest(record->watermark());
        offset = record->next_offset;
      }
    }
    lsn_next_ = walk.lsn_next();
    chain_ = walk.chain();
    if (lsn_next_ > watermark_) {
      report_.torn_tail = torn;
      report_.dropped_records = dropped;
      report_.clean = walk.at_close() && newest_step_ == ChainWalk::Step::kBad && !torn && !stopped_;
      report_.end_offset = walk.offset();
      report_.close = report_.clean ? image_.view(walk.close_offset(), walk.offset()) : std::string_view();
      report_.end_chain = walk.chain();
      keep_tail(entry);
      return {};
    }
    // A live writer may have completed the record after its page was read, and synced it before a later page was.
    const uint64_t before = walk.lsn_next();
    if (attempt < 3 && newest_step_ == ChainWalk::Step::kBad) {
      CAIRN_TRY(image_.reload(file, walk.offset()));
      CAIRN_TRY(advance(entry, walk, kNoEnd, newest_step_));
      if (walk.lsn_next() != before) {
        attempt = 0;
      }
      continue;
    }
    lsn_next_ = walk.lsn_next();
    chain_ = walk.chain();
    add_damage(entry, walk.offset(), walk.lsn_next(), watermark_, "a durable record is damaged");
    return {};
  }
}

// The last segment has no valid header: its activation was not synced, unless it holds durable records.
Status LogScan::judge_headerless_end(const SegmentEntry& entry) {
  if (!is_segment_length(entry.file_bytes)) {
    add_open_damage(entry, 0, "the file is cut short, and its headers are gone");
    return {};
  }
  Result<std::unique_ptr<File>> file = files_.open(log_path(entry.name), OpenMode::kRead);
  if (!file.ok()) {
    return file.code() == Code::kNotFound ? Status() : file.status();
  }
  SegmentHeader header;
  header.segment_bytes = static_cast<uint32_t>(entry.file_bytes);
  SegmentImage image;  // image_ holds the segment before, whose tail is still needed
  CAIRN_TRY(image.load(**file, header));
  if (!stopped_ && (lsn_next_ <= watermark_ || image.hints_at_durable(lsn_next_))) {
    add_open_damage(entry, 0, "both segment headers are damaged");
    return {};
  }
  report_.clean = false;
  report_.torn_tail = true;
  return {};
}

void LogScan::keep_tail(const SegmentEntry& entry) {
  ChainWalk again(image_, entry.header.first_lsn, entry.header.prev_chain);
  ImageRecord record;
  report_.watermark_chain = again.chain();
  while (again.step(record) == ChainWalk::Step::kRecord) {
    if (record.header.lsn <= watermark_) {
      report_.watermark_chain = again.chain();
    } else {
      report_.tail += image_.view(record.offset, record.next_offset);
    }
  }
}

void LogScan::add_damage(const SegmentEntry& entry, uint64_t offset, uint64_t lsn_first, uint64_t lsn_last,
                         const char* what) {
  Damage damage;
  damage.segment = entry.name;
  damage.offset = offset;
  damage.lsn_first = lsn_first;
  damage.lsn_last = lsn_last;
  damage.what = what;
  report_.damage.push_back(std::move(damage));
  stopped_ = true;
}

void LogScan::add_open_damage(const SegmentEntry& entry, uint64_t offset, const char* what) {
  add_damage(entry, offset, lsn_next_, std::max(lsn_next_, watermark_), what);
  report_.damage.back().open_end = true;
}

void LogScan::summarise() {
  for (size_t i = 0; i < entries_.size(); ++i) {
    const SegmentEntry& entry = entries_[i];
    SegmentSummary summary;
    summary.name = entry.name;
    summary.seq = entry.seq;
    summary.segment_bytes = entry.header.segment_bytes;
    summary.file_bytes = entry.file_bytes;
    if (entry.kind == Kind::kSpare) {
      report_.short_spares += entry.file_bytes < entry.header.segment_bytes ? 1 : 0;
      summary.state = SegmentSummary::State::kSpare;
    } else if (entry.kind == Kind::kActive) {
      summary.state = SegmentSummary::State::kActive;
      summary.first_lsn = entry.header.first_lsn;
      const uint64_t end = named_end(entries_, i);
      summary.last_lsn = end == kNoEnd ? lsn_next_ - 1 : end;
    }
    report_.files.push_back(std::move(summary));
  }
}

}  // namespace

Status scan(Files& files, const StoreId& store, uint64_t from, uint64_t known_durable,
            const FunctionRef<Status(const RecordView&)>& visit, ScanReport& report) {
  Bounds bounds;
  bounds.visit_from = from;
  bounds.known_durable = known_durable;
  bounds.begins_anywhere = from == 0;
  return LogScan(files, store, bounds, visit, report).run();
}

Status judge(Files& files, const StoreId& store, std::optional<uint64_t> applied_lsn, Extent extent,
             const FunctionRef<Status(const RecordView&)>& visit, ScanReport& report) {
  Bounds bounds;
  bounds.known_durable = applied_lsn.value_or(0);
  bounds.begins_anywhere = !applied_lsn;
  bounds.whole = extent == Extent::kWhole;
  bounds.visit_from = bounds.whole ? 0 : bounds.known_durable + 1;
  bounds.of_store = true;
  return LogScan(files, store, bounds, visit, report).run();
}

std::string describe(const Damage& d) {
  const bool of_place = d.segment.ends_with(".wal");
  const std::string first = ", LSN " + std::to_string(d.lsn_first);
  return d.segment + (of_place ? " at offset " + std::to_string(d.offset) : "") + first +
         (d.open_end ? " and what followed" : " to " + std::to_string(d.lsn_last)) + ": " + d.what;
}

Status read_range(Files& files, const StoreId& store, uint64_t from, uint64_t to,
                  const FunctionRef<Status(const RecordView&)>& visit) {
  if (from > to) {
    return {};
  }
  Result<std::vector<SegmentEntry>> entries = list_segments(files, store);
  if (!entries.ok()) {
    return entries.status();
  }
  size_t start = entries->size();
  for (size_t i = 0; i < entries->size(); ++i) {
    if ((*entries)[i].kind == Kind::kActive && (*entries)[i].header.first_lsn <= from) {
      start = i;
    }
  }
  SegmentImage image;
  uint64_t lsn_wanted = from;
  for (size_t i = start; i < entries->size() && lsn_wanted <= to; ++i) {
    const SegmentEntry& entry = (*entries)[i];
    if (entry.kind != Kind::kActive || entry.header.first_lsn > lsn_wanted) {
      break;
    }
    std::unique_ptr<File> file;
    CAIRN_TRY(load_segment(files, entry, image, file));
    const uint64_t end = std::min(to, named_end(*entries, i));
    ChainWalk walk(image, entry.header.first_lsn, entry.header.prev_chain);
    ImageRecord record;
    while (walk.lsn_next() <= end && walk.step(record) == ChainWalk::Step::kRecord) {
      if (record.header.lsn >= from) {
        CAIRN_TRY(visit(view_of(record, entry.name)));
        lsn_wanted = record.header.lsn + 1;
      }
    }
  }
  return lsn_wanted > to ? Status() : Status(Code::kCorrupt, "a log record cannot be read back");
}

Status salvage(Files& files, const StoreId& store, const FunctionRef<Status(const RecordView&, bool in_order)>& visit) {
  Result<std::vector<SegmentEntry>> entries = list_segments(files, store);
  if (!entries.ok()) {
    return entries.status();
  }
  SegmentImage image;
  bool in_order = true;
  bool started = false;
  uint64_t lsn_next = 0;
  uint32_t chain = 0;
  for (size_t i = 0; i < entries->size(); ++i) {
    const SegmentEntry& entry = (*entries)[i];
    if (entry.kind != Kind::kActive) {
      in_order = in_order && entry.kind == Kind::kSpare;
      continue;
    }
    const SegmentHeader& header = entry.header;
    in_order = in_order && (!started || (header.first_lsn == lsn_next && header.prev_chain == chain));
    started = true;
    std::unique_ptr<File> file;
    CAIRN_TRY(load_segment(files, entry, image, file));
    const uint64_t end = named_end(*entries, i);
    ChainWalk walk(image, header.first_lsn, header.prev_chain);
    ImageRecord record;
    while (walk.lsn_next() <= end && walk.step(record) == ChainWalk::Step::kRecord) {
      CAIRN_TRY(visit(view_of(record, entry.name), in_order));
    }
    lsn_next = walk.lsn_next();
    chain = walk.chain();
    uint64_t budget_bytes = kSearchBudgetBytes;
    uint64_t offset = walk.offset();
    while (lsn_next <= end) {
      const auto found = image.find_from(offset, lsn_next, budget_bytes);
      if (!found) {
        break;
      }
      in_order = false;
      if (found->header.type >= kFirstUserType && found->header.lsn <= end) {
        CAIRN_TRY(visit(view_of(*found, entry.name), false));
      }
      offset = found->next_offset;
    }
    in_order = in_order && (end == kNoEnd || lsn_next > end);
  }
  return {};
}

}  // namespace cairn::wal
