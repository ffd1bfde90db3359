// The payloads that the engine writes into the log, one for each record type. ARCHITECTURE.md has the layouts.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/diff/diff.h"
#include "engine/records/note.h"
#include "engine/records/run_record.h"
#include "engine/records/run_texts.h"
#include "wal/format.h"
#include "wal/writer.h"

namespace cairn::engine {

/// Stored; never renumbered.
enum class LogType : uint8_t {
  kDiff = wal::kFirstUserType,  // a sealed diff of one run
  kStart,                       // a run begins: its record; its creation LSN is the LSN of this log record
  kChange,                      // status, session or tags of a run: takes one sequence number
  kErase,
  kTransaction,  // diffs of several runs, all or none
  kReceived,     // the effects of a received batch on the runs here, with its stream's cursor: all or none
  kRebase,       // a run takes its upstream's document, with what waits here on top: takes sequence numbers
  kForget,       // as kErase, but the upstream, which has the run, keeps it
  kGroup,        // records of other types, all or none
  kTexts,        // large texts of a run; takes no sequence number, and stands in a group with a change of the run
  kNote,         // a note (records/note.h)
};

/// A diff of the run `id` that was created at `created_lsn`.
struct RunDiff {
  std::string id;
  uint64_t created_lsn = 0;
  Diff diff;
};

struct RunChange {
  std::string id;
  uint64_t created_lsn = 0;
  uint64_t sequence = 0;  // the sequence number that the change takes
  int64_t updated_us = 0;
  std::optional<RunStatus> status;
  std::optional<uint64_t> session;
  std::optional<std::vector<std::string>> tags;
  std::string error = {};          // only with a status
  Boxed<RunDetails> details = {};  // take the place of those that the run has
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
/// Does not decode the diff's entries.
Result<RunDiffHead> decode_run_diff_head(std::string_view payload);

/// Several run diffs, each after its length as u32.
void append_transaction(std::string& out, const std::vector<std::string>& run_diffs);
Result<std::vector<RunDiff>> decode_transaction(std::string_view payload);
/// Splits a transaction into the bytes of its run diffs.
Result<std::vector<std::string_view>> split_transaction(std::string_view payload);

/// A record within another one: of a group, or received.
struct LogPart {
  LogType type = LogType::kDiff;
  std::string_view payload;
};
/// Adds a record to a group.
void append_group_part(std::string& out, LogType type, std::string_view payload);
/// kCorrupt; kVersion: a part of a type that this version does not know.
Result<std::vector<LogPart>> split_group(std::string_view payload);

/// Texts of the run `id`. `created_lsn` 0: the run starts in the same log record.
void append_run_texts(std::string& out, std::string_view id, uint64_t created_lsn, const RunTexts& texts);
struct LoggedTexts {
  std::string id;
  uint64_t created_lsn = 0;
  RunTexts texts;
};
Result<LoggedTexts> decode_run_texts(std::string_view payload);

/// Reads the run id of a kDiff, kChange, kErase, kRebase or kTexts.
Status read_run_id(std::string_view payload, std::string& id);

/// One part of kReceived: the payload of a kStart, kDiff, kChange, kErase or kTexts. The run gets `origin`, if given.
struct ReceivedPart {
  LogType type = LogType::kDiff;
  std::optional<Origin> origin;
  bool others_write = false;  // from now on others than the owner write the run
  uint8_t hops = 0;           // of a diff that waits for the owner: how many stores passed it on, at most kHopsMax
  std::string payload;
};
struct Received {
  struct Cursor {
    std::string key;  // in the table `cursors`
    std::string payload;
  };
  std::vector<Cursor> cursors;  // empty: this store made the change itself
  std::vector<ReceivedPart> parts;
};
void append_received_head(std::string& out, const std::vector<Received::Cursor>& cursors);
void append_received_part(std::string& out, const ReceivedPart& part);
/// `check_parts`: kCorrupt also if a part is not valid for its type.
Result<Received> decode_received(std::string_view payload, bool check_parts = true);

/// Whether the record is about one of the runs, or may be. A record that does not decode is about none.
bool concerns(LogType type, std::string_view payload, const std::set<std::string, std::less<>>& ids);

struct RunRebase {
  std::string id;
  uint64_t created_lsn = 0;
  uint64_t base = 0;
  uint64_t last = 0;
  uint64_t upstream = 0;          // the upstream's sequence of this document: what waits continues from there
  bool ships_forms = false;       // others write the run upstream
  std::optional<RunChange> head;  // status, tags and error that the upstream has
  int64_t updated_us = 0;
  Document document;
};
void append_rebase(std::string& out, const RunRebase& rebase);
Result<RunRebase> decode_rebase(std::string_view payload);

/// Checks that the payload is valid for its type. kCorrupt: it does not decode, although the log's checksum is right.
/// kVersion: a newer version wrote it, or the type is unknown.
Status check_log_record(uint8_t type, std::string_view payload);

/// Adds a record to the next append. Everything that the engine writes goes through here: debug builds assert that
/// check_log_record accepts it, because a record that the reader refuses would keep the store from being opened.
void add_record(wal::Writer::Append& append, LogType type, std::string_view payload);

void append_change(std::string& out, const RunChange& change);
Result<RunChange> decode_change(std::string_view payload);
/// Applies the fields that the change has: status with end and error, session, tags, details.
void take_change(RunRecord& record, RunChange&& change) noexcept;

}  // namespace cairn::engine
