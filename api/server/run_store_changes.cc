// RunStore: what each Change does.
#include <algorithm>

#include "api/server/run_store.h"
#include "engine/base/error_detail.h"
#include "engine/json/json.h"
#include "engine/store/intake.h"

namespace cairn::server {

using engine::Note;
using engine::NoteKind;
using engine::Object;
using engine::RunStatus;
using engine::Value;

namespace {

Written refuse(Refused why, std::string reason = {}) {
  Written out;
  out.refused = why;
  out.reason = std::move(reason);
  return out;
}

/// What a call of the store says no to, as the answer to the request; trouble that passes stays a Status.
Result<Written> refused_by(const Status& s, size_t metadata_bytes_max) {
  switch (s.code) {
    case Code::kTooLarge: {
      const engine::ErrorDetail& detail = engine::error_detail();
      Written out =
          refuse(detail.limit == metadata_bytes_max ? Refused::kTooLarge : Refused::kBadRequest, detail.message);
      out.bytes_max = metadata_bytes_max;
      return out;
    }
    case Code::kNoSuchRun:
    case Code::kErased:
      return refuse(Refused::kNoSuchRun);
    case Code::kFinished:
      return refuse(Refused::kFinished);
    case Code::kInvalidArgument:
    case Code::kInvalidUtf8:
    case Code::kInvalidJson:
    case Code::kTooDeep:
    case Code::kNotFinite:
    case Code::kTypeMismatch:
    case Code::kKeyRefused:
    case Code::kUnapplied:
      return refuse(Refused::kBadRequest, engine::error_detail().message);
    default:
      return s;
  }
}

/// A run that ended so did not do what its idempotency key stands for.
bool counts_as_none(RunStatus status) {
  return status == RunStatus::kFailed || status == RunStatus::kCrashed || status == RunStatus::kSystemFailure ||
         status == RunStatus::kTimedOut || status == RunStatus::kExpired;
}

std::vector<std::string> once_each(std::vector<std::string> tags) {
  std::sort(tags.begin(), tags.end());
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  return tags;
}

std::shared_ptr<const engine::RunTexts> output_of(const std::optional<TypedText>& output) {
  if (!output) {
    return nullptr;
  }
  engine::RunTexts texts;
  texts.output = engine::TypedText{output->type, output->text};
  return std::make_shared<const engine::RunTexts>(std::move(texts));
}

}  // namespace

Result<std::string> RunStore::cached_run(const std::string& task, const std::string& key) {
  if (key.empty()) {
    return std::string();
  }
  CAIRN_TRY_ASSIGN(const auto note, store_.find_note(NoteKind::kRunKey, engine::run_key_name(task, key)));
  if (!note || note->until_us <= now()) {
    return std::string();
  }
  CAIRN_TRY_ASSIGN(const auto run, store_.peek(note->value, false));
  return run && !run->erased && !counts_as_none(run->record.status) ? note->value : std::string();
}

Result<Written> RunStore::start_run(const Trigger& trigger, std::string id, const std::string& batch, size_t index,
                                    Notes notes, engine::Durability durability) {
  engine::StartOptions options;
  engine::RunTexts texts;
  if (trigger.payload && trigger.payload->text.size() > kPayloadBytesMax) {
    Written out = refuse(Refused::kTooLarge, "the payload");
    out.bytes_max = kPayloadBytesMax;
    return out;
  }
  if (trigger.payload) {
    texts.payload = engine::TypedText{trigger.payload->type, trigger.payload->text};
  }
  if (trigger.metadata) {
    auto parsed = engine::parse_json(*trigger.metadata);
    auto* object = parsed.ok() ? parsed->get<Object>() : nullptr;
    if (object == nullptr) {
      return refuse(Refused::kBadRequest, parsed.ok() ? "metadata must be a JSON object" : parsed.status().what);
    }
    options.metadata = std::move(*object);
    texts.seed = engine::TypedText{"application/json", *trigger.metadata};
  }
  options.id = std::move(id);
  options.task = trigger.task;
  options.parent = trigger.parent;
  options.tags = once_each(trigger.tags);
  if (options.tags.size() > kTriggerTagsMax) {
    return refuse(Refused::kTooManyTags);
  }
  const int64_t at = now();
  const bool waits = trigger.delayed_until_us > at;
  options.status = waits ? RunStatus::kDelayed : RunStatus::kQueued;
  engine::RunDetails& details = options.details;
  details.delayed_until_us = trigger.delayed_until_us;
  details.ttl = trigger.ttl;
  details.is_test = trigger.is_test;
  details.function = trigger.function;
  details.batch = batch;
  details.batch_index = static_cast<uint32_t>(index);
  details.idempotency_key = trigger.idempotency_key;
  if (!trigger.idempotency_key.empty()) {
    notes.push_back({NoteKind::kRunKey, engine::run_key_name(trigger.task, trigger.idempotency_key),
                     trigger.idempotency_until_us, options.id});
  }
  if (texts.kinds() != 0) {
    options.with.texts = std::make_shared<const engine::RunTexts>(std::move(texts));
  }
  options.with.notes = std::move(notes);
  auto run = store_.start(options, durability);
  if (!run.ok()) {
    return refused_by(run.status(), store_.options().metadata_bytes_max);
  }
  if (waits || trigger.ttl_us > 0) {
    expect(options.id, waits ? trigger.delayed_until_us : at + trigger.ttl_us);
  }
  Written out;
  out.id = options.id;
  out.status = options.status;
  return out;
}

Result<Written> RunStore::apply(const MetadataUpdate& update, Notes notes) {
  auto run = store_.find(update.run);
  if (!run.ok()) {
    return refused_by(run.status(), 0);
  }
  const engine::RunView before = store_.view(**run, false);
  if (before.record.foreign) {
    return refuse(Refused::kNoSuchRun);  // something waits here for its owner, and that is all
  }
  if (engine::is_final(before.record.status) && now() - before.record.finished_us > update.late_us) {
    return refuse(Refused::kFinished);
  }
  const auto add = [](std::vector<engine::RunOperation>& all, engine::Run& of,
                      const std::vector<engine::Operation>& operations) {
    for (const engine::Operation& op : operations) {
      all.push_back({&of, op});
    }
  };
  std::vector<engine::RunOperation> all;
  add(all, **run, update.operations);
  engine::RunRef parent;
  engine::RunRef root;
  if (!update.parent_operations.empty()) {
    CAIRN_TRY_ASSIGN(parent, store_.parent(**run));
    add(all, *parent, update.parent_operations);
  }
  if (!update.root_operations.empty()) {
    CAIRN_TRY_ASSIGN(root, store_.root(**run));
    add(all, *root, update.root_operations);
  }
  engine::TransactOptions how;
  std::vector<engine::Reason> unapplied(all.size());
  how.skip_unapplied = true;
  how.unapplied = &unapplied;
  how.late_us = INT64_MAX;  // the bound is for the run itself: its parent and root may have ended long ago
  how.notes = std::move(notes);
  if (all.empty()) {
    CAIRN_TRY(how.notes.empty() ? Status() : store_.write_notes(how.notes));
  } else if (const Status s = store_.transact(all, engine::Durability::kDefault, nullptr, how); !s.ok()) {
    return refused_by(s, store_.options().metadata_bytes_max);
  }
  for (const engine::RunOperation& op : all) {
    operations_.at(static_cast<size_t>(op.op.type)).fetch_add(1, std::memory_order_relaxed);
  }
  for (const engine::Reason reason : unapplied) {
    unapplied_.at(static_cast<size_t>(reason)).fetch_add(1, std::memory_order_relaxed);
  }
  Written out;
  out.id = update.run;
  const engine::RunView after = store_.view(**run, true);
  out.status = after.record.status;
  out.metadata = after.record.document.to_json();
  return out;
}

Result<engine::RunRef> RunStore::own_run(const std::string& id, Written& refused) {
  auto run = store_.find(id);
  if (!run.ok()) {
    CAIRN_TRY_ASSIGN(refused, refused_by(run.status(), 0));
    return engine::RunRef();
  }
  const engine::RunView view = store_.view(**run, false);
  if (view.record.foreign) {
    refused = refuse(Refused::kNoSuchRun);
    return engine::RunRef();
  }
  if (!view.record.owned_here()) {
    refused = refuse(Refused::kOwnedElsewhere, engine::owner_text(view.record.origin.owner));
    return engine::RunRef();
  }
  return run;
}

Result<Written> RunStore::change_run(const std::string& id, const engine::RunChangeRequest& request,
                                     engine::Durability durability) {
  Written out;
  CAIRN_TRY_ASSIGN(const auto run, own_run(id, out));
  if (run == nullptr) {
    return out;
  }
  const auto changed = store_.change(*run, request, durability);
  if (!changed.ok()) {
    return refused_by(changed.status(), store_.options().metadata_bytes_max);
  }
  out.id = id;
  out.status = changed->status;
  out.tags_added = changed->tags_added;
  if (!changed->done) {
    out.refused = changed->too_many_tags ? Refused::kTooManyTags : Refused::kOtherStatus;
  }
  return out;
}

Result<Written> RunStore::apply(const StatusChange& change, Notes notes) {
  if (change.output && change.output->text.size() > kOutputBytesMax) {
    Written out;
    CAIRN_TRY_ASSIGN(const auto run, own_run(change.run, out));
    if (run == nullptr) {
      return out;
    }
    out.status = store_.view(*run, false).record.status;
    const bool other = engine::is_final(out.status) || (change.from && *change.from != out.status);
    out.refused = other ? Refused::kOtherStatus : Refused::kTooLarge;
    out.reason = other ? "" : "the output";
    out.bytes_max = kOutputBytesMax;
    return out;
  }
  engine::RunChangeRequest request;
  request.from = change.from;
  request.to = change.to;
  request.error = change.error;
  request.with = {output_of(change.output), std::move(notes)};
  CAIRN_TRY_ASSIGN(Written out,
                   change_run(change.run, request,
                              change.survives_power_loss ? engine::Durability::kPower : engine::Durability::kDefault));
  if (out.refused == Refused::kNo && change.to == RunStatus::kQueued) {
    expect(change.run, now());  // its time to live begins anew
  }
  return out;
}

Result<Written> RunStore::apply(const Cancel& cancel, Notes notes) {
  engine::RunChangeRequest request;
  request.to = RunStatus::kCanceled;
  request.with.notes = std::move(notes);
  CAIRN_TRY_ASSIGN(Written out, change_run(cancel.run, request));
  if (out.refused == Refused::kOtherStatus) {
    out.refused = Refused::kNo;  // it is finished, and stays as it is
  }
  return out;
}

Result<Written> RunStore::apply(const AddTags& add, Notes notes) {
  engine::RunChangeRequest request;
  request.add_tags = add.tags;
  request.tags_max = kTriggerTagsMax;
  request.on_finished = true;
  request.with.notes = std::move(notes);
  request.complete_notes = [&add](const engine::RunChanged& changed, std::vector<Note>& said) {
    for (Note& note : said) {
      if (note.kind == NoteKind::kRequest) {
        note.value = engine::to_json(
            Value(Object{{"id", Value(add.run)}, {"tags", Value(static_cast<int64_t>(changed.tags_added))}}));
      }
    }
  };
  return change_run(add.run, request);
}

Result<Written> RunStore::apply(const Reschedule& reschedule, Notes notes) {
  engine::RunChangeRequest request;
  request.from = RunStatus::kDelayed;
  request.delayed_until_us = reschedule.delayed_until_us;
  request.with.notes = std::move(notes);
  CAIRN_TRY_ASSIGN(Written out, change_run(reschedule.run, request));
  if (out.refused == Refused::kNo) {
    expect(reschedule.run, reschedule.delayed_until_us);
    if (reschedule.delayed_until_us <= now()) {
      CAIRN_TRY(keep_time_of(reschedule.run, now()));
    }
  }
  return out;
}

Result<Written> RunStore::apply(const ResetIdempotencyKey& reset, Notes notes) {
  CAIRN_TRY_ASSIGN(const auto run, cached_run(reset.task, reset.key));
  if (run.empty()) {
    return refuse(Refused::kNoSuchKey);
  }
  notes.push_back({NoteKind::kRunKey, engine::run_key_name(reset.task, reset.key), engine::kNoteErased, ""});
  CAIRN_TRY(store_.write_notes(notes));
  Written out;
  out.id = run;
  return out;
}

}  // namespace cairn::server
