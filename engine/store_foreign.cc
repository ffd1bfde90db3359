// Runs owned elsewhere: parents and roots that are not in this store. There is no document here. Updates are folded, as
// forms, into the run's outbox, from where they reach the owner; each is a log record at once, never staged.
#include "engine/json.h"
#include "engine/operation_list.h"
#include "engine/store.h"

namespace cairn::engine {

Result<RunRef> Store::related(Run& run, std::string_view id) {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  if (id.empty()) {
    return RunRef(run.shared_from_this());
  }
  auto found = load_run(id);
  if (found.ok()) {
    const std::lock_guard guard((*found)->lock);
    if ((*found)->gate != Code::kErased) {
      return found;
    }
  } else if (found.code() != Code::kNoSuchRun) {
    return found;
  }
  RunRecord record;
  record.id = id;
  record.foreign = true;
  record.sequence = 1;
  record.session = session_;
  record.created_us = record.updated_us = now_us();
  return start_record(std::move(record), Durability::kDefault);
}

namespace {

// A copy: the start of a run that was taken for one owned elsewhere gives it a parent.
std::string relative(Run& run, std::string RunRecord::*which) {
  const std::lock_guard guard(run.lock);
  return run.record.*which;
}

}  // namespace

Result<RunRef> Store::parent(Run& run) { return related(run, relative(run, &RunRecord::parent)); }
Result<RunRef> Store::root(Run& run) { return related(run, relative(run, &RunRecord::root)); }

// `diff`: the operations of `run` alone. `outbox`: what waits already, and they behind it.
Status Store::fold_for_owner(const Run& run, const std::vector<RunOperation>& operations, Diff& diff, Diff& outbox,
                             size_t* failed) const {
  if (const Status s = room_behind_letter(run.id); !s.ok()) {
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
  std::string bytes;
  append_diff(bytes, outbox);
  if (bytes.size() > kOutboxPerLimit * options_.metadata_bytes_max) {
    sum_increments(outbox);
    bytes.clear();
    append_diff(bytes, outbox);
  }
  if (bytes.size() > kOutboxPerLimit * options_.metadata_bytes_max) {
    return fail(Code::kBacklog, "too much waits for the owner of the run: let it be sent first", run.id);
  }
  return {};
}

Status Store::append_foreign(Run& run, const std::vector<RunOperation>& operations, uint64_t* lsn, size_t* failed) {
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
  CAIRN_TRY(append_for(run, {{LogType::kDiff, std::move(payload)}}, lsn));
  run.sequence = diff.last;
  run.updated_us = diff.updated_us;
  note_outbox(run, std::move(outbox), diff);
  run.version.store(run.sequence, std::memory_order_release);
  return Code::kAccepted;
}

}  // namespace cairn::engine
