// Runs owned elsewhere: parents and roots that are not in this store. There is no document here. Updates are folded, as
// forms, into the run's outbox, from where they reach the owner; each is a log record at once, never staged.
#include "engine/base/error_detail.h"
#include "engine/store/run_writer.h"

namespace cairn::engine {

Status RunWriter::append_foreign(Run& run, const std::vector<RunOperation>& operations, uint64_t* lsn, size_t* failed,
                                 const Attachments* with) {
  Diff diff;
  Diff outbox;
  CAIRN_TRY(foreign_outbox_->fold(run, operations, diff, outbox, failed));
  diff.updated_us = outbox.updated_us = now_us();
  std::string payload;
  append_diff_prefix(payload, run.id, run.record.created_lsn);
  append_diff(payload, diff);
  if (payload.size() > wal::record_bytes_max(options_.segment_bytes)) {
    return fail_too_large({}, payload.size(), wal::record_bytes_max(options_.segment_bytes));
  }
  Diff since = foreign_outbox_->since_with(run, diff);
  CAIRN_TRY(run_log_->append_for(run, {{LogType::kDiff, std::move(payload)}}, lsn, with));
  run.sequence = diff.last;
  run.updated_us = diff.updated_us;
  ForeignOutbox::note(run, std::move(outbox), std::move(since));
  run.version.store(run.sequence, std::memory_order_release);
  return Code::kAccepted;
}

}  // namespace cairn::engine
