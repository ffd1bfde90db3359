// What a store is made of, in the order in which an open makes it. Store owns it, Recovery fills it, and Shutdown ends
// it. No part sees it: each was given what it needs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "engine/base/hooks.h"
#include "engine/directory/identity.h"
#include "engine/directory/store_lock.h"
#include "engine/staging/staging.h"
#include "engine/store/alarm.h"
#include "engine/store/background.h"
#include "engine/store/changed_runs.h"
#include "engine/store/checkpointer.h"
#include "engine/store/crash_marks.h"
#include "engine/store/dirty_runs.h"
#include "engine/store/disk_budget.h"
#include "engine/store/durability.h"
#include "engine/store/flusher.h"
#include "engine/store/foreign_outbox.h"
#include "engine/store/history.h"
#include "engine/store/home_stores.h"
#include "engine/store/idle_note.h"
#include "engine/store/intake.h"
#include "engine/store/lifecycle.h"
#include "engine/store/log_growth.h"
#include "engine/store/notes.h"
#include "engine/store/options.h"
#include "engine/store/preallocation.h"
#include "engine/store/rebase.h"
#include "engine/store/retention.h"
#include "engine/store/run_log.h"
#include "engine/store/run_table.h"
#include "engine/store/run_views.h"
#include "engine/store/stats.h"
#include "engine/store/step_listeners.h"
#include "engine/store/stepper.h"
#include "engine/store/stranded_deltas.h"
#include "engine/store/timed_checkpoint.h"
#include "engine/store/unseen_writes.h"
#include "engine/store/upstream.h"
#include "engine/store/upstream_facts.h"
#include "engine/store/upstream_sender.h"
#include "engine/store/upstream_wait.h"
#include "engine/sync/outbox.h"
#include "wal/writer.h"

namespace cairn::engine {

struct StoreParts {
  StoreOptions options;
  StagingIdentity identity;
  uint64_t session = 0;
  uint64_t incarnation = 0;
  StoreStats opened;  // what the open found

  std::unique_ptr<wal::Files> own_files;
  wal::Files* files = nullptr;
  std::unique_ptr<StoreLock> lock;
  std::optional<DiskBudget> budget;
  RunTable runs;
  DirtyRuns dirty;
  Notes notes{runs};
  ChangedRuns changed;
  std::optional<UnseenWrites> unseen;
  std::optional<HomeStores> homes;
  UpstreamFacts upstream_facts;
  StatusCounts counts;                          // exact only with retain_finished_max or count_runs
  std::atomic<uint64_t> forgotten_requests{0};  // notes of requests that went before their time
  std::unique_ptr<wal::Writer> writer;
  std::unique_ptr<SigbusGuard> guard;  // null: not asked for
  std::unique_ptr<Staging> staging;    // null: every operation appends
  std::unique_ptr<sync::Outbox> outbox;

  // Over the log and staging.
  std::optional<LogGrowth> growth;
  std::optional<Alarm> alarm;
  std::optional<RunLog> run_log;
  std::optional<Flusher> flusher;
  std::optional<Checkpointer> checkpointer;
  std::optional<RunViews> views;
  std::optional<ForeignOutbox> foreign_outbox;
  std::optional<Rebase> rebase;
  std::optional<StrandedDeltas> stranded_deltas;
  std::unique_ptr<UpstreamSender> sender;
  std::optional<Upstream> upstream;
  std::optional<UpstreamWait> upstream_wait;
  std::unique_ptr<Intake> intake;
  std::optional<DurabilityWait> durability;
  std::optional<Lifecycle> lifecycle;  // the last of those without which there is nothing to close

  // What only steps use. Made at the end of an open that worked.
  std::optional<CrashMarks> crash_marks;
  std::optional<TimedCheckpoint> checkpoint;
  std::optional<Retention> retention;
  std::optional<IdleNote> idle_note;
  std::optional<Preallocation> preallocation;
  std::optional<StepListeners> listeners;
  std::optional<Stepper> stepper;
  std::optional<Background> background;
  std::shared_ptr<History> history;  // null: it is off

  /// Of log, staging and tables.
  [[nodiscard]] uint64_t used_bytes() const;
};

}  // namespace cairn::engine
