// MemoryStorage: batches.
#include <algorithm>

#include "tests/support/memory_storage.h"

namespace cairn::tests {

using namespace server;

namespace {

BatchView refuse_batch(Refused why, std::string reason = "", size_t index = 0) {
  BatchView out;
  out.refused = why;
  out.reason = std::move(reason);
  out.refused_index = index;
  return out;
}

}  // namespace

BatchView MemoryStorage::view_of(const Batch& batch) {
  BatchView out = batch.view;
  out.runs.assign(batch.runs.begin(), batch.runs.end());
  out.sealed = batch.runs.size() == out.run_count;
  out.all_final = out.sealed && std::all_of(out.runs.begin(), out.runs.end(), [this](const auto& indexed) {
                    return engine::is_final(runs_.at(indexed.second).view.status);
                  });
  return out;
}

BatchView MemoryStorage::apply(const BatchCreate& create) {
  if (create.runs == 0 || create.runs > kBatchRunsMax) {
    return refuse_batch(Refused::kBadRequest, "a batch has 1 to " + std::to_string(kBatchRunsMax) + " runs");
  }
  if (!create.idempotency_key.empty()) {
    const auto kept = batch_idempotency_.find(create.idempotency_key);
    if (kept != batch_idempotency_.end() && kept->second.until_us > now()) {
      BatchView out = view_of(batches_.at(kept->second.id));
      out.cached = true;
      return out;
    }
  }
  Batch batch;
  batch.view.id = make_id("batch_");
  batch.view.idempotency_key = create.idempotency_key;
  batch.view.created_us = batch.view.updated_us = now();
  batch.view.run_count = create.runs;
  batch.parent = create.parent;
  batch.waits = create.waits;
  if (!create.idempotency_key.empty()) {
    batch_idempotency_[create.idempotency_key] = {batch.view.id, create.idempotency_until_us};
  }
  const std::string id = batch.view.id;
  return view_of(batches_[id] = std::move(batch));
}

BatchView MemoryStorage::apply(const BatchItems& items) {
  const auto found = batches_.find(items.batch);
  if (found == batches_.end()) {
    return refuse_batch(Refused::kNoSuchBatch);
  }
  Batch& batch = found->second;
  size_t accepted = 0;
  size_t deduplicated = 0;
  for (const BatchItems::Item& item : items.items) {
    if (item.index >= batch.view.run_count) {
      return refuse_batch(Refused::kBadRequest,
                          "the batch has the indexes 0 to " + std::to_string(batch.view.run_count - 1), item.index);
    }
    if (batch.runs.count(item.index) != 0) {
      ++deduplicated;
      continue;
    }
    Trigger trigger = item.trigger;
    trigger.parent = batch.parent;
    trigger.function =
        batch.waits ? engine::TriggerFunction::kBatchTriggerAndWait : engine::TriggerFunction::kBatchTrigger;
    const Written made = trigger_run(trigger, make_id("run_"), batch.view.id);
    if (made.refused != Refused::kNo) {
      BatchView out = refuse_batch(made.refused, made.reason, item.index);
      out.bytes_max = made.bytes_max;
      return out;
    }
    batch.runs[item.index] = made.id;
    batch.view.updated_us = now();
    ++accepted;
  }
  BatchView out = view_of(batch);
  out.accepted = accepted;
  out.deduplicated = deduplicated;
  return out;
}

BatchView MemoryStorage::apply(const BatchGet& get) {
  const auto found = batches_.find(get.batch);
  return found == batches_.end() ? refuse_batch(Refused::kNoSuchBatch) : view_of(found->second);
}

}  // namespace cairn::tests
