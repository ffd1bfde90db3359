// Runs that come in by sync: a batch is planned on the runs as they are, under their locks, and written as one log
// record with its stream's cursor; then it is what they are.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/records/log_record.h"
#include "engine/store/alarm.h"
#include "engine/store/dirty_runs.h"
#include "engine/store/foreign_outbox.h"
#include "engine/store/gate.h"
#include "engine/store/incoming.h"
#include "engine/store/run_log.h"
#include "engine/store/run_table.h"
#include "engine/store/run_views.h"
#include "engine/store/status_counts.h"
#include "engine/store/unseen_writes.h"
#include "engine/store/upstream_sender.h"
#include "engine/sync/batch.h"
#include "engine/sync/documents.h"
#include "engine/sync/question.h"
#include "engine/sync/reply.h"
#include "wal/function_ref.h"

namespace cairn::engine {

class Intake {
 public:
  using Cursors = std::function<std::vector<Received::Cursor>()>;

  Intake(uint32_t segment_bytes, const Gate& gate, RunTable& runs, DirtyRuns& dirty, RunLog& log, Alarm& alarm,
         Checkpointer& checkpointer, const RunViews& views, UpstreamSender& sender, IncomingPlan plan,
         const ForeignOutbox& outbox, UnseenWrites& unseen, StatusCounts& counts)
      : segment_bytes_(segment_bytes),
        gate_(gate),
        runs_(runs),
        dirty_(dirty),
        log_(log),
        alarm_(alarm),
        checkpointer_(checkpointer),
        views_(views),
        sender_(sender),
        plan_(plan),
        outbox_(outbox),
        unseen_(unseen),
        counts_(counts) {}

  /// Applies a batch of another store and its stream's cursor, all at once and durably (sync/receiver.h). `cursors` is
  /// asked once the verdicts are there. kTooLarge: it needs more than `limit` bytes of one log record.
  Status receive(const sync::Batch& batch, const Cursors& cursors, std::vector<sync::Verdict>& verdicts, size_t& limit);
  /// The runs that another store asks for, and if it follows its runs, what it has not asked for yet.
  Status documents(const sync::Question& question, sync::Documents& documents);
  [[nodiscard]] sync::Unseen unseen(const sync::OwnerId& owner) const { return unseen_.of(owner); }
  /// As the tables have it.
  Result<std::optional<std::string>> stored_cursor(std::string_view key);
  /// All of them, the records of live streams included. The visitor returns false to stop.
  Status each_stored_cursor(const FunctionRef<bool(std::string_view key, std::string_view payload)>& visit);

 private:
  Status take(const sync::Batch& batch, const Cursors& cursors, std::vector<sync::Verdict>& verdicts, size_t& limit,
              bool settled, uint64_t& lsn);
  Status load(const sync::Batch& batch, std::vector<Incoming>& incoming, std::vector<Run*>& known);
  Status settle(std::vector<Incoming>& incoming, bool settled);
  void plan(const sync::Batch& batch, std::vector<Incoming>& incoming, std::vector<sync::Verdict>& verdicts) const;
  Status append(std::vector<Incoming>& incoming, const std::string& payload, uint64_t& lsn);
  void apply(Incoming& in, uint64_t lsn) CAIRN_REQUIRES(in.run->lock);

  const uint32_t segment_bytes_;
  const Gate& gate_;
  RunTable& runs_;
  DirtyRuns& dirty_;
  RunLog& log_;
  Alarm& alarm_;
  Checkpointer& checkpointer_;
  const RunViews& views_;
  UpstreamSender& sender_;
  const IncomingPlan plan_;
  const ForeignOutbox& outbox_;
  UnseenWrites& unseen_;
  StatusCounts& counts_;
};

}  // namespace cairn::engine
