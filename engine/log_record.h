// What the engine writes into the log: the payload of each record type. The layouts stand in ARCHITECTURE.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/diff.h"
#include "engine/run_record.h"
#include "wal/format.h"

namespace cairn::engine {

/// Stored; never renumbered.
enum class LogType : uint8_t {
  kDiff = wal::kFirstUserType,  // a sealed diff of one run
  kStart,                       // a run begins: its record; the creation LSN is the record's own
  kChange,                      // status, session or tags of a run: takes one sequence number
  kErase,
  kTransaction,  // diffs of several runs, all or none
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

/// Several run diffs, each behind its u32 length.
void append_transaction(std::string& out, const std::vector<std::string>& run_diffs);
Result<std::vector<RunDiff>> decode_transaction(std::string_view payload);

/// Whether the payload is what its type promises. kCorrupt: it does not decode, although the log's checksum is right.
/// kVersion: a newer version wrote it, also for an unknown type.
Status check_log_record(uint8_t type, std::string_view payload);

void append_change(std::string& out, const RunChange& change);
Result<RunChange> decode_change(std::string_view payload);

}  // namespace cairn::engine
