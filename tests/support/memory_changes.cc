// MemoryStorage: what each Change does.
#include <algorithm>
#include <set>

#include "engine/base/error_detail.h"
#include "engine/diff/live_document.h"
#include "engine/document/check_metadata.h"
#include "tests/support/memory_storage.h"

namespace cairn::tests {

using namespace server;
using engine::RunStatus;

namespace {

// What a request may need on the way to its result, which alone is held against the limit.
constexpr size_t kWorkBytesMax = 8u << 20;

Written refuse(Refused why, std::string reason = "") {
  Written out;
  out.refused = why;
  out.reason = std::move(reason);
  return out;
}

Written too_large(size_t bytes_max, std::string what) {
  Written out = refuse(Refused::kTooLarge, std::move(what));
  out.bytes_max = bytes_max;
  return out;
}

Written of_run(const RunView& view) {
  Written out;
  out.id = view.id;
  out.status = view.status;
  return out;
}

Written other_status(const RunView& view) {
  Written out = of_run(view);
  out.refused = Refused::kOtherStatus;
  return out;
}

/// A run that ended so did not do what its idempotency key stands for.
bool counts_as_none(RunStatus status) {
  return status == RunStatus::kFailed || status == RunStatus::kCrashed || status == RunStatus::kSystemFailure ||
         status == RunStatus::kTimedOut || status == RunStatus::kExpired;
}

std::vector<std::string> sorted(const std::vector<std::string>& tags) {
  const std::set<std::string> once(tags.begin(), tags.end());
  return {once.begin(), once.end()};
}

/// The document after `operations`: those that do not apply are skipped.
Status apply_all(engine::LiveDocument& document, const std::vector<engine::Operation>& operations) {
  for (const engine::Operation& operation : operations) {
    engine::Outcome outcome;
    engine::SizeDetail detail;
    int entry = -1;
    CAIRN_TRY(document.apply(operation, kWorkBytesMax, outcome, detail, entry));
  }
  return {};
}

}  // namespace

void MemoryStorage::set_status(Run& run, RunStatus status) {
  RunView& view = run.view;
  if (status == RunStatus::kQueued && view.status != RunStatus::kQueued) {
    view.queued_us = now();
  }
  if (status == RunStatus::kExecuting && view.started_us == 0) {
    view.started_us = now();
  }
  if (engine::is_final(status)) {
    view.finished_us = now();
  }
  view.status = status;
}

MemoryStorage::Run* MemoryStorage::cached_run(const std::string& task, const std::string& key) {
  const auto kept = key.empty() ? idempotency_.end() : idempotency_.find({task, key});
  if (kept == idempotency_.end()) {
    return nullptr;
  }
  Run& run = runs_.at(kept->second.id);
  if (kept->second.until_us <= now() || counts_as_none(run.view.status)) {
    idempotency_.erase(kept);
    return nullptr;
  }
  return &run;
}

Written MemoryStorage::apply(const Trigger& trigger) { return trigger_run(trigger, make_id("run_"), ""); }

Written MemoryStorage::trigger_run(const Trigger& trigger, const std::string& id, const std::string& batch) {
  if (const Run* cached = cached_run(trigger.task, trigger.idempotency_key); cached != nullptr) {
    Written out = of_run(cached->view);
    out.cached = true;
    out.repeated = true;
    return out;
  }
  Run run;
  RunView& view = run.view;
  if (trigger.payload && trigger.payload->text.size() > kPayloadBytesMax) {
    return too_large(kPayloadBytesMax, "the payload");
  }
  if (trigger.metadata) {
    auto parsed = engine::parse_json(*trigger.metadata);
    if (!parsed.ok() || !parsed->is(engine::Type::kObject)) {
      return refuse(Refused::kBadRequest, parsed.ok() ? "metadata must be a JSON object" : parsed.status().what);
    }
    run.document = engine::Document::from_object(std::move(*parsed->get<engine::Object>()));
    if (const Status checked = engine::check_metadata(run.document, options_.metadata_bytes_max); !checked.ok()) {
      return checked.code == Code::kTooLarge ? too_large(options_.metadata_bytes_max, "the metadata")
                                             : refuse(Refused::kBadRequest, checked.what);
    }
    run.seed = trigger.metadata;
  }
  view.tags = sorted(trigger.tags);
  if (view.tags.size() > kTriggerTagsMax) {
    return refuse(Refused::kTooManyTags);
  }
  view.id = id;
  view.life = make_id("life_");
  view.task = trigger.task;
  view.created_us = view.updated_us = now();
  if (!trigger.parent.empty()) {
    const Run* parent = run_of(trigger.parent);
    view.parent = trigger.parent;
    view.root = parent == nullptr || parent->view.root.empty() ? trigger.parent : parent->view.root;
    view.depth = 1 + (parent == nullptr ? 0 : parent->view.depth);
  }
  const bool waits = trigger.delayed_until_us > now();
  view.status = waits ? RunStatus::kDelayed : RunStatus::kQueued;
  view.queued_us = waits ? 0 : view.created_us;
  view.delayed_until_us = trigger.delayed_until_us;
  view.ttl = trigger.ttl;
  view.is_test = trigger.is_test;
  view.function = trigger.function;
  view.batch = batch;
  view.idempotency_key = trigger.idempotency_key;
  run.ttl_us = trigger.ttl_us;
  run.payload = trigger.payload;
  if (!trigger.idempotency_key.empty()) {
    idempotency_[{trigger.task, trigger.idempotency_key}] = {id, trigger.idempotency_until_us};
  }
  by_created_[{view.created_us, id}] = id;
  Run& kept = runs_[id] = std::move(run);
  changed(kept);
  return of_run(kept.view);
}

Written MemoryStorage::apply(const MetadataUpdate& update) {
  Run* run = run_of(update.run);
  if (run == nullptr) {
    return refuse(Refused::kNoSuchRun);
  }
  if (engine::is_final(run->view.status) && now() - run->view.finished_us > update.late_us) {
    return refuse(Refused::kFinished);
  }
  const auto relative = [&](const std::string& id) { return id.empty() ? update.run : id; };
  const std::pair<std::string, const std::vector<engine::Operation>*> lists[] = {
      {update.run, &update.operations},
      {relative(run->view.parent), &update.parent_operations},
      {relative(run->view.root), &update.root_operations}};
  std::map<std::string, engine::LiveDocument> after;
  for (const auto& [id, operations] : lists) {
    const Run* target = run_of(id);
    if (operations->empty() || target == nullptr) {
      continue;
    }
    const auto [at, is_new] = after.try_emplace(id);
    if (is_new) {
      at->second.reset(target->document, 0);
    }
    if (const Status applied = apply_all(at->second, *operations); !applied.ok()) {
      return applied.code == Code::kTooLarge ? too_large(options_.metadata_bytes_max, "the metadata")
                                             : refuse(Refused::kBadRequest, applied.what);
    }
  }
  for (auto& [id, document] : after) {
    const size_t bytes = document.document().exact_bytes();
    if (bytes > options_.metadata_bytes_max && bytes > runs_.at(id).document.exact_bytes()) {
      return too_large(options_.metadata_bytes_max, "the metadata");
    }
  }
  for (auto& [id, document] : after) {
    Run& target = runs_.at(id);
    target.document = engine::Document::from_object(document.document().to_object());
    changed(target);
  }
  for (const auto& [id, operations] : lists) {
    if (!operations->empty() && run_of(id) == nullptr) {
      foreign_.emplace_back(id, *operations);
    }
  }
  Written out = of_run(run->view);
  out.metadata = run->document.to_json();
  return out;
}

Written MemoryStorage::apply(const StatusChange& change) {
  Run* run = run_of(change.run);
  if (run == nullptr) {
    return refuse(Refused::kNoSuchRun);
  }
  RunView& view = run->view;
  if (!view.owner.empty()) {
    return refuse(Refused::kOwnedElsewhere, view.owner);
  }
  if (engine::is_final(view.status) || (change.from && *change.from != view.status)) {
    return other_status(view);
  }
  if (change.output && change.output->text.size() > kOutputBytesMax) {
    return too_large(kOutputBytesMax, "the output");
  }
  set_status(*run, change.to);
  view.error = change.error;
  run->output = change.output;
  changed(*run);
  return of_run(view);
}

Written MemoryStorage::apply(const Cancel& cancel) {
  Run* run = run_of(cancel.run);
  if (run == nullptr) {
    return refuse(Refused::kNoSuchRun);
  }
  if (!run->view.owner.empty()) {
    return refuse(Refused::kOwnedElsewhere, run->view.owner);
  }
  if (!engine::is_final(run->view.status)) {
    set_status(*run, RunStatus::kCanceled);
    changed(*run);
  }
  return of_run(run->view);
}

Written MemoryStorage::apply(const AddTags& add) {
  Run* run = run_of(add.run);
  if (run == nullptr) {
    return refuse(Refused::kNoSuchRun);
  }
  if (!run->view.owner.empty()) {
    return refuse(Refused::kOwnedElsewhere, run->view.owner);
  }
  std::vector<std::string> all = run->view.tags;
  all.insert(all.end(), add.tags.begin(), add.tags.end());
  all = sorted(all);
  Written out = of_run(run->view);
  out.tags_added = all.size() - run->view.tags.size();
  if (out.tags_added == 0) {
    return out;
  }
  if (all.size() > kTriggerTagsMax) {
    return refuse(Refused::kTooManyTags);
  }
  run->view.tags = std::move(all);
  changed(*run);
  return out;
}

Written MemoryStorage::apply(const Reschedule& reschedule) {
  Run* run = run_of(reschedule.run);
  if (run == nullptr) {
    return refuse(Refused::kNoSuchRun);
  }
  if (!run->view.owner.empty()) {
    return refuse(Refused::kOwnedElsewhere, run->view.owner);
  }
  if (run->view.status != RunStatus::kDelayed) {
    return other_status(run->view);
  }
  run->view.delayed_until_us = reschedule.delayed_until_us;
  if (reschedule.delayed_until_us <= now()) {
    set_status(*run, RunStatus::kQueued);
  }
  changed(*run);
  return of_run(run->view);
}

Written MemoryStorage::apply(const ResetIdempotencyKey& reset) {
  Run* run = cached_run(reset.task, reset.key);
  if (run == nullptr) {
    return refuse(Refused::kNoSuchKey);
  }
  idempotency_.erase({reset.task, reset.key});
  return of_run(run->view);
}

Result<int64_t> MemoryStorage::keep_time(int64_t now_us) {
  int64_t next = INT64_MAX;
  {
    const std::lock_guard lock(mutex_);
    CAIRN_TRY(trouble_);
    for (auto& [id, run] : runs_) {
      RunView& view = run.view;
      if (!view.owner.empty()) {
        continue;
      }
      if (view.status == RunStatus::kDelayed && view.delayed_until_us <= now_us) {
        set_status(run, RunStatus::kQueued);
        view.queued_us = now_us;
        changed(run);
      }
      if (view.status == RunStatus::kQueued && run.ttl_us > 0 && view.queued_us + run.ttl_us <= now_us) {
        set_status(run, RunStatus::kExpired);
        view.finished_us = now_us;
        changed(run);
      }
      if (view.status == RunStatus::kDelayed) {
        next = std::min(next, view.delayed_until_us);
      } else if (view.status == RunStatus::kQueued && run.ttl_us > 0) {
        next = std::min(next, view.queued_us + run.ttl_us);
      }
    }
  }
  notify();
  return next;
}

}  // namespace cairn::tests
