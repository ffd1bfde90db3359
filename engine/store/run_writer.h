// Updates of runs and reads of their documents, each under the run's lock:
//   hot.cc       the common case of one key, without a call out of this class
//   update.cc    every other update of one run
//   transact.cc  several updates, all or none
//   foreign.cc   updates of runs that other stores own
//   change.cc    status, session, tags and erase, after the seal of what is pending
//   read.cc      reads
//
// The gate, the epoch and the options that an update reads are members, so that the hot path loads no pointer to reach
// them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/document/operation.h"
#include "engine/staging/staging.h"
#include "engine/store/dirty_runs.h"
#include "engine/store/durability.h"
#include "engine/store/flusher.h"
#include "engine/store/foreign_outbox.h"
#include "engine/store/gate.h"
#include "engine/store/options.h"
#include "engine/store/run.h"
#include "engine/store/run_log.h"
#include "engine/store/run_operation.h"
#include "engine/store/status_counts.h"
#include "wal/function_ref.h"

namespace cairn::engine {

struct RunChange;

/// A key of a run, found once. Lives inside cairn_cell. After insert, delete, replace it finds its key again by name.
struct CellPlace {
  uint32_t layout = 0;
  int32_t member = -1;
};

class RunWriter {
 public:
  struct Options {
    Durability durability = Durability::kProcess;
    uint32_t metadata_bytes_max = 0;
    uint32_t segment_bytes = 0;
    Hooks hooks;
  };
  explicit RunWriter(ForkWord fork_word) : gate_(fork_word) {}
  /// At the end of an open, before any other call but gate() and epoch(). `staging`: null, every update is appended.
  void begin(const Options& options, Staging* staging, DirtyRuns& dirty, RunLog& log, Flusher& flusher,
             const ForeignOutbox& outbox, DurabilityWait& durability, StatusCounts& counts);

  [[nodiscard]] Gate& gate() { return gate_; }
  [[nodiscard]] const Gate& gate() const { return gate_; }
  /// The flush epoch: what was updated before a read of it is covered by it. Only flushes move it.
  [[nodiscard]] std::atomic<uint64_t>& epoch() { return epoch_; }
  [[nodiscard]] const std::atomic<uint64_t>& epoch() const { return epoch_; }

  // As Store has them.
  Status apply(Run& run, const Operation& op, Outcome& outcome, Durability durability, uint64_t* epoch);
  bool try_set_double(Run& run, std::string_view key, double v, CellPlace* place);
  bool try_set_int(Run& run, std::string_view key, int64_t v, CellPlace* place);
  bool try_set_bool(Run& run, std::string_view key, bool v);
  bool try_set_string(Run& run, std::string_view key, std::string_view v);
  bool try_replace(Run& run, std::string_view msgpack);
  bool try_increment(Run& run, std::string_view key, const Value& n, CellPlace* place);
  Status transact(const std::vector<RunOperation>& operations, Durability durability, size_t* failed,
                  const TransactOptions& how);
  Status get(Run& run, std::string_view key, const FunctionRef<void(const Value&)>& read) const;
  bool try_get_double(Run& run, std::string_view key, double& v);
  bool try_get_int(Run& run, std::string_view key, int64_t& v);
  Status current(Run& run, const FunctionRef<void(const Document&, uint64_t sequence)>& read) const;

  // --- with the run's lock held ---
  /// Before an update. `gives_back`: a full disk does not refuse it. A run that comes from elsewhere and takes its first
  /// update from here notes that in the log.
  Status check_gate(Run& run, bool gives_back = false) CAIRN_REQUIRES(run.lock);
  /// One append with the seal of what is pending and then the change. A change of nothing erases the run;
  /// `forgets`: here alone. `with`: in the same record.
  Status append_change(Run& run, RunChange change, uint64_t* lsn, bool forgets = false,
                       const Attachments* with = nullptr) CAIRN_REQUIRES(run.lock);
  /// kInvalidArgument: another store owns it.
  static Status check_owned(const Run& run) CAIRN_REQUIRES(run.lock);

  [[nodiscard]] uint64_t overflow_appends() const { return overflow_appends_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t transactions() const { return transactions_.load(std::memory_order_relaxed); }

 private:
  // All with the run's lock held.
  template <class Read>
  bool try_get(Run& run, std::string_view key, Read&& read);
  [[nodiscard]] bool is_hot(const Run& run) const CAIRN_REQUIRES(run.lock);
  bool stage_changed(Run& run, uint64_t changed) CAIRN_REQUIRES(run.lock);
  template <class Change>
  bool try_update(Run& run, std::string_view key, CellPlace* place, Change&& change);
  Status apply_locked(Run& run, const Operation& op, Outcome& outcome, bool direct, uint64_t* lsn)
      CAIRN_REQUIRES(run.lock);
  bool stage(Run& run, int entry) CAIRN_REQUIRES(run.lock);
  [[gnu::cold]] Status append_direct(Run& run, const Operation& op, Outcome& outcome, uint64_t* lsn)
      CAIRN_REQUIRES(run.lock);
  Status note_other_writer(Run& run) CAIRN_REQUIRES(run.lock);

  class SeveralRuns;  // of one transaction
  Status apply_all(LiveDocument& live, const std::vector<RunOperation>& operations, const uint32_t* which, size_t count,
                   uint64_t& changes, size_t* failed, const TransactOptions& how) const;
  Status transact_operation(Run& run, const Operation& op, uint64_t* lsn, size_t* failed) CAIRN_REQUIRES(run.lock);
  Status transact_one(Run& run, const std::vector<RunOperation>& operations, bool power, uint64_t* lsn, size_t* failed,
                      const TransactOptions& how) CAIRN_REQUIRES(run.lock);
  Result<bool> transact_staged(Run& run, const std::vector<RunOperation>& operations, const std::vector<uint32_t>& all,
                               size_t* failed, const TransactOptions& how) CAIRN_REQUIRES(run.lock);

  Status append_foreign(Run& run, const std::vector<RunOperation>& operations, uint64_t* lsn, size_t* failed,
                        const Attachments* with = nullptr) CAIRN_REQUIRES(run.lock);

  [[nodiscard]] bool forked() const { return gate_.forked(); }
  [[nodiscard]] int64_t now_us() const { return options_.hooks.wall_us(options_.hooks.context); }

  Gate gate_;
  alignas(64) std::atomic<uint64_t> epoch_{1};
  // Constant after begin().
  Options options_;
  Staging* staging_ = nullptr;
  DirtyRuns* dirty_ = nullptr;
  RunLog* run_log_ = nullptr;
  Flusher* flusher_ = nullptr;
  const ForeignOutbox* foreign_outbox_ = nullptr;
  DurabilityWait* durability_ = nullptr;
  StatusCounts* counts_ = nullptr;

  // Apart from what each update reads.
  alignas(64) std::atomic<uint64_t> overflow_appends_{0};
  std::atomic<uint64_t> transactions_{0};
};

}  // namespace cairn::engine
