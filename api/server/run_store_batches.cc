// RunStore: batches. A batch is a note, which says how many runs it is to have and which of them it had.
#include <algorithm>
#include <map>

#include "api/server/note_object.h"
#include "api/server/run_store.h"
#include "engine/json/json.h"

namespace cairn::server {

using engine::NoteKind;
using engine::Object;
using engine::Value;

Result<BatchView> RunStore::batch(const BatchCall& call, const RequestKey& key) {
  const auto* create = std::get_if<BatchCreate>(&call);
  const auto* items = std::get_if<BatchItems>(&call);
  const std::string id = create != nullptr  ? "batch_" + store_.new_run_id().substr(4)
                         : items != nullptr ? items->batch
                                            : std::get<BatchGet>(call).batch;
  const InWork::Names names(
      in_work_,
      names_of(key, {create != nullptr && !create->idempotency_key.empty() ? "k" + create->idempotency_key : "",
                     items != nullptr ? "b" + items->batch : ""}));
  CAIRN_TRY(names.status());
  bool token_used = false;
  CAIRN_TRY_ASSIGN(const auto answer, known_answer(key, token_used, items != nullptr ? id : ""));
  if (answer) {
    CAIRN_TRY_ASSIGN(BatchView out, view_of_batch(text_member(*answer, "id")));
    out.accepted = static_cast<size_t>(number_member(*answer, "accepted"));
    out.deduplicated = static_cast<size_t>(number_member(*answer, "deduplicated"));
    out.cached = number_member(*answer, "cached") != 0;
    return out;
  }
  if (token_used) {
    BatchView out;
    out.refused = Refused::kTokenUsed;
    return out;
  }
  const NudgeAtEnd nudge(feed_);
  return std::visit([&](const auto& one) { return apply(one, id, key); }, call);
}

Result<std::optional<Object>> RunStore::read_batch(const std::string& id) {
  if (!engine::valid_run_id(id)) {
    return std::optional<Object>();
  }
  CAIRN_TRY_ASSIGN(const auto note, store_.find_note(NoteKind::kBatch, id));
  if (!note) {
    return std::optional<Object>();
  }
  auto batch = engine::parse_json(note->value);
  if (!batch.ok() || batch->get<Object>() == nullptr) {
    return Status(Code::kCorrupt, "the note of a batch does not decode");
  }
  return std::optional<Object>(std::move(*batch->get<Object>()));
}

namespace {

constexpr size_t kShownKeyBytesMax = 2100;  // of an idempotency key in the note of its batch, as JSON

/// Which indexes of a batch have, or had, a run: a digit of four for each four of them.
class Taken {
 public:
  explicit Taken(const std::string& digits) {
    for (size_t i = 0; i < digits.size() && 4 * i < bits_.size(); ++i) {
      const char c = digits[i];
      const int four = c >= 'a' ? c - 'a' + 10 : c - '0';
      for (size_t k = 0; k < 4; ++k) {
        bits_[4 * i + k] = (four >> k & 1) != 0;
      }
    }
  }
  [[nodiscard]] bool has(size_t index) const { return bits_[index]; }
  void add(size_t index) { bits_[index] = true; }
  [[nodiscard]] size_t count() const { return static_cast<size_t>(std::count(bits_.begin(), bits_.end(), true)); }
  [[nodiscard]] std::string digits() const {
    std::string out;
    for (size_t i = 0; i < bits_.size(); i += 4) {
      int four = 0;
      for (size_t k = 0; k < 4; ++k) {
        four |= bits_[i + k] ? 1 << k : 0;
      }
      out.push_back("0123456789abcdef"[four]);
    }
    out.resize(out.find_last_not_of('0') + 1);
    return out;
  }

 private:
  std::vector<bool> bits_ = std::vector<bool>(kBatchRunsMax + 3);
};

std::string batch_run_name(const std::string& batch, size_t index) { return batch + ":" + std::to_string(index); }

}  // namespace

Result<BatchView> RunStore::view_of_batch(const std::string& id) {
  BatchView out;
  CAIRN_TRY_ASSIGN(const auto batch, read_batch(id));
  if (!batch) {
    out.refused = Refused::kNoSuchBatch;
    return out;
  }
  out.id = id;
  out.idempotency_key = text_member(*batch, "key");
  out.created_us = out.updated_us = number_member(*batch, "created_us");
  out.run_count = static_cast<size_t>(number_member(*batch, "runs"));
  const Taken taken(text_member(*batch, "taken"));
  CAIRN_TRY_ASSIGN(const auto made, store_.runs_of_batch(id));
  std::map<size_t, std::string> runs;
  for (const auto& [index, run] : made) {
    runs.try_emplace(index, run);
  }
  for (size_t index = 0; index < out.run_count; ++index) {
    if (!taken.has(index) || runs.contains(index)) {
      continue;  // one that is taken and has no run had one that is erased, or has one of another batch
    }
    CAIRN_TRY_ASSIGN(const auto note, store_.find_note(NoteKind::kBatchRun, batch_run_name(id, index)));
    if (note) {
      runs[index] = note->value;
    }
  }
  bool all_final = true;
  for (const auto& [index, run] : runs) {
    CAIRN_TRY_ASSIGN(const auto view, store_.peek(run, false));
    if (!view || view->erased) {
      continue;
    }
    out.runs.emplace_back(index, run);
    out.updated_us = std::max(out.updated_us, view->record.created_us);
    all_final = all_final && engine::is_final(view->record.status);
  }
  out.sealed = taken.count() >= out.run_count;
  out.all_final = out.sealed && all_final;
  return out;
}

Result<BatchView> RunStore::apply(const BatchCreate& create, const std::string& id, const RequestKey& request) {
  BatchView out;
  if (create.runs == 0 || create.runs > kBatchRunsMax) {
    out.refused = Refused::kBadRequest;
    out.reason = "a batch has 1 to " + std::to_string(kBatchRunsMax) + " runs";
    return out;
  }
  const std::string key = engine::note_digest(create.idempotency_key);
  Notes notes = notes_of(request, {{"id", Value(id)}});
  if (!create.idempotency_key.empty()) {
    CAIRN_TRY_ASSIGN(const auto note, store_.find_note(NoteKind::kBatchKey, key));
    if (note && note->until_us > now()) {
      const Notes known = notes_of(request, {{"id", Value(note->value)}, {"cached", Value(1)}});
      CAIRN_TRY(known.empty() ? Status() : store_.write_notes(known));
      CAIRN_TRY_ASSIGN(out, view_of_batch(note->value));
      out.cached = true;
      return out;
    }
    notes.push_back({NoteKind::kBatchKey, key, create.idempotency_until_us, id});
  }
  Object batch = {{"runs", Value(static_cast<int64_t>(create.runs))},
                  {"created_us", Value(now())},
                  {"parent", Value(create.parent)},
                  {"waits", Value(create.waits ? 1 : 0)}};
  if (engine::json_string_bytes(create.idempotency_key) <= kShownKeyBytesMax) {
    batch.push_back({"key", Value(create.idempotency_key)});
  }
  notes.push_back({NoteKind::kBatch, id, now() + engine::kBatchKeptUs, engine::to_json(Value(std::move(batch)))});
  CAIRN_TRY(store_.write_notes(notes));
  return view_of_batch(id);
}

// What is taken is noted with the run that takes it. An item whose idempotency key has a run already gets that one.
Status RunStore::add_item(const BatchItems& items, const BatchItems::Item& item, Object& batch, BatchView& out) {
  Trigger trigger = item.trigger;
  trigger.parent = text_member(batch, "parent");
  trigger.function = number_member(batch, "waits") != 0 ? engine::TriggerFunction::kBatchTriggerAndWait
                                                        : engine::TriggerFunction::kBatchTrigger;
  const InWork::Names names(
      in_work_,
      {trigger.idempotency_key.empty() ? "" : "i" + engine::run_key_name(trigger.task, trigger.idempotency_key)});
  CAIRN_TRY(names.status());
  CAIRN_TRY_ASSIGN(const auto cached, cached_run(trigger.task, trigger.idempotency_key));
  Taken taken(text_member(batch, "taken"));
  taken.add(item.index);
  Object after = batch;
  set_member(after, "taken", Value(taken.digits()));
  Notes notes = {{NoteKind::kBatch, items.batch, now() + engine::kBatchKeptUs, engine::to_json(Value(after))}};
  if (!cached.empty()) {
    notes.push_back(
        {NoteKind::kBatchRun, batch_run_name(items.batch, item.index), now() + engine::kBatchKeptUs, cached});
    CAIRN_TRY(store_.write_notes(notes, engine::Durability::kProcess));
  } else {
    // Each is in the log before the next; one sync, which the caller waits for, covers all.
    CAIRN_TRY_ASSIGN(const Written made, start_run(trigger, store_.new_run_id(), items.batch, item.index,
                                                   std::move(notes), engine::Durability::kProcess));
    if (made.refused != Refused::kNo) {
      out.refused = made.refused;
      out.reason = made.reason;
      out.bytes_max = made.bytes_max;
      return {};
    }
  }
  batch = std::move(after);
  return {};
}

// What was there before the item that is refused stays.
Result<BatchView> RunStore::apply(const BatchItems& items, const std::string& id, const RequestKey& request) {
  BatchView filled;
  CAIRN_TRY_ASSIGN(auto batch, read_batch(id));
  if (!batch) {
    filled.refused = Refused::kNoSuchBatch;
    return filled;
  }
  const auto runs = static_cast<size_t>(number_member(*batch, "runs"));
  size_t accepted = 0;
  for (const BatchItems::Item& item : items.items) {
    filled.refused_index = item.index;
    if (item.index >= runs) {
      filled.refused = Refused::kBadRequest;
      filled.reason = "the batch has the indexes 0 to " + std::to_string(runs - 1);
      break;
    }
    if (Taken(text_member(*batch, "taken")).has(item.index)) {
      ++filled.deduplicated;
      continue;
    }
    CAIRN_TRY(add_item(items, item, *batch, filled));
    if (filled.refused != Refused::kNo) {
      break;
    }
    ++accepted;
  }
  if (filled.refused == Refused::kNo) {
    const Notes notes = notes_of(request, {{"id", Value(id)},
                                           {"accepted", Value(static_cast<int64_t>(accepted))},
                                           {"deduplicated", Value(static_cast<int64_t>(filled.deduplicated))}});
    CAIRN_TRY(notes.empty() ? Status() : store_.write_notes(notes, engine::Durability::kProcess));
  }
  if (store_.options().durability != engine::Durability::kProcess) {
    CAIRN_TRY(store_.barrier());
  }
  if (filled.refused != Refused::kNo) {
    return filled;
  }
  CAIRN_TRY_ASSIGN(BatchView out, view_of_batch(id));
  out.accepted = accepted;
  out.deduplicated = filled.deduplicated;
  return out;
}

Result<BatchView> RunStore::apply(const BatchGet& /*get*/, const std::string& id, const RequestKey& /*request*/) {
  return view_of_batch(id);
}

}  // namespace cairn::server
