#include "engine/store/foreign_outbox.h"

#include <memory>
#include <utility>

#include "engine/base/error_detail.h"
#include "engine/diff/fold.h"
#include "engine/diff/operation_list.h"
#include "engine/json/json.h"
#include "engine/sync/outbox.h"
#include "engine/tables/format.h"

namespace cairn::engine {

Status ForeignOutbox::check_size(Diff& all) const {
  std::string bytes;
  append_diff(bytes, all);
  if (bytes.size() > bytes_max_of(metadata_bytes_max_)) {
    sum_increments(all);
    bytes.clear();
    append_diff(bytes, all);
  }
  return bytes.size() > bytes_max_of(metadata_bytes_max_)
             ? Status(Code::kBacklog, "too much waits for the owner of the run")
             : Status();
}

Status ForeignOutbox::check_letter(const std::string& id) const {
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (!facts_.keeps_changes.load(std::memory_order_relaxed) || tables == nullptr) {
    return {};
  }
  bool full = false;
  CAIRN_TRY(tables->look([&](TablesTxn& txn) -> Status {
    auto letter = txn.get(Table::kDead, id);
    CAIRN_TRY(letter.status());
    full = letter->has_value() && sync::takes_no_more(**letter);
    return {};
  }));
  return full ? Status(Code::kBacklog, "too much waits for the owner of the run: let it be sent first") : Status();
}

Status ForeignOutbox::fold(const Run& run, const std::vector<RunOperation>& operations, Diff& diff, Diff& outbox,
                           size_t* failed) const {
  if (const Status s = check_letter(run.id); !s.ok()) {
    return fail(s, s.what, run.id);
  }
  diff.base = diff.last = run.sequence;
  for (size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].run != &run) {
      continue;
    }
    const Operation& op = operations[i].op;
    Status s;
    if (const size_t bytes = json_bytes(op.value); bytes > metadata_bytes_max_) {
      s = fail_too_large(op.key, bytes, metadata_bytes_max_);
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
  } else if (const Status s = engine::fold(outbox, diff); !s.ok()) {
    return fail(s, s.what, run.id);
  }
  const Status s = check_size(outbox);
  return s.ok() ? s : fail(s, "too much waits for the owner of the run: let it be sent first", run.id);
}

Diff ForeignOutbox::since_with(const Run& run, const Diff& added) const {
  Diff since = run.outbox_since;
  if (!facts_.keeps_changes.load(std::memory_order_relaxed)) {
    return since;
  }
  if (since.last == 0) {
    return added;
  }
  return engine::fold(since, added).ok() ? since : Diff();  // empty: the limits see all a while longer
}

void ForeignOutbox::note(Run& run, Diff&& all, Diff&& since) noexcept {
  run.record.outbox.diff = std::move(all);
  run.outbox_since = std::move(since);
}

void ForeignOutbox::taken(const std::string& id, uint64_t last) const {
  const RunRef run = runs_.find(id);
  if (!run) {
    return;
  }
  const RunGuard guard(run->lock);
  if (!run->record.foreign || run->record.outbox.diff.last == 0) {
    return;
  }
  if (run->sequence == last) {
    run->record.outbox = OutboxRow();
    run->outbox_since = Diff();
  } else if (run->outbox_since.last != 0 && run->outbox_since.base <= last) {
    run->record.outbox.diff = std::exchange(run->outbox_since, Diff());
  }
}

void ForeignOutbox::returned(const std::string& id) const {
  const RunRef run = runs_.find(id);
  if (!run) {
    return;
  }
  const RunGuard guard(run->lock);
  if (!run->record.foreign || run->gate == Code::kErased) {
    return;
  }
  if (auto record = checkpointer_.folded_record(*run); record.ok()) {
    run->record.outbox = std::move(record->outbox);
    run->outbox_since = Diff();
  }
}

void ForeignOutbox::log_left_out(const std::string& id, const std::vector<std::string>& keys) const {
  for (const std::string& key : keys) {
    write_log(hooks_, LogLevel::kWarning, Code::kTooLarge,
              "run " + id + ": a change of its key \"" + key.substr(0, 64) +
                  "\" that waited for the owner is left out: the value would be too deep, or the metadata too large");
  }
}

}  // namespace cairn::engine
