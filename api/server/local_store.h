// What only a store of this machine can tell, beside the runs that any RunStorage has. A server whose runs are kept
// elsewhere has none of it: its routes `sync`, `stores`, `dead`, `store` and `history` answer 501, and `runs/:id` leaves
// out durability and why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/report/why.h"
#include "cairn/status.h"
#include "engine/records/home_store.h"

namespace cairn::server {

/// A change of a run, by its sequence.
struct ChangeReached {
  uint64_t sequence = 0;  // 0: none
  int64_t at_us = 0;      // when that change was made, or was acknowledged; 0: not known
};

/// How far a run's changes have come. Each is at most the one before, but for the upstream's: it may have them first.
struct RunDurability {
  ChangeReached memory;
  ChangeReached process;                  // survives kill -9 of this process
  ChangeReached power;                    // survives a power loss
  std::optional<ChangeReached> upstream;  // none: there is no upstream, or it is not known what it has
  report::Why why;                        // it is not upstream yet
};

/// A run that the upstream refused.
struct DeadRun {
  std::string id;
  std::string reason;  // the name of the verdict
  std::string text;
  int64_t since_us = 0;
};

/// The state of what sends this store's changes.
struct SyncState {
  bool attached = false;
  std::string upstream;  // its name, for people; "": there never was one
  bool all_acknowledged = false;
  bool paused = false;
  std::string halt;  // "copied" or "forked": nothing is sent until a person decides; "": neither
  uint64_t waiting_runs = 0;
  uint64_t held_runs = 0;
  int64_t oldest_us = 0;  // since when the oldest change waits; 0: none does
  uint64_t in_flight_runs = 0;
  uint64_t in_flight_bytes = 0;
  uint64_t not_folded = 0;  // log records that no message can have yet
  uint64_t not_logged = 0;  // runs with changes that are not in the log yet
  uint64_t batches = 0;
  uint64_t lost_deltas = 0;
  int64_t acked_us = 0;  // of the last acknowledgement
  std::string last_error;
  int64_t last_error_us = 0;
  int64_t next_try_ms = 0;  // from now; of a sender that runs
};

/// A store that sends its changes here.
struct SendingStore {
  std::string owner;  // its id, in hexadecimal
  uint64_t generation = 0;
  uint64_t batches = 0;  // number of the last one that was taken
  uint64_t refused = 0;  // changes of that one
  engine::HomeStore home;
  // That came from it, and how many of those are not finished. None: the runs could not be counted.
  std::optional<uint64_t> runs;
  std::optional<uint64_t> unfinished_runs;
  /// It has unfinished runs, and is not heard of any more.
  [[nodiscard]] std::optional<bool> is_gone() const {
    return unfinished_runs ? std::optional(home.silent && *unfinished_runs != 0) : std::nullopt;
  }
};

/// Numbers of the store: as they are, or counted since it was opened.
struct StoreFigures {
  std::string store_id;
  int64_t created_us = 0;
  uint64_t owner_pid = 0;                  // of the process that has it open
  std::optional<uint64_t> metadata_bytes;  // JSON text of all runs, counted up to a minute ago; none: it could not be
  uint64_t segments = 0;
  uint64_t last_lsn = 0, durable_lsn = 0, applied_lsn = 0;
  uint64_t disk_bytes = 0, wal_bytes = 0, staging_bytes = 0, tables_bytes = 0;
  uint64_t runs_in_memory = 0, runs_unflushed = 0;
  uint64_t flushes = 0, checkpoints = 0, transactions = 0;
  uint64_t recovered_runs = 0, recovered_changes = 0, dropped_records = 0;  // of the open
  bool torn_tail = false, staging_on = false, staging_lost = false;
};

struct HistoryPoint {
  int64_t at_us = 0;
  double value = 0;
};
struct RunHistory {
  uint32_t interval_ms = 0;  // between two points, at least
  std::vector<HistoryPoint> points;
};

/// Calls may block, and may be made by several threads at once.
class LocalStore {
 public:
  virtual ~LocalStore() = default;

  /// nullopt: there is no such run.
  virtual Result<std::optional<RunDurability>> durability(std::string_view id) = 0;
  /// What is kept of a number of the top level. nullopt: there is no such run. kInvalidArgument: no history is kept.
  virtual Result<std::optional<RunHistory>> history(std::string_view id, std::string_view key) = 0;
  virtual Result<SyncState> sync() = 0;
  /// Those of ids after `after`, in the order of ids.
  virtual Result<std::vector<DeadRun>> dead(const std::string& after, size_t most) = 0;
  /// In the order of their ids.
  virtual Result<std::vector<SendingStore>> senders() = 0;
  virtual Result<StoreFigures> figures() = 0;
};

}  // namespace cairn::server
