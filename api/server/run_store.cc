// RunStore: requests that count once.
#include "api/server/run_store.h"

#include "api/server/note_object.h"
#include "engine/json/json.h"

namespace cairn::server {

using engine::NoteKind;
using engine::Object;
using engine::Value;

namespace {

std::string hex_of(const std::array<uint8_t, 16>& id) {
  std::string text;
  for (const uint8_t byte : id) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace

RunStore::RunStore(engine::Store& store, const Options& options)
    : store_(store),
      name_(options.name.empty() ? hex_of(store.store_id()) : options.name),
      feed_(store, options.history_max) {}

RunStore::~RunStore() = default;

int64_t RunStore::now() const {
  const engine::Hooks& hooks = store_.options().hooks;
  return hooks.wall_us(hooks.context);
}

Result<std::optional<Object>> RunStore::known_answer(const RequestKey& key, bool& token_used,
                                                     const std::string& batch) {
  token_used = false;
  if (!key.request.empty()) {
    CAIRN_TRY_ASSIGN(const auto note, store_.find_note(NoteKind::kRequest, engine::note_digest(key.request)));
    if (note && note->until_us >= now()) {
      auto answer = engine::parse_json(note->value);
      if (!answer.ok() || answer->get<Object>() == nullptr) {
        return Status(Code::kCorrupt, "the note of a request does not decode");
      }
      return std::optional<Object>(std::move(*answer->get<Object>()));
    }
  }
  if (!key.once_token.empty()) {
    CAIRN_TRY_ASSIGN(const auto note, store_.find_note(NoteKind::kUsedToken, engine::note_digest(key.once_token)));
    token_used = note && note->until_us >= now() && (batch.empty() || note->value != batch);
  }
  return std::optional<Object>();
}

std::vector<std::string> RunStore::names_of(const RequestKey& key, std::vector<std::string> names) {
  names.push_back(key.request.empty() ? "" : "r" + key.request);
  names.push_back(key.once_token.empty() ? "" : "t" + key.once_token);
  return names;
}

RunStore::Notes RunStore::notes_of(const RequestKey& key, const Object& answer) const {
  Notes notes;
  if (!key.request.empty()) {
    notes.push_back(
        {NoteKind::kRequest, engine::note_digest(key.request), now() + kRequestKeptUs, engine::to_json(Value(answer))});
  }
  if (!key.once_token.empty()) {
    notes.push_back(
        {NoteKind::kUsedToken, engine::note_digest(key.once_token), key.once_until_us, text_member(answer, "id")});
  }
  return notes;
}

namespace {

/// What a repeat of the request is answered from. The id of a run that is triggered is made before it is.
struct Planned {
  std::string id;
  std::string idempotency;  // in work as long as this is
};

Planned plan_of(const Change& change, const engine::Store& store) {
  Planned planned;
  if (const auto* trigger = std::get_if<Trigger>(&change)) {
    planned.id = store.new_run_id();
    if (!trigger->idempotency_key.empty()) {
      planned.idempotency = "i" + engine::run_key_name(trigger->task, trigger->idempotency_key);
    }
  } else if (const auto* start = std::get_if<StartRun>(&change)) {
    planned.id = start->id.empty() ? store.new_run_id() : start->id;
  } else if (const auto* reset = std::get_if<ResetIdempotencyKey>(&change)) {
    planned.idempotency = "i" + engine::run_key_name(reset->task, reset->key);
  }
  return planned;
}

}  // namespace

Result<Written> RunStore::write(const Change& change, const RequestKey& key) {
  const Planned planned = plan_of(change, store_);
  const InWork::Names names(in_work_, names_of(key, {planned.idempotency}));
  CAIRN_TRY(names.status());
  bool token_used = false;
  CAIRN_TRY_ASSIGN(const auto answer, known_answer(key, token_used));
  if (answer) {
    Written out;
    out.repeated = true;
    out.id = text_member(*answer, "id");
    out.cached = number_member(*answer, "cached") != 0;
    out.tags_added = static_cast<size_t>(number_member(*answer, "tags"));
    CAIRN_TRY_ASSIGN(const auto run, store_.peek(out.id, true));
    if (run) {
      out.status = run->record.status;
      out.metadata = run->record.document.to_json();
    }
    if (const auto* operations = std::get_if<RunOperations>(&change)) {
      CAIRN_TRY(add_known(*operations, *answer, key.request, out));
    }
    return out;
  }
  if (token_used) {
    Written out;
    out.refused = Refused::kTokenUsed;
    return out;
  }
  const NudgeAtEnd nudge(feed_);
  return std::visit(
      [&](const auto& one) -> Result<Written> {
        if constexpr (std::is_same_v<std::decay_t<decltype(one)>, Trigger>) {
          CAIRN_TRY_ASSIGN(const auto cached, cached_run(one.task, one.idempotency_key));
          if (!cached.empty()) {
            Object said = {{"id", Value(cached)}, {"cached", Value(1)}};
            if (const Notes notes = notes_of(key, said); !notes.empty()) {
              CAIRN_TRY(store_.write_notes(notes));
            }
            Written out;
            out.id = cached;
            out.cached = out.repeated = true;
            return out;
          }
          return start_run(one, planned.id, "", 0, notes_of(key, {{"id", Value(planned.id)}}),
                           engine::Durability::kDefault);
        } else if constexpr (std::is_same_v<std::decay_t<decltype(one)>, ResetIdempotencyKey>) {
          return apply(one, notes_of(key, {}));
        } else if constexpr (std::is_same_v<std::decay_t<decltype(one)>, StartRun>) {
          StartRun named = one;
          named.id = planned.id;
          return apply(named, notes_of(key, {{"id", Value(planned.id)}}));
        } else if constexpr (std::is_same_v<std::decay_t<decltype(one)>, RunOperations>) {
          return apply(one, notes_of(key, {{"id", Value(one.parts.front().run)}}), key.request);
        } else {
          return apply(one, notes_of(key, {{"id", Value(one.run)}}));
        }
      },
      change);
}

}  // namespace cairn::server
