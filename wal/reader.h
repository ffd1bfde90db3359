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

/// A record as the reader hands it out; `payload` lives until the callback returns.
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
  bool open_end = false;  // more may be lost behind lsn_last: nothing tells
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
  uint64_t last_lsn = 0;  // first_lsn - 1: it holds nothing that counts
  uint64_t file_bytes = 0;
};

struct ScanReport {
  uint64_t first_lsn = 1;        // of the oldest segment
  uint64_t last_lsn = 0;         // of the valid prefix
  uint64_t watermark = 0;        // highest LSN known durable from the files
  bool clean = false;            // ends in a clean-close marker
  bool torn_tail = false;        // an unacknowledged end was cut
  uint64_t dropped_records = 0;  // valid records behind the cut
  std::vector<Damage> damage;    // not empty: CORRUPT
  uint64_t segments = 0;
  uint64_t bytes = 0;
  uint64_t short_spares = 0;  // no damage: the next writer makes them anew

  // What begin_writer() goes on from. Pages of an unclean log are not read twice: after a failed sync the page cache
  // may hold what the disk does not, and may forget it at any time.
  std::vector<SegmentSummary> files;  // by number
  uint64_t end_offset = 0;            // behind the last valid record of the newest segment
  std::string close;                  // clean: the bytes up to end_offset, from the marker on
  uint32_t end_chain = 0;
  uint32_t watermark_chain = 0;  // chain value at `watermark`
  std::string tail;              // the records watermark + 1 .. last_lsn with their headers, one behind the other
};

/// Visits the valid records with lsn >= from in order. The visitor stops the scan by a status that is not ok, which is
/// returned. `known_durable` is a durable LSN known from elsewhere (LMDB's applied_lsn): it counts as a watermark.
/// `from` = 0 takes the log from wherever it begins; else a log that begins behind `from` and `known_durable` has lost
/// something. Memory: one segment. Damage is reported, not returned: records before it are visited. kVersion for a
/// newer format; nothing was visited. kNotAStore: another store's segment, named in `damage`; nothing was visited. The
/// log of a live writer may be read: its torn tail is simply the end so far.
Status scan(Files& files, const StoreId& store, uint64_t from, uint64_t known_durable,
            const FunctionRef<Status(const RecordView&)>& visit, ScanReport& report);

/// The judgement of a store's log: verify, open, repair and readers all go by it. A store has an active segment, and
/// its log goes on where the tables end. `applied_lsn` is theirs; nothing: they cannot be read, and where the log must
/// begin is not known. kBehindTables passes over what the tables hold, as an open does: segments wholly at or below
/// `applied_lsn` are not read. kWhole reads and visits them too: it finds what kBehindTables finds, and more.
enum class Extent : uint8_t { kBehindTables, kWhole };
Status judge(Files& files, const StoreId& store, std::optional<uint64_t> applied_lsn, Extent extent,
             const FunctionRef<Status(const RecordView&)>& visit, ScanReport& report);

/// Whether wal/ holds nothing but what a store's creation may leave when it is cut: spares, and a first segment without
/// a record. In doubt it does not: a log that is unborn is removed. Names that are none of the log's do not count.
Result<bool> is_unborn(Files& files);
/// Whether the log gives this name to a file of its own.
bool is_log_name(std::string_view name);

/// Visits every valid record of the log, behind damage too, in the order of the files; `in_order` is false from the
/// first damage or cut on, where LSNs may be missing. For read-only salvage; nothing is judged.
Status salvage(Files& files, const StoreId& store, const FunctionRef<Status(const RecordView&, bool in_order)>& visit);

/// Records of the WAL of this same process from `from` up to `to` inclusive, both written; used by the checkpoint.
/// kCorrupt if one cannot be read back.
Status read_range(Files& files, const StoreId& store, uint64_t from, uint64_t to,
                  const FunctionRef<Status(const RecordView&)>& visit);

/// Opens the log for writing after scan() found it free of damage. After a clean close it goes on in place; else a new
/// segment is begun: `recovery` holds what staging gave, as records to append behind the copied tail; when begin_writer
/// returns OK all of it is durable.
struct RecoveryRecord {
  uint8_t type = 0;
  std::string payload;
};
/// `applied_lsn` is LMDB's; it counts as a watermark and as the start when no segment exists.
Result<std::unique_ptr<Writer>> begin_writer(Files& files, const Options& options, const ScanReport& report,
                                             uint64_t applied_lsn, const std::vector<RecoveryRecord>& recovery);

}  // namespace cairn::wal
