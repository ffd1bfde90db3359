// Runs owned elsewhere: parents and roots that are not in this store. There is no document here. Updates are folded, as
// forms, into the run's outbox, from where they reach the owner; each is a log record at once, never staged.
#include "engine/base/error_detail.h"
#include "engine/diff/fold.h"
#include "engine/json/json.h"
#include "engine/store/run_writer.h"

namespace cairn::engine {

// `diff`: the operations of `run` alone. `outbox`: what waits already, and then these.
Status RunWriter::fold_for_owner(const Run& run, const std::vector<RunOperation>& operations, Diff& diff, Diff& outbox,
                                 size_t* failed) const {
  if (const Status s = foreign_outbox_->check_letter(run.id); !s.ok()) {
    return fail(s, s.what, run.id);
  }
  diff.base = diff.last = run.sequence;
  for (size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].run != &run) {
      continue;
    }
    const Operation& op = operations[i].op;
    Status s;
    if (const size_t bytes = json_bytes(op.value); bytes > options_.metadata_bytes_max) {
      s = fail_too_large(op.key, bytes, options_.metadata_bytes_max);
    } else {
      s = fold_foreign(diff, op);
    }
    if (!s.ok()) {
      if (failed != nullptr) {
        *failed = i;
      }
      return s.code == Code::kTooLarge ? s : fail(s, s.what, op.key);
    }
  }
  outbox = run.record.outbox.diff;
  if (outbox.last == 0) {
    outbox = diff;
  } else if (const Status s = fold(outbox, diff); !s.ok()) {
    return fail(s, s.what, run.id);
  }
  const Status s = foreign_outbox_->check_size(outbox);
  return s.ok() ? s : fail(s, "too much waits for the owner of the run: let it be sent first", run.id);
}

Status RunWriter::append_foreign(Run& run, const std::vector<RunOperation>& operations, uint64_t* lsn, size_t* failed) {
  Diff diff;
  Diff outbox;
  CAIRN_TRY(fold_for_owner(run, operations, diff, outbox, failed));
  diff.updated_us = outbox.updated_us = now_us();
  std::string payload;
  append_diff_prefix(payload, run.id, run.record.created_lsn);
  append_diff(payload, diff);
  if (payload.size() > wal::record_bytes_max(options_.segment_bytes)) {
    return fail_too_large({}, payload.size(), wal::record_bytes_max(options_.segment_bytes));
  }
  CAIRN_TRY(run_log_->append_for(run, {{LogType::kDiff, std::move(payload)}}, lsn));
  run.sequence = diff.last;
  run.updated_us = diff.updated_us;
  foreign_outbox_->note(run, std::move(outbox), diff);
  run.version.store(run.sequence, std::memory_order_release);
  return Code::kAccepted;
}

}  // namespace cairn::engine
