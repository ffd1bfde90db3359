// What the engine writes into the log: the payload of each record type. The layouts stand in ARCHITECTURE.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/diff.h"
#include "engine/run_record.h"
#include "wal/format.h"
#include "wal/writer.h"

namespace cairn::engine {

/// Stored; never renumbered.
enum class LogType : uint8_t {
  kDiff = wal::kFirstUserType,  // a sealed diff of one run
  kStart,                       // a run begins: its record; the creation LSN is the record's own
  kChange,                      // status, session or tags of a run: takes one sequence number
  kErase,
  kTransaction,  // diffs of several runs, all or none
  kReceived,     // what a batch from elsewhere did to the runs here, with its stream's cursor: all or none
  kRebase,       // a run takes the document that its upstream has, with what waits here on top: takes sequence numbers
  kForget,       // as kErase, but nothing of it is for the upstream, which has the run and keeps it
};

/// Of the run `id` made at `created_lsn`.
struct RunDiff {
  std::string id;
  uint64_t created_lsn = 0;
  Diff diff;
};

struct RunChange {
  std::string id;
  uint64_t created_lsn = 0;
  uint64_t sequence = 0;  // the one it takes
  int64_t updated_us = 0;
  std::optional<RunStatus> status;
  std::optional<uint64_t> session;
  std::optional<std::vector<std::string>> tags;
  std::string error = {};  // only with a status
};

/// Framing of a run's diff: [u8 id bytes][id][u64 creation LSN]; the diff of diff.h follows.
void append_diff_prefix(std::string& out, std::string_view id, uint64_t created_lsn);
void append_run_diff(std::string& out, const RunDiff& d);
Result<RunDiff> decode_run_diff(std::string_view payload);

struct RunDiffHead {
  std::string_view id;
  uint64_t created_lsn = 0;
  DiffHead diff;
};
/// The diff's entries are not looked at.
Result<RunDiffHead> decode_run_diff_head(std::string_view payload);

/// Several run diffs, each behind its u32 length.
void append_transaction(std::string& out, const std::vector<std::string>& run_diffs);
Result<std::vector<RunDiff>> decode_transaction(std::string_view payload);
/// The bytes of each run diff in it.
Result<std::vector<std::string_view>> split_transaction(std::string_view payload);

/// Whose a kDiff, kChange, kErase or kRebase is.
Status read_run_id(std::string_view payload, std::string& id);

/// One part of kReceived: what kStart, kDiff, kChange or kErase holds. The run gets `origin`, if given.
struct ReceivedPart {
  LogType type = LogType::kDiff;
  std::optional<Origin> origin;
  bool others_write = false;  // from now on
  uint8_t hops = 0;           // of a diff that waits for the owner: stores that passed it on, at most kHopsMax
  std::string payload;
};
struct Received {
  struct Cursor {
    std::string key;  // in the table `cursors`
    std::string payload;
  };
  std::vector<Cursor> cursors;  // none: something of this store did it
  std::vector<ReceivedPart> parts;
};
void append_received_head(std::string& out, const std::vector<Received::Cursor>& cursors);
void append_received_part(std::string& out, const ReceivedPart& part);
/// `check_parts`: kCorrupt also where a part is not what its type promises.
Result<Received> decode_received(std::string_view payload, bool check_parts = true);

/// Whether the record is about one of the runs, or cannot be told to be of others; what does not decode is not.
bool concerns(LogType type, std::string_view payload, const std::set<std::string, std::less<>>& ids);

struct RunRebase {
  std::string id;
  uint64_t created_lsn = 0;
  uint64_t base = 0;
  uint64_t last = 0;
  uint64_t upstream = 0;          // of the owner's states the one that this is: what waits goes on from there
  bool ships_forms = false;       // others write it there
  std::optional<RunChange> head;  // status, tags and error, likewise the upstream's
  int64_t updated_us = 0;
  Document document;
};
void append_rebase(std::string& out, const RunRebase& rebase);
Result<RunRebase> decode_rebase(std::string_view payload);

/// Whether the payload is what its type promises. kCorrupt: it does not decode, although the log's checksum is right.
/// kVersion: a newer version wrote it, also for an unknown type.
Status check_log_record(uint8_t type, std::string_view payload);

/// Adds a record to what is written next. All that the engine writes goes through here: debug builds assert that
/// check_log_record takes it, for what the log's own reader refuses would keep the store from being opened.
void add_record(wal::Writer::Append& append, LogType type, std::string_view payload);

void append_change(std::string& out, const RunChange& change);
Result<RunChange> decode_change(std::string_view payload);
/// Status with end and error, session, tags: those that the change has.
void take_change(RunRecord& record, const RunChange& change);

}  // namespace cairn::engine
