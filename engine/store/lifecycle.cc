#include "engine/store/lifecycle.h"

#include <algorithm>

#include "engine/base/error_detail.h"
#include "engine/base/undo_unless_done.h"
#include "engine/diff/nesting.h"
#include "engine/document/check_metadata.h"
#include "engine/json/json.h"
#include "engine/store/upstream_sender.h"

namespace cairn::engine {

Status check_tags(const std::vector<std::string>& tags) {
  if (tags.size() > kTagsMax) {
    return fail(Code::kTooLarge, "a run has at most 256 tags");
  }
  for (const std::string& tag : tags) {
    if (tag.size() > kTagBytesMax) {
      return fail(Code::kTooLarge, "a tag has at most 512 bytes: one begins with " + tag.substr(0, 64));
    }
    if (!valid_utf8(tag)) {
      return fail(Code::kInvalidUtf8, "a tag is not UTF-8");
    }
  }
  return {};
}

Status check_start(const StartOptions& options) {
  if (!options.id.empty() && !valid_run_id(options.id)) {
    return fail(Code::kInvalidArgument, kRunIdRule, options.id.substr(0, 80));
  }
  if (options.task.size() > kTaskBytesMax) {
    return fail(Code::kTooLarge, "a task name has at most 1024 bytes", options.task.substr(0, 64));
  }
  if (!valid_utf8(options.task)) {
    return fail(Code::kInvalidUtf8, "the task name is not UTF-8");
  }
  for (const std::string* id : {&options.parent, &options.root}) {
    if (!id->empty() && !valid_run_id(*id)) {
      return fail(Code::kInvalidArgument, kRunIdRule, id->substr(0, 80));
    }
  }
  return check_tags(options.tags);
}

namespace {

// "run_" and 26 characters of Crockford's base 32: 48 bits of milliseconds, 80 random bits. Sorts by time.
std::string make_run_id(int64_t now_us, const std::array<uint8_t, 10>& random) {
  static constexpr char kDigits[] = "0123456789abcdefghjkmnpqrstvwxyz";
  std::array<uint8_t, 16> bits{};
  const auto ms = static_cast<uint64_t>(now_us / 1000);
  for (size_t i = 0; i < 6; ++i) {
    bits[i] = static_cast<uint8_t>(ms >> (40 - 8 * i));
  }
  std::copy(random.begin(), random.end(), bits.begin() + 6);
  std::string id = "run_";
  // 130 bits of digits for 128 bits: the first digit carries three.
  for (int digit = 0; digit < 26; ++digit) {
    unsigned v = 0;
    for (int b = 0; b < 5; ++b) {
      const int bit = digit * 5 + b - 2;
      v = v << 1 | (bit < 0 ? 0 : bits[static_cast<size_t>(bit) / 8] >> (7 - bit % 8) & 1);
    }
    id.push_back(kDigits[v]);
  }
  return id;
}

}  // namespace

Result<RunRef> Lifecycle::find(std::string_view id) {
  CAIRN_TRY(gate_.check_process());
  if (gate_.is_closed()) {
    return fail_closed();
  }
  if (!valid_run_id(id)) {
    return fail(Code::kInvalidArgument, kRunIdRule, id.substr(0, 80));
  }
  auto run = runs_.load(id);
  if (!run.ok()) {
    return run.code() == Code::kNoSuchRun ? fail(run.status(), "there is no such run in this store", id) : run.status();
  }
  const RunGuard guard((*run)->lock);
  if ((*run)->gate == Code::kErased) {
    return fail(Code::kNoSuchRun, "there is no such run in this store", id);
  }
  return run;
}

Status Lifecycle::check_document(Document& document) const {
  CAIRN_TRY(check_metadata(document, options_.metadata_bytes_max));
  const Status s = check_nesting(document);
  return s.ok() ? s : fail(s, s.what);
}

std::string Lifecycle::new_id() const {
  std::array<uint8_t, 10> random;
  hooks_.random_bytes(hooks_.context, random.data(), random.size());
  return make_run_id(now_us(), random);
}

// A run that nobody has taken belongs to no process.
Status Lifecycle::take_details(RunRecord& record, const StartOptions& options) const {
  if (is_final(options.status) || options.status == RunStatus::kCrashed) {
    return fail(Code::kInvalidArgument, "a run does not start as finished");
  }
  record.status = options.status;
  const bool waits = options.status == RunStatus::kQueued || options.status == RunStatus::kDelayed ||
                     options.status == RunStatus::kPendingVersion;
  record.session = waits ? kSessionOfNone : options_.session;
  RunDetails details = options.details;
  follow_status(details, RunStatus::kExecuting, record.status, record.created_us);
  if (const Status s = check_run_details(details); !s.ok()) {
    return fail(s, s.what, record.id);
  }
  if (!details.empty()) {
    record.details = Boxed(std::move(details));
  }
  return {};
}

Result<RunRef> Lifecycle::start(const StartOptions& options, Durability durability) {
  CAIRN_TRY(gate_.check_process());
  RunRecord record;
  record.id = options.id;
  record.created_us = record.updated_us = now_us();
  if (record.id.empty()) {
    record.id = new_id();
  }
  CAIRN_TRY(check_start(options));
  record.document = Document::from_object(options.metadata);
  CAIRN_TRY(check_document(record.document));
  record.sequence = 1;
  CAIRN_TRY(take_details(record, options));
  record.task = options.task;
  record.tags = options.tags;
  record.parent = options.parent;
  record.root = options.root;

  if (options.with.texts != nullptr) {
    if (const Status s = check_run_texts(*options.with.texts); !s.ok()) {
      return fail(s, s.what, record.id);
    }
    record.texts = options.with.texts;
  }
  return start_record(std::move(record), durability, options.with.notes);
}

// A run of that very id is an error, but for a run owned elsewhere that starts as such once more: that is given.
Result<RunRef> Lifecycle::start_record(RunRecord&& record, Durability durability, const std::vector<Note>& notes) {
  CAIRN_TRY(durability_.check(durability));
  if (facts_.over_limits.load(std::memory_order_relaxed)) {
    return fail(Code::kBacklog,
                "too much waits for the upstream (unsynced_runs_max, unsynced_ms_max): no new run until it is sent");
  }
  RunRef run;
  uint64_t lsn = 0;
  bool claims = false;
  CAIRN_TRY(start_or_claim(record, run, lsn, claims, notes));
  if (claims) {
    auto claimed = claim(record, durability, notes);
    return claimed.ok() && *claimed == nullptr ? start_record(std::move(record), durability, notes) : claimed;
  }
  if (lsn != 0) {  // no lock is held: others start meanwhile, and share the sync
    CAIRN_TRY(durability_.wait(durability, lsn, std::span(&run->id, 1)));
  }
  return run;
}

Status Lifecycle::start_or_claim(RunRecord& record, RunRef& run, uint64_t& lsn, bool& claims,
                                 const std::vector<Note>& notes) {
  const MutexLock start_guard(runs_.start_mutex());
  CAIRN_TRY(gate_.check());
  auto existing = runs_.load(record.id);
  if (!existing.ok() && existing.code() != Code::kNoSuchRun) {
    return existing.status();
  }
  if (existing.ok()) {
    Run& old = **existing;
    const RunGuard guard(old.lock);
    if (old.gate != Code::kErased) {
      if (record.foreign) {
        run = std::move(*existing);
        return {};
      }
      claims = true;
      return check_startable(old);
    }
  }
  CAIRN_TRY(resolve_relatives(record));
  auto started = append_start(std::move(record), nullptr, lsn, notes);
  CAIRN_TRY(started.status());
  run = std::move(*started);
  return {};
}

// With the run's lock held: kExists but for a run owned elsewhere whose owner nobody has named.
Status Lifecycle::check_startable(const Run& old) const {
  CAIRN_TRY(owned_by_another(old));
  if (old.record.foreign) {
    return {};
  }
  if (is_final(old.record.status)) {
    return fail(Code::kExists, "a finished run of this id is in the store: take another id, or erase it", old.id);
  }
  if (old.record.session == options_.session) {
    return fail(Code::kRunning,
                "a run of this id is running in this process: open it for another handle, or take another id", old.id);
  }
  return fail(Code::kExists,
              old.record.session == kSessionOfNone ? "a run of this id waits to be taken: resume it"
                                                   : "an earlier process left this run unfinished: resume it",
              old.id);
}

// Root: the parent's root if the parent is here, else the parent. Depth: one more than the parent's.
Status Lifecycle::resolve_relatives(RunRecord& record) {
  if (!record.parent.empty() && record.parent != record.id) {
    std::string root = record.parent;
    uint32_t depth = 1;
    if (auto parent = runs_.load(record.parent); parent.ok()) {
      Run& above = **parent;
      const RunGuard guard(above.lock);
      root = above.record.root.empty() ? root : above.record.root;
      depth += above.record.details ? above.record.details->depth : 0;
    }
    record.root = record.root.empty() ? root : record.root;
    record.details.made().depth = depth;
  }
  const Status s = check_relatives(record.id, record.parent, record.root);
  return s.ok() ? s : fail(s, s.what, record.id);
}

// `old`, if given, is the run of that id that this one takes the place of: locked, with nothing pending.
Result<RunRef> Lifecycle::append_start(RunRecord&& record, Run* old, uint64_t& lsn, const std::vector<Note>& notes) {
  const Attachments with{record.texts, notes};
  RunRef run;
  std::string payload;
  append_run_record(payload, record);
  {
    RunTable::Entering entering(runs_);
    run = entering.add(std::move(record));
    run->lock.assert_held();
    assert_locked(old);
    Run& place = old != nullptr ? *old : *run;
    place.lock.assert_held();
    CAIRN_TRY(run_log_.append_for(place, {{LogType::kStart, std::move(payload)}}, &lsn, &with));
    if (old != nullptr) {
      old->gate = Code::kErased;
      counts_.move(StatusCounts::of(old->record), StatusCounts::none());
      dirty_.remove(*old);
    }
    entering.keep();
    counts_.move(StatusCounts::none(), StatusCounts::of(run->record));
    run->record.created_lsn = lsn;  // the start record's own
    run->last_lsn = lsn;
  }
  return run;
}

Result<RunRef> Lifecycle::resume(std::string_view id, Durability durability) {
  CAIRN_TRY(durability_.check(durability));
  auto run = find(id);
  if (!run.ok()) {
    return run;
  }
  uint64_t lsn = 0;
  {
    Run& r = **run;
    const RunGuard guard(r.lock);
    CAIRN_TRY(RunWriter::check_owned(r));
    CAIRN_TRY(writer_.check_gate(r));
    if (r.record.session == options_.session && r.record.status != RunStatus::kCrashed) {
      return run;
    }
    RunChange change;
    change.session = options_.session;
    if (r.record.status != RunStatus::kExecuting) {
      change.status = RunStatus::kExecuting;
    }
    CAIRN_TRY(writer_.append_change(r, std::move(change), &lsn));
  }
  CAIRN_TRY(durability_.wait(durability, lsn, std::span(&(*run)->id, 1)));
  return run;
}

Status Lifecycle::finish(Run& run, RunStatus status, Durability durability, std::string_view error) {
  CAIRN_TRY(gate_.check_process());
  if (!is_final(status)) {
    return fail(Code::kInvalidArgument,
                "a run finishes as COMPLETED, CANCELED, FAILED, SYSTEM_FAILURE, EXPIRED or TIMED_OUT");
  }
  if (error.size() > kErrorBytesMax) {
    return fail_too_large({}, error.size(), kErrorBytesMax);
  }
  if (!valid_utf8(error)) {
    return fail(Code::kInvalidUtf8, "the error text is not UTF-8");
  }
  RunChange change;
  change.status = status;
  change.error = error;
  return checkpointer_.give_back_space([&] { return change_run(run, change, durability); });
}

Status Lifecycle::change_run(Run& run, RunChange change, Durability durability) {
  CAIRN_TRY(durability_.check(durability));
  const bool ends = change.status && is_final(*change.status);
  uint64_t lsn = 0;
  {
    const RunGuard guard(run.lock);
    CAIRN_TRY(RunWriter::check_owned(run));
    CAIRN_TRY(writer_.check_gate(run, ends));
    CAIRN_TRY(writer_.append_change(run, std::move(change), &lsn));
  }
  return durability_.wait(durability, lsn, std::span(&run.id, 1));
}

Status Lifecycle::set_status(Run& run, RunStatus status, Durability durability) {
  CAIRN_TRY(gate_.check_process());
  if (is_final(status)) {
    return finish(run, status, durability, {});
  }
  RunChange change;
  change.status = status;
  return change_run(run, std::move(change), durability);
}

Status Lifecycle::set_tags(Run& run, std::vector<std::string> tags, Durability durability) {
  CAIRN_TRY(gate_.check_process());
  CAIRN_TRY(check_tags(tags));
  RunChange change;
  change.tags = std::move(tags);
  return change_run(run, std::move(change), durability);
}

Status Lifecycle::mark_crashed(Run& run) {
  RunChange change;
  change.status = RunStatus::kCrashed;
  CAIRN_TRY(writer_.append_change(run, std::move(change), nullptr));
  write_log(hooks_, LogLevel::kWarning, Code::kOk,
            "run " + run.id + " was left by a process that ended: marked CRASHED");
  return {};
}

Status Lifecycle::erase(std::string_view id, std::optional<uint64_t> at_sequence, Durability durability,
                        const std::vector<Note>& notes) {
  CAIRN_TRY(durability_.check(durability));
  EraseIf only_if;
  if (at_sequence) {
    only_if = [wanted = *at_sequence](const Run& run) {
      run.lock.assert_held();
      return run.sequence == wanted;
    };
  }
  return checkpointer_.give_back_space([&] { return erase_once(id, durability, only_if, false, notes); });
}

Status Lifecycle::erase_if(std::string_view id, Durability durability, const EraseIf& only_if) {
  return checkpointer_.give_back_space([&] { return erase_once(id, durability, only_if, true, {}); });
}

// The idempotency key that stands for the run: the next trigger with it makes another.
Result<Attachments> Lifecycle::goes_with(const Run& run) const {
  Attachments with;
  if (!run.record.details || run.record.details->idempotency_key.empty()) {
    return with;
  }
  const std::string name = run_key_name(run.record.task, run.record.details->idempotency_key);
  CAIRN_TRY_ASSIGN(const auto note, notes_.find(NoteKind::kRunKey, name));
  if (note && note->value == run.id) {
    with.notes.push_back({NoteKind::kRunKey, name, kNoteErased, ""});
  }
  return with;
}

Status Lifecycle::erase_once(std::string_view id, Durability durability, const EraseIf& only_if, bool retains,
                             const std::vector<Note>& notes) {
  auto run = find(id);
  if (!run.ok()) {
    return run.status();
  }
  uint64_t lsn = 0;
  {
    const MutexLock start_guard(runs_.start_mutex());
    Run& r = **run;
    const RunGuard guard(r.lock);
    CAIRN_TRY(gate_.check(true));
    if (r.gate == Code::kErased) {
      return fail(Code::kNoSuchRun, "there is no such run in this store", id);
    }
    if (only_if && !only_if(r)) {
      return Code::kUnchanged;
    }
    CAIRN_TRY_ASSIGN(Attachments with, goes_with(r));
    with.notes.insert(with.notes.end(), notes.begin(), notes.end());
    CAIRN_TRY(writer_.append_change(r, RunChange(), &lsn,
                                    retains && facts_.keeps_changes.load(std::memory_order_relaxed), &with));
    if (retains) {
      r.live.reset(Document(), r.sequence);  // no handle reads it; the run stays here until a checkpoint
    }
  }
  return durability_.wait(durability, lsn, std::span(&(*run)->id, 1));
}

}  // namespace cairn::engine
