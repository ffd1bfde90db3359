// The life of a run: start, resume, status, tags, finish, erase; and finding runs again.
#include <algorithm>

#include "engine/json.h"
#include "engine/nesting.h"
#include "engine/path.h"
#include "engine/store.h"
#include "engine/undo_unless_done.h"

namespace cairn::engine {

namespace {

Status forked_status() { return fail(Code::kForked, "this process is a forked child of the store's owner"); }

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

std::shared_ptr<Tables> Store::tables() const {
  const std::lock_guard guard(table_mutex_);
  return tables_;
}

RunRef Store::make_run(RunRecord record) {
  auto run = std::make_shared<Run>(record.id, next_run_number_++);
  run->sequence = record.sequence;
  run->updated_us = record.updated_us;
  run->version.store(record.sequence);
  run->live.reset(std::move(record.document), record.sequence);
  run->gate = gate_of(record);
  record.document = Document();
  run->record = std::move(record);
  return run;
}

// LMDB is read without table_mutex_. A record that was read before an eviction may be older than what the evicted run
// had become: then it is read again.
Result<RunRef> Store::load_run(std::string_view id) {
  const std::string key(id);
  while (true) {
    std::shared_ptr<Tables> tables;
    uint64_t evictions = 0;
    {
      const std::lock_guard guard(table_mutex_);
      if (const auto at = runs_.find(key); at != runs_.end()) {
        return at->second;
      }
      tables = tables_;
      evictions = evictions_;
    }
    if (tables == nullptr) {
      return fail(Code::kClosed, "the store is closed");
    }
    auto record = tables->find(id);
    if (!record.ok()) {
      return fail(record.status(), "the run cannot be read from the tables", id);
    }
    const std::lock_guard guard(table_mutex_);
    if (const auto at = runs_.find(key); at != runs_.end()) {
      return at->second;
    }
    if (evictions != evictions_) {
      continue;
    }
    if (!*record) {
      return Status(Code::kNoSuchRun, "no such run");
    }
    RunRef run = make_run(std::move(**record));
    runs_.emplace(key, run);
    return run;
  }
}

Result<RunRef> Store::find(std::string_view id) {
  if (forked()) {
    return forked_status();
  }
  if (gate_.load() == static_cast<int32_t>(Code::kClosed)) {
    return fail(Code::kClosed, "the store is closed");
  }
  if (!valid_run_id(id)) {
    return fail(Code::kInvalidArgument, kRunIdRule, id.substr(0, 80));
  }
  auto run = load_run(id);
  if (!run.ok()) {
    return run.code() == Code::kNoSuchRun ? fail(run.status(), "there is no such run in this store", id) : run.status();
  }
  const std::lock_guard guard((*run)->lock);
  if ((*run)->gate == Code::kErased) {
    return fail(Code::kNoSuchRun, "there is no such run in this store", id);
  }
  return run;
}

Status Store::check_metadata(Document& document) const {
  if (const size_t bytes = document.exact_bytes(); bytes > options_.metadata_bytes_max) {
    return fail_too_large({}, bytes, options_.metadata_bytes_max);
  }
  for (int i = 0; i < document.size(); ++i) {
    if (const Status s = check_key(document.member(i).key);
        s.code == Code::kKeyRefused && !is_path(document.member(i).key)) {
      return fail(s, s.what, document.member(i).key);
    }
  }
  return {};
}

// Of a whole document that comes in at once: of what is there already a part may be deeper, from before there was a
// bound.
Status Store::check_depth(const Document& document) {
  const Status s = check_nesting(document);
  return s.ok() ? s : fail(s, s.what);
}

Result<RunRef> Store::start(const StartOptions& options, Durability durability) {
  if (forked()) {
    return forked_status();
  }
  RunRecord record;
  record.id = options.id;
  record.created_us = record.updated_us = now_us();
  if (record.id.empty()) {
    std::array<uint8_t, 10> random;
    options_.hooks.random_bytes(options_.hooks.context, random.data(), random.size());
    record.id = make_run_id(record.created_us, random);
  }
  if (!valid_run_id(record.id)) {
    return fail(Code::kInvalidArgument, kRunIdRule, record.id.substr(0, 80));
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
  CAIRN_TRY(check_tags(options.tags));
  record.document = Document::from_object(options.metadata);
  CAIRN_TRY(check_metadata(record.document));
  CAIRN_TRY(check_depth(record.document));
  record.sequence = 1;
  record.session = session_;
  record.task = options.task;
  record.tags = options.tags;
  record.parent = options.parent;
  record.root = options.root;

  return start_record(std::move(record), durability);
}

// A run of that very id is an error, but for a run owned elsewhere that starts as such once more: that is given.
Result<RunRef> Store::start_record(RunRecord record, Durability durability) {
  CAIRN_TRY(can_promise(durability));
  if (over_unsynced_.load(std::memory_order_relaxed)) {
    return fail(Code::kBacklog,
                "too much waits for the upstream (unsynced_runs_max, unsynced_ms_max): no new run until it is sent");
  }
  std::unique_lock start_guard(start_mutex_);
  if (const Code gate = this->gate(); gate != Code::kOk) {
    return refuse(gate);
  }
  auto existing = load_run(record.id);
  if (!existing.ok() && existing.code() != Code::kNoSuchRun) {
    return existing.status();
  }
  bool claims = false;
  if (existing.ok()) {
    const std::lock_guard guard((*existing)->lock);
    const Run& old = **existing;
    if (old.gate != Code::kErased) {
      if (record.foreign) {
        return existing;
      }
      CAIRN_TRY(check_startable(old));
      claims = true;
    }
  }
  if (claims) {
    start_guard.unlock();
    auto claimed = claim(record, durability);
    return claimed.ok() && *claimed == nullptr ? start_record(std::move(record), durability) : claimed;
  }
  CAIRN_TRY(resolve_root(record));
  return append_start(std::move(record), nullptr, start_guard, durability);
}

// With the run's lock held: kExists but for a run owned elsewhere whose owner nobody has named.
Status Store::check_startable(const Run& old) const {
  CAIRN_TRY(owned_by_another(old));
  if (old.record.foreign) {
    return {};
  }
  if (is_final(old.record.status)) {
    return fail(Code::kExists, "a finished run of this id is in the store: take another id, or erase it", old.id);
  }
  if (old.record.session == session_) {
    return fail(Code::kRunning,
                "a run of this id is running in this process: open it for another handle, or take another id", old.id);
  }
  return fail(Code::kExists, "an earlier process left this run unfinished: resume it", old.id);
}

// Root: the parent's root if the parent is here, else the parent. With start_mutex_ held.
Status Store::resolve_root(RunRecord& record) {
  if (record.root.empty() && !record.parent.empty() && record.parent != record.id) {
    auto parent = load_run(record.parent);
    if (parent.ok()) {
      const std::lock_guard guard((*parent)->lock);
      record.root = (*parent)->record.root.empty() ? record.parent : (*parent)->record.root;
    } else {
      record.root = record.parent;
    }
  }
  const Status s = check_relatives(record.id, record.parent, record.root);
  return s.ok() ? s : fail(s, s.what, record.id);
}

// `old`, if given, is the run of that id that this one takes the place of: locked, with nothing pending. The run is in
// the table, locked, before its record can be in the log: else a checkpoint and a find() in between would load a second
// one.
Result<RunRef> Store::append_start(RunRecord record, Run* old, std::unique_lock<std::mutex>& start_guard,
                                   Durability durability) {
  RunRef run;
  RunRef replaced;
  std::string payload;
  append_run_record(payload, record);
  {
    const std::lock_guard guard(table_mutex_);
    run = make_run(std::move(record));
    run->lock.lock();
    RunRef& place = runs_[run->id];
    replaced = std::move(place);
    place = run;
  }
  std::unique_lock run_guard(run->lock, std::adopt_lock);
  UndoUnlessDone never_started([&] {
    run->gate = Code::kErased;
    run->last_lsn = UINT64_MAX;  // no checkpoint makes this one good
    const std::lock_guard guard(table_mutex_);
    const auto at = runs_.find(run->id);
    if (replaced) {
      at->second = std::move(replaced);
    } else {
      runs_.erase(at);
    }
  });
  uint64_t lsn = 0;
  if (old != nullptr) {
    CAIRN_TRY(append_for(*old, {{LogType::kStart, std::move(payload)}}, &lsn));
    old->gate = Code::kErased;
    finished_ -= is_final(old->record.status) ? 1 : 0;
    mark_clean(*old);
  } else {
    wal::Writer::Append append(*writer_);
    add_record(append, LogType::kStart, payload);
    auto committed = append.commit();
    if (!committed.ok()) {
      return append_failed(committed.status());
    }
    lsn = *committed;
    wake_for_flush();
  }
  never_started.done();
  finished_ += is_final(run->record.status) ? 1 : 0;  // one that is imported may be
  run->record.created_lsn = lsn;                      // the start record's own
  run->last_lsn = lsn;
  if (wants_power(durability)) {
    run_guard.unlock();
    start_guard.unlock();  // others start meanwhile, and share the sync
    CAIRN_TRY(keep_promise(durability, lsn, std::span(&run->id, 1)));
  }
  return run;
}

// With the run's lock held: one append with the seal of what is pending and the change behind it.
Status Store::append_change(Run& run, RunChange change, uint64_t* lsn, bool forgets) {
  if (!run.live.pending().empty()) {
    CAIRN_TRY(write_detached(run));
    detach(run);
  }
  const bool erase = !change.status && !change.session && !change.tags;
  if (!run.record.owned_here() && !erase) {
    return check_owned(run);
  }
  const bool was_final = is_final(run.record.status);
  change.id = run.id;
  change.created_lsn = run.record.created_lsn;
  change.sequence = run.sequence + 1;
  change.updated_us = now_us();
  std::string payload;
  engine::append_change(payload, change);
  const LogType type = forgets ? LogType::kForget : erase ? LogType::kErase : LogType::kChange;
  CAIRN_TRY(append_for(run, {{type, std::move(payload)}}, lsn));
  run.sequence = change.sequence;
  run.updated_us = change.updated_us;
  run.live.clear_pending(run.sequence);
  mark_clean(run);
  if (change.status) {
    run.record.status = *change.status;
    run.record.finished_us = is_final(*change.status) ? change.updated_us : 0;
    run.record.error = std::move(change.error);
    run.gate = is_final(*change.status) ? Code::kFinished : Code::kOk;
    finished_ += is_final(*change.status) ? 1 : 0;
  }
  if (change.session) {
    run.record.session = *change.session;
  }
  if (change.tags) {
    run.record.tags = std::move(*change.tags);
  }
  if (erase) {
    run.gate = Code::kErased;
    run.record.outbox = OutboxRow();
    finished_ -= was_final ? 1 : 0;
  }
  run.version.store(run.sequence, std::memory_order_release);
  return {};
}

Status Store::check_owned(const Run& run) {
  return run.record.owned_here() || run.gate == Code::kErased
             ? Status()
             : fail(Code::kInvalidArgument, "the run is owned elsewhere: only its metadata can be updated from here",
                    run.id);
}

Result<RunRef> Store::resume(std::string_view id, Durability durability) {
  CAIRN_TRY(can_promise(durability));
  auto run = find(id);
  if (!run.ok()) {
    return run;
  }
  uint64_t lsn = 0;
  {
    const std::lock_guard guard((*run)->lock);
    Run& r = **run;
    CAIRN_TRY(check_owned(r));
    CAIRN_TRY(check_gate(r));
    if (r.record.session == session_ && r.record.status != RunStatus::kCrashed) {
      return run;
    }
    RunChange change;
    change.session = session_;
    if (r.record.status != RunStatus::kExecuting) {
      change.status = RunStatus::kExecuting;
    }
    CAIRN_TRY(append_change(r, std::move(change), &lsn));
  }
  CAIRN_TRY(keep_promise(durability, lsn, std::span(&(*run)->id, 1)));
  return run;
}

Status Store::finish(Run& run, RunStatus status, Durability durability, std::string_view error) {
  if (forked()) {
    return forked_status();
  }
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
  return give_back_space([&] { return change_run(run, change, durability); });
}

Status Store::change_run(Run& run, RunChange change, Durability durability) {
  CAIRN_TRY(can_promise(durability));
  const bool ends = change.status && is_final(*change.status);
  uint64_t lsn = 0;
  {
    const std::lock_guard guard(run.lock);
    CAIRN_TRY(check_owned(run));
    CAIRN_TRY(check_gate(run, ends));
    CAIRN_TRY(append_change(run, std::move(change), &lsn));
  }
  return keep_promise(durability, lsn, std::span(&run.id, 1));
}

Status Store::set_status(Run& run, RunStatus status, Durability durability) {
  if (forked()) {
    return forked_status();
  }
  if (is_final(status)) {
    return finish(run, status, durability);
  }
  RunChange change;
  change.status = status;
  return change_run(run, std::move(change), durability);
}

Status Store::set_tags(Run& run, std::vector<std::string> tags, Durability durability) {
  if (forked()) {
    return forked_status();
  }
  CAIRN_TRY(check_tags(tags));
  RunChange change;
  change.tags = std::move(tags);
  return change_run(run, std::move(change), durability);
}

Status Store::erase(std::string_view id, Durability durability) {
  CAIRN_TRY(can_promise(durability));
  return erase_if(id, durability, nullptr);
}

// Erasing gives space back in the end, and a run that ended can be erased by retention.
Status Store::give_back_space(const FunctionRef<Status()>& once) {
  Status given = once();
  if (given.code == Code::kNoSpace) {
    (void)make_room();
    given = once();
  }
  if (given.code == Code::kNoSpace) {
    erasing_.fetch_add(1);  // the log may use the reserve now
    given = once();
    erasing_.fetch_sub(1);
  }
  return given;
}

Status Store::erase_if(std::string_view id, Durability durability, const EraseIf& only_if) {
  return give_back_space([&] { return erase_once(id, durability, only_if); });
}

Status Store::erase_once(std::string_view id, Durability durability, const EraseIf& only_if) {
  auto run = find(id);
  if (!run.ok()) {
    return run.status();
  }
  uint64_t lsn = 0;
  {
    const std::lock_guard start_guard(start_mutex_);
    const std::lock_guard guard((*run)->lock);
    Run& r = **run;
    if (const Code gate = this->gate(); gate != Code::kOk && gate != Code::kNoSpace) {
      return refuse(gate);
    }
    if (r.gate == Code::kErased) {
      return fail(Code::kNoSuchRun, "there is no such run in this store", id);
    }
    if (only_if && !only_if(r)) {
      return Code::kUnchanged;
    }
    // Retention is this store's own affair.
    CAIRN_TRY(append_change(r, RunChange(), &lsn, only_if && ships_.load(std::memory_order_relaxed)));
    if (only_if) {
      r.live.reset(Document(), r.sequence);  // no handle reads it; the run stays here until a checkpoint
    }
  }
  return keep_promise(durability, lsn, std::span(&(*run)->id, 1));
}

RunRecord Store::copy_locked(const Run& run, bool with_document) {
  RunRecord record = run.record;
  record.id = run.id;
  record.sequence = run.sequence;
  record.updated_us = run.updated_us;
  if (with_document) {
    record.document = run.live.document();
  }
  return record;
}

RunView Store::view(Run& run, bool with_document) {
  const std::lock_guard guard(run.lock);
  RunView view;
  view.record = copy_locked(run, with_document);
  view.erased = run.gate == Code::kErased;
  view.orphaned = !is_final(run.record.status) && run.record.session != session_ && run.record.owned_here();
  return view;
}

Status Store::each(const FunctionRef<bool(const RunView&)>& visit, bool with_documents) {
  if (forked()) {
    return forked_status();
  }
  // The runs in memory first: what they hold is newer than the tables, and a run that is evicted meanwhile is in the
  // tables by then.
  std::vector<RunRef> hot;
  {
    const std::lock_guard guard(table_mutex_);
    hot.reserve(runs_.size());
    for (const auto& [id, run] : runs_) {
      hot.push_back(run);
    }
  }
  std::sort(hot.begin(), hot.end(), [](const RunRef& a, const RunRef& b) { return a->id < b->id; });
  const std::shared_ptr<Tables> tables = this->tables();
  if (tables == nullptr) {
    return fail(Code::kClosed, "the store is closed");
  }
  bool go_on = true;
  auto at = hot.begin();
  const auto visit_hot_below = [&](const std::string* id) {
    for (; go_on && at != hot.end() && (id == nullptr || (*at)->id <= *id); ++at) {
      if (const RunView v = view(**at, with_documents); !v.erased) {
        go_on = visit(v);
      }
    }
  };
  CAIRN_TRY(tables->each("", [&](const RunRecord& record) {
    visit_hot_below(&record.id);
    const bool is_hot = at != hot.begin() && (*std::prev(at))->id == record.id;
    if (go_on && !is_hot) {
      RunView v;
      v.record = record;
      v.orphaned = !is_final(record.status) && record.session != session_ && record.owned_here();
      go_on = visit(v);
    }
    return go_on;
  }));
  visit_hot_below(nullptr);
  return {};
}

// A part at a time. What other sessions left is in the tables since the recovery.
Status Store::mark_crashed_runs() {
  constexpr int kPart = 1000;
  const std::shared_ptr<Tables> tables = this->tables();
  if (tables == nullptr) {
    return fail(Code::kClosed, "the store is closed");
  }
  int seen = 0;
  std::string last = crashed_marked_to_;
  std::vector<std::string> left;
  CAIRN_TRY(tables->each(crashed_marked_to_, [&](const RunRecord& record) {
    last = record.id;
    if (!is_final(record.status) && record.status != RunStatus::kCrashed && record.session != session_ &&
        record.owned_here()) {
      left.push_back(record.id);
    }
    return ++seen < kPart;
  }));
  for (const std::string& id : left) {
    auto run = load_run(id);
    if (!run.ok()) {
      return run.status();
    }
    const std::lock_guard guard((*run)->lock);
    Run& r = **run;
    // Resumed, finished or erased meanwhile?
    if (r.gate == Code::kOk && r.record.session != session_ && r.record.status != RunStatus::kCrashed) {
      RunChange change;
      change.status = RunStatus::kCrashed;
      CAIRN_TRY(append_change(r, std::move(change), nullptr));
      log(LogLevel::kWarning, Code::kOk, "run " + id + " was left by a process that ended: marked CRASHED");
    }
  }
  crashed_marked_to_ = std::move(last);
  crashed_marked_ = seen < kPart;
  return {};
}

Status Store::get(Run& run, std::string_view key, const FunctionRef<void(const Value&)>& read) {
  if (forked()) {
    return forked_status();
  }
  std::vector<Segment> segments;
  if (is_path(key)) {
    auto parsed = parse_path(key);
    if (!parsed.ok()) {
      return fail(parsed.status(), parsed.status().what, key);
    }
    segments = std::move(*parsed);
  }
  const std::lock_guard guard(run.lock);
  if (run.gate == Code::kErased) {
    return fail(Code::kErased, "the run " + run.id + " was erased");
  }
  const Document& document = run.live.document();
  if (segments.empty()) {
    const int member = document.find(key);
    if (member < 0) {
      return Code::kNotFound;
    }
    read(document.member(member).value);
    return {};
  }
  if (segments[0].kind != Segment::Kind::kName) {
    const Value whole(document.to_object());
    const Value* found = find_at(whole, segments, 0);
    if (found == nullptr) {
      return Code::kNotFound;
    }
    read(*found);
    return {};
  }
  const int member = document.find(segments[0].name);
  const Value* found = member < 0 ? nullptr : find_at(document.member(member).value, segments, 1);
  if (found == nullptr) {
    return Code::kNotFound;
  }
  read(*found);
  return {};
}

Status Store::current(Run& run, const FunctionRef<void(const Document&, uint64_t sequence)>& read) {
  if (forked()) {
    return forked_status();
  }
  const std::lock_guard guard(run.lock);
  if (run.gate == Code::kErased) {
    return fail(Code::kErased, "the run " + run.id + " was erased");
  }
  if (run.record.foreign) {
    return Code::kNotFound;
  }
  read(run.live.document(), run.sequence);
  return {};
}

}  // namespace cairn::engine
