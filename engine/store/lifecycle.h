// The lives of runs: start, resume, status, tags, finish, erase, import; and finding them again.
//   lifecycle.cc  a run of this store
//   relatives.cc  parents and roots, which another store may own
//   claim.cc      the start of a run that was taken for another store's
//   import.cc     a run that comes as a whole record
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/records/log_record.h"
#include "engine/store/checkpointer.h"
#include "engine/store/dirty_runs.h"
#include "engine/store/durability.h"
#include "engine/store/foreign_outbox.h"
#include "engine/store/gate.h"
#include "engine/store/options.h"
#include "engine/store/run_change.h"
#include "engine/store/run_log.h"
#include "engine/store/run_table.h"
#include "engine/store/run_writer.h"
#include "engine/store/status_counts.h"
#include "engine/store/upstream_facts.h"

namespace cairn::engine {

class UpstreamSender;

/// Too many, too long, or not UTF-8.
Status check_tags(const std::vector<std::string>& tags);
/// What start() says of id, task, relatives and tags before it looks at the store.
Status check_start(const StartOptions& options);

class Lifecycle {
 public:
  struct Options {
    uint32_t metadata_bytes_max = 0;
    uint32_t segment_bytes = 0;
    uint64_t session = 0;
  };
  Lifecycle(const Options& options, const Hooks& hooks, const Gate& gate, RunTable& runs, DirtyRuns& dirty, RunLog& log,
            RunWriter& writer, Checkpointer& checkpointer, UpstreamSender& sender, const UpstreamFacts& facts,
            const ForeignOutbox& outbox, DurabilityWait& durability, StatusCounts& counts, const Notes& notes)
      : options_(options),
        hooks_(hooks),
        gate_(gate),
        runs_(runs),
        dirty_(dirty),
        run_log_(log),
        writer_(writer),
        checkpointer_(checkpointer),
        sender_(sender),
        facts_(facts),
        foreign_outbox_(outbox),
        durability_(durability),
        counts_(counts),
        notes_(notes) {}

  // As Store has them.
  Result<RunRef> start(const StartOptions& options, Durability durability);
  [[nodiscard]] std::string new_id() const;
  Result<RunRef> parent(Run& run);
  Result<RunRef> root(Run& run);
  Result<RunRef> resume(std::string_view id, Durability durability);
  Result<RunRef> find(std::string_view id);
  Status finish(Run& run, RunStatus status, Durability durability, std::string_view error);
  Status set_status(Run& run, RunStatus status, Durability durability);
  Status set_tags(Run& run, std::vector<std::string> tags, Durability durability);
  Result<RunChanged> change(Run& run, const RunChangeRequest& request, Durability durability);
  Status erase(std::string_view id, std::optional<uint64_t> at_sequence, Durability durability,
               const std::vector<Note>& notes);
  Status write_notes(const std::vector<Note>& notes, Durability durability);
  Status import_run(RunRecord record, bool replace, Durability durability);

  /// kUnchanged if `only_if`, called with the run's lock held, says no.
  using EraseIf = std::function<bool(const Run&)>;
  Status erase_if(std::string_view id, Durability durability, const EraseIf& only_if);
  /// With the run's lock held.
  Status mark_crashed(Run& run) CAIRN_REQUIRES(run.lock);

 private:
  Result<RunRef> related(Run& run, std::string_view id);
  Result<RunRef> start_record(RunRecord&& record, Durability durability, const std::vector<Note>& notes = {});
  Status check_startable(const Run& old) const CAIRN_REQUIRES(old.lock);
  Status take_details(RunRecord& record, const StartOptions& options) const;
  Status resolve_relatives(RunRecord& record) CAIRN_REQUIRES(runs_.start_mutex());
  Result<RunRef> append_start(RunRecord&& record, Run* old, uint64_t& lsn, const std::vector<Note>& notes = {})
      CAIRN_REQUIRES(runs_.start_mutex());
  /// Starts it, or says that it is to be claimed.
  Status start_or_claim(RunRecord& record, RunRef& run, uint64_t& lsn, bool& claims, const std::vector<Note>& notes);
  Status change_run(Run& run, RunChange change, Durability durability);
  Status check_request(const RunChangeRequest& request) const;
  Status plan_change(Run& run, const RunChangeRequest& request, RunChange& change, RunChanged& changed)
      CAIRN_REQUIRES(run.lock);
  Result<Attachments> goes_with(const Run& run) const CAIRN_REQUIRES(run.lock);
  /// `retains`: it is this store's own affair, and nobody else is told.
  Status erase_once(std::string_view id, Durability durability, const EraseIf& only_if, bool retains,
                    const std::vector<Note>& notes);
  Result<RunRef> claim(RunRecord& record, Durability durability, const std::vector<Note>& notes = {});
  Status claim_locked(Run& run, RunRecord& record, uint64_t& lsn, const std::vector<Note>& notes)
      CAIRN_REQUIRES(run.lock);
  static Status owned_by_another(const Run& run) CAIRN_REQUIRES(run.lock);
  Status check_imported(RunRecord& record) const;
  /// Of a whole document that comes in at once.
  Status check_document(Document& document) const;

  [[nodiscard]] int64_t now_us() const { return hooks_.wall_us(hooks_.context); }

  const Options options_;
  const Hooks& hooks_;
  const Gate& gate_;
  RunTable& runs_;
  DirtyRuns& dirty_;
  RunLog& run_log_;
  RunWriter& writer_;
  Checkpointer& checkpointer_;
  UpstreamSender& sender_;
  const UpstreamFacts& facts_;
  const ForeignOutbox& foreign_outbox_;
  DurabilityWait& durability_;
  StatusCounts& counts_;
  const Notes& notes_;
};

}  // namespace cairn::engine
