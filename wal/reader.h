// Reads the log: finds its valid prefix, tells a torn tail from corruption, and starts a writer after a crash.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "wal/files.h"
#include "wal/format.h"
#include "wal/function_ref.h"
#include "wal/writer.h"

namespace cairn::wal {

/// A record that a reader gives to its visitor; `payload` lives until the visitor returns.
struct RecordView {
  uint64_t lsn = 0;
  uint8_t type = 0;
  uint8_t flags = 0;
  std::string_view payload;
  std::string_view segment;  // file name, for reports
  uint64_t offset = 0;
};

struct Damage {
  std::string segment;  // file name
  uint64_t offset = 0;
  uint64_t lsn_first = 0;  // first LSN that is lost
  uint64_t lsn_last = 0;   // highest LSN that was promised
  std::string what;
  bool open_end = false;  // more may be lost after lsn_last: it cannot be known
};

/// "0000000000000001.wal at offset 8192, LSN 3 to 7: a durable record is damaged"
std::string describe(const Damage& damage);

/// A segment file as scan() found it.
struct SegmentSummary {
  enum class State : uint8_t { kSpare, kActive, kDamaged };
  std::string name;
  uint64_t seq = 0;
  State state = State::kDamaged;
  uint32_t segment_bytes = 0;
  uint64_t first_lsn = 0;
  uint64_t last_lsn = 0;  // first_lsn - 1: it holds no valid record
  uint64_t file_bytes = 0;
};

struct ScanReport {
  uint64_t first_lsn = 1;        // of the oldest segment
  uint64_t last_lsn = 0;         // of the valid prefix
  uint64_t watermark = 0;        // highest LSN known durable from the files
  bool clean = false;            // ends in a clean-close marker
  bool torn_tail = false;        // an unacknowledged end was cut
  uint64_t dropped_records = 0;  // valid records after the cut
  std::vector<Damage> damage;    // not empty: CORRUPT
  uint64_t segments = 0;
  uint64_t bytes = 0;
  uint64_t short_spares = 0;  // not damage: the next writer makes them again

  // The state from which begin_writer() continues. Pages of an unclean log are not read twice: after a failed sync the
  // page cache may hold data that the disk lacks, and may forget it at any time.
  std::vector<SegmentSummary> files;  // by number
  uint64_t end_offset = 0;            // after the last valid record of the newest segment
  std::string close;                  // clean: the bytes up to end_offset, from the marker on
  uint32_t end_chain = 0;
  uint32_t watermark_chain = 0;  // chain value at `watermark`
  std::string tail;              // the records watermark + 1 .. last_lsn with their headers, one after the other
};

/// Visits the valid records with lsn >= from in order. The visitor stops the scan by a status that is not ok, which is
/// returned. `known_durable` is a durable LSN known from elsewhere (LMDB's applied_lsn): it counts as a watermark.
/// `from` = 0 reads the log from wherever it begins; else a log that begins after `from` and `known_durable` has lost
/// something. Memory: one segment. Damage is reported, not returned: records before it are visited. kVersion for a
/// newer format; nothing was visited. kNotAStore: another store's segment, named in `damage`; nothing was visited. The
/// log of a live writer may be read: its torn tail is just the end so far.
Status scan(Files& files, const StoreId& store, uint64_t from, uint64_t known_durable,
            const FunctionRef<Status(const RecordView&)>& visit, ScanReport& report);

/// Decides whether a store's log is damaged: verify, open, repair and readers all use it. A store has an active
/// segment, and its log continues where the tables end. `applied_lsn` is the tables'; nullopt: they cannot be read, and
/// it is not known where the log must begin. kAfterTables skips what the tables hold, as an open does: segments that
/// are wholly at or below `applied_lsn` are not read. kWhole reads and visits them too: it finds all that kAfterTables
/// finds, and more.
enum class Extent : uint8_t { kAfterTables, kWhole };
Status judge(Files& files, const StoreId& store, std::optional<uint64_t> applied_lsn, Extent extent,
             const FunctionRef<Status(const RecordView&)>& visit, ScanReport& report);

/// Whether wal/ holds only what an interrupted creation of a store may leave: spares, and a first segment without a
/// record. In doubt it returns false, because an unborn log is removed. Files that are not the log's are ignored.
Result<bool> is_unborn(Files& files);
/// Whether the log gives this name to a file of its own.
bool is_log_name(std::string_view name);

/// Visits every valid record of the log, after damage too, in the order of the files; `in_order` is false from the
/// first damage or cut on, where LSNs may be missing. For read-only salvage; damage is not an error.
Status salvage(Files& files, const StoreId& store, const FunctionRef<Status(const RecordView&, bool in_order)>& visit);

/// Visits records that this process has written, from `from` to `to` inclusive; used by the checkpoint. kCorrupt if one
/// cannot be read back.
Status read_range(Files& files, const StoreId& store, uint64_t from, uint64_t to,
                  const FunctionRef<Status(const RecordView&)>& visit);

/// Opens the log for writing after scan() found no damage. After a clean close it continues in place; else it begins a
/// new segment: `recovery` holds the staged diffs, as records to append after the copied tail; when begin_writer
/// returns OK all of it is durable.
struct RecoveryRecord {
  uint8_t type = 0;
  std::string payload;
};
/// `applied_lsn` is LMDB's; it counts as a watermark and as the start when no segment exists.
Result<std::unique_ptr<Writer>> begin_writer(Files& files, const Options& options, const ScanReport& report,
                                             uint64_t applied_lsn, const std::vector<RecoveryRecord>& recovery);

}  // namespace cairn::wal
