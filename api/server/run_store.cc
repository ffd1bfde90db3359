// RunStore: requests that count once, and what each Change does.
#include "api/server/run_store.h"

#include <algorithm>
#include <map>

#include "api/server/times.h"
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

constexpr size_t kShownKeyBytesMax = 2100;  // of an idempotency key in the note of its batch, as JSON

std::string hex_of(const std::array<uint8_t, 16>& id) {
  std::string text;
  for (const uint8_t byte : id) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

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

const Value* member(const Object& object, std::string_view key) {
  const auto at = std::find_if(object.begin(), object.end(), [key](const auto& p) { return p.key == key; });
  return at == object.end() ? nullptr : &at->value;
}

std::string text_member(const Object& object, std::string_view key) {
  const Value* value = member(object, key);
  const auto* text = value == nullptr ? nullptr : value->get<std::string>();
  return text == nullptr ? std::string() : *text;
}

int64_t number_member(const Object& object, std::string_view key) {
  const Value* value = member(object, key);
  const auto* number = value == nullptr ? nullptr : value->get<int64_t>();
  return number == nullptr ? 0 : *number;
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

InWork::Names::Names(InWork& all, std::vector<std::string> names) : all_(all), names_(std::move(names)) {
  std::erase(names_, "");
  const MutexLock guard(all_.mutex_);
  while (std::any_of(names_.begin(), names_.end(), [this](const std::string& name) {
    all_.mutex_.assert_held();
    return all_.names_.contains(name);
  })) {
    all_.freed_.wait(all_.mutex_);
  }
  all_.names_.insert(names_.begin(), names_.end());
}

InWork::Names::~Names() {
  {
    const MutexLock guard(all_.mutex_);
    for (const std::string& name : names_) {
      all_.names_.erase(name);
    }
  }
  all_.freed_.notify_all();
}

RunStore::RunStore(engine::Store& store, const Options& options)
    : store_(store),
      name_(options.name.empty() ? hex_of(store.store_id()) : options.name),
      feed_(store, options.history_max) {}

RunStore::~RunStore() = default;

int64_t RunStore::now() const {
  const engine::Hooks& hooks = store_.options().hooks;
  return hooks.wall_us(hooks.context);
}

// --- requests that count once ---

Result<std::optional<Object>> RunStore::known_answer(const RequestKey& key, bool& token_used) {
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
    token_used = note && note->until_us >= now();
  }
  return std::optional<Object>();
}

RunStore::Notes RunStore::notes_of(const RequestKey& key, const Object& answer) const {
  Notes notes;
  if (!key.request.empty()) {
    notes.push_back(
        {NoteKind::kRequest, engine::note_digest(key.request), now() + kRequestKeptUs, engine::to_json(Value(answer))});
  }
  if (!key.once_token.empty()) {
    notes.push_back({NoteKind::kUsedToken, engine::note_digest(key.once_token), key.once_until_us, ""});
  }
  return notes;
}

namespace {

/// What an update puts into staging gives no hint by itself.
struct Nudge {
  explicit Nudge(StoreFeed& f) : feed(f) {}
  ~Nudge() { feed.nudge(); }
  Nudge(const Nudge&) = delete;
  Nudge& operator=(const Nudge&) = delete;
  StoreFeed& feed;
};

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
  } else if (const auto* reset = std::get_if<ResetIdempotencyKey>(&change)) {
    planned.idempotency = "i" + engine::run_key_name(reset->task, reset->key);
  }
  return planned;
}

}  // namespace

Result<Written> RunStore::write(const Change& change, const RequestKey& key) {
  const Planned planned = plan_of(change, store_);
  const InWork::Names names(in_work_, {key.request.empty() ? "" : "r" + key.request,
                                       key.once_token.empty() ? "" : "t" + key.once_token, planned.idempotency});
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
    return out;
  }
  if (token_used) {
    return refuse(Refused::kTokenUsed);
  }
  const Nudge nudge(feed_);
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
        } else {
          return apply(one, notes_of(key, {{"id", Value(one.run)}}));
        }
      },
      change);
}

// --- what each change does ---

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
  how.skip_unapplied = true;
  how.late_us = INT64_MAX;  // the bound is for the run itself: its parent and root may have ended long ago
  how.notes = std::move(notes);
  if (all.empty()) {
    CAIRN_TRY(how.notes.empty() ? Status() : store_.write_notes(how.notes));
  } else if (const Status s = store_.transact(all, engine::Durability::kDefault, nullptr, how); !s.ok()) {
    return refused_by(s, store_.options().metadata_bytes_max);
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

Result<Written> RunStore::change_run(const std::string& id, const engine::RunChangeRequest& request) {
  Written out;
  CAIRN_TRY_ASSIGN(const auto run, own_run(id, out));
  if (run == nullptr) {
    return out;
  }
  const auto changed = store_.change(*run, request);
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
  CAIRN_TRY_ASSIGN(Written out, change_run(change.run, request));
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

// --- delays and times to live ---

void RunStore::expect(const std::string& id, int64_t at_us) {
  const MutexLock guard(times_mutex_);
  times_.emplace(at_us, id);
}

// Once, for what was there before this process.
Status RunStore::read_times() {
  constexpr size_t kAtOnce = 1000;
  {
    const MutexLock guard(times_mutex_);
    if (times_read_) {
      return {};
    }
  }
  engine::RunQuery query;
  query.statuses = engine::status_bit(RunStatus::kDelayed) | engine::status_bit(RunStatus::kQueued);
  query.order = engine::RunOrder::kId;
  query.limit = kAtOnce;
  do {
    std::vector<std::pair<int64_t, std::string>> found;
    auto next = store_.list(
        query,
        [&](const engine::RunView& view) {
          const engine::RunRecord& r = view.record;
          if (!r.owned_here() || !r.details) {
            return true;
          }
          if (r.status == RunStatus::kDelayed) {
            found.emplace_back(r.details->delayed_until_us, r.id);
          } else if (const auto ttl = parse_duration_us(r.details->ttl); ttl.value_or(0) != 0) {
            found.emplace_back(r.details->queued_us + *ttl, r.id);
          }
          return true;
        },
        false);
    CAIRN_TRY(next.status());
    const MutexLock guard(times_mutex_);
    times_.insert(found.begin(), found.end());
    query.cursor = std::move(*next);
  } while (!query.cursor.empty());
  const MutexLock guard(times_mutex_);
  times_read_ = true;
  return {};
}

// The run may have changed since the time was noted: each step is judged under its lock. Each is in the log before the
// next; one sync covers many.
Status RunStore::keep_time_of(const std::string& id, int64_t now_us) {
  Written refused;
  CAIRN_TRY_ASSIGN(const auto run, own_run(id, refused));
  if (run == nullptr) {
    return {};
  }
  engine::RunChangeRequest queue;
  queue.from = RunStatus::kDelayed;
  queue.to = RunStatus::kQueued;
  queue.delay_over_us = now_us;
  CAIRN_TRY(store_.change(*run, queue, engine::Durability::kProcess).status());
  const engine::RunView view = store_.view(*run, false);
  const auto& details = view.record.details;
  const auto ttl = details ? parse_duration_us(details->ttl) : std::nullopt;
  if (view.record.status != RunStatus::kQueued || ttl.value_or(0) == 0) {
    return {};
  }
  const int64_t ends_us = details->queued_us + *ttl;
  if (ends_us > now_us) {
    expect(id, ends_us);
    return {};
  }
  engine::RunChangeRequest expire;
  expire.from = RunStatus::kQueued;
  expire.to = RunStatus::kExpired;
  return store_.change(*run, expire, engine::Durability::kProcess).status();
}

// A run that cannot be changed does not keep the others from their time.
Result<int64_t> RunStore::keep_time(int64_t now_us) {
  constexpr int kAtOnce = 1000;
  constexpr int64_t kRetryUs = 60'000'000;
  const Nudge nudge(feed_);
  (void)feed_.now();  // what changed is taken from the store's list, also while nobody looks
  CAIRN_TRY(read_times());
  Status failed;
  for (int i = 0; i < kAtOnce; ++i) {
    std::pair<int64_t, std::string> due;
    {
      const MutexLock guard(times_mutex_);
      if (times_.empty() || times_.begin()->first > now_us) {
        break;
      }
      due = *times_.begin();
    }
    const Status s = keep_time_of(due.second, now_us);
    failed = s.ok() ? failed : s;
    const MutexLock guard(times_mutex_);
    times_.erase(due);
    if (!s.ok()) {
      times_.emplace(now_us + kRetryUs, due.second);
    }
  }
  if (store_.options().durability != engine::Durability::kProcess) {
    CAIRN_TRY(store_.barrier());
  }
  CAIRN_TRY(failed);
  const MutexLock guard(times_mutex_);
  return times_.empty() ? INT64_MAX : std::max(times_.begin()->first, now_us);
}

// --- batches ---

Result<BatchView> RunStore::batch(const BatchCall& call, const RequestKey& key) {
  const auto* create = std::get_if<BatchCreate>(&call);
  const auto* items = std::get_if<BatchItems>(&call);
  const std::string id = create != nullptr  ? "batch_" + store_.new_run_id().substr(4)
                         : items != nullptr ? items->batch
                                            : std::get<BatchGet>(call).batch;
  const InWork::Names names(
      in_work_, {key.request.empty() ? "" : "r" + key.request, key.once_token.empty() ? "" : "t" + key.once_token,
                 create != nullptr && !create->idempotency_key.empty() ? "k" + create->idempotency_key : "",
                 items != nullptr ? "b" + items->batch : ""});
  bool token_used = false;
  CAIRN_TRY_ASSIGN(const auto answer, known_answer(key, token_used));
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
  const Nudge nudge(feed_);
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

void set_member(Object& object, std::string_view key, Value value) {
  const auto at = std::find_if(object.begin(), object.end(), [key](const auto& p) { return p.key == key; });
  if (at == object.end()) {
    object.push_back({std::string(key), std::move(value)});
  } else {
    at->value = std::move(value);
  }
}

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
