// Changes of a run on a condition, with what belongs to them in the same log record.
#include <algorithm>

#include "engine/base/error_detail.h"
#include "engine/store/lifecycle.h"

namespace cairn::engine {

Status Lifecycle::check_request(const RunChangeRequest& request) const {
  CAIRN_TRY(check_tags(request.add_tags));
  if (request.error.size() > kErrorBytesMax) {
    return fail_too_large({}, request.error.size(), kErrorBytesMax);
  }
  if (!valid_utf8(request.error)) {
    return fail(Code::kInvalidUtf8, "the error text is not UTF-8");
  }
  if (request.with.texts != nullptr) {
    const Status s = check_run_texts(*request.with.texts);
    return s.ok() ? s : fail(s, s.what);
  }
  return {};
}

// With the run's lock held. Without `done` in `changed` nothing is to be done.
Status Lifecycle::plan_change(Run& run, const RunChangeRequest& request, RunChange& change, RunChanged& changed) {
  CAIRN_TRY(RunWriter::check_owned(run));
  changed.status = run.record.status;
  if ((run.gate == Code::kFinished && !request.on_finished) || (request.from && *request.from != run.record.status)) {
    return {};
  }
  if (request.delay_over_us && run.record.details && run.record.details->delayed_until_us > *request.delay_over_us) {
    return {};
  }
  if (!request.add_tags.empty()) {
    std::vector<std::string> tags = run.record.tags;
    for (const std::string& tag : request.add_tags) {
      if (std::find(tags.begin(), tags.end(), tag) == tags.end()) {
        tags.push_back(tag);
      }
    }
    changed.tags_added = tags.size() - run.record.tags.size();
    if (changed.tags_added != 0) {
      changed.too_many_tags = tags.size() > std::min(request.tags_max, kTagsMax);
      if (changed.too_many_tags) {
        return {};
      }
      change.tags = std::move(tags);
    }
  }
  if (request.to) {
    change.status = request.to;
    change.error = request.error;
  }
  if (request.delayed_until_us) {
    change.details = run.record.details;
    change.details.made().delayed_until_us = *request.delayed_until_us;
  }
  if (request.with.texts != nullptr && !change.status && !change.tags && !change.details) {
    change.status = run.record.status;  // the record of a change that changes nothing else
  }
  changed.done = true;
  return {};
}

Result<RunChanged> Lifecycle::change(Run& run, const RunChangeRequest& request, Durability durability) {
  CAIRN_TRY(gate_.check_process());
  CAIRN_TRY(check_request(request));
  CAIRN_TRY(durability_.check(durability));
  RunChanged changed;
  const bool ends = request.to && is_final(*request.to);
  uint64_t lsn = 0;
  const auto once = [&]() -> Status {
    changed = RunChanged();
    RunChange change;
    const RunGuard guard(run.lock);
    if (run.gate == Code::kErased) {
      return fail(Code::kErased, "the run was erased", run.id);
    }
    CAIRN_TRY(gate_.check(ends));
    CAIRN_TRY(plan_change(run, request, change, changed));
    if (!changed.done) {
      return {};
    }
    Attachments with = request.with;
    if (request.complete_notes) {
      request.complete_notes(changed, with.notes);
    }
    if (!change.status && !change.tags && !change.details) {
      return with.notes.empty() ? Status() : run_log_.append_notes(with.notes, lsn);
    }
    CAIRN_TRY(writer_.append_change(run, std::move(change), &lsn, false, &with));
    changed.status = run.record.status;
    return {};
  };
  CAIRN_TRY(ends ? checkpointer_.give_back_space(once) : once());
  if (lsn != 0) {
    CAIRN_TRY(durability_.wait(durability, lsn, std::span(&run.id, 1)));
  }
  return changed;
}

Status Lifecycle::write_notes(const std::vector<Note>& notes, Durability durability) {
  CAIRN_TRY(gate_.check_process());
  CAIRN_TRY(gate_.check());
  CAIRN_TRY(durability_.check(durability));
  for (const Note& note : notes) {
    if (const Status s = check_note(note); !s.ok()) {
      return fail(s, s.what);
    }
  }
  uint64_t lsn = 0;
  CAIRN_TRY(run_log_.append_notes(notes, lsn));
  return durability_.wait(durability, lsn, {});
}

}  // namespace cairn::engine
