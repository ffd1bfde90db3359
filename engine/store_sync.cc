// The store as a sender: what of it the state machine of sync/sender.h needs, and what callers ask about it.
//
// sync_mutex_ comes before checkpoint_mutex_, and is held with it whenever the sender works: nobody folds the log into
// rows of the outbox while they are taken out or put back.
#include <algorithm>
#include <utility>

#include "engine/store.h"
#include "engine/sync/receiver.h"
#include "engine/sync/url_text.h"
#include "engine/tables_format.h"

namespace cairn::engine {

namespace {

Status not_attached() {
  return fail(Code::kInvalidArgument, "the store has no upstream: attach one first (cairn sync --upstream URL)");
}

}  // namespace

// At open, before the log is replayed.
Status Store::recover_sync() {
  sync::Outbox::Seams seams;
  seams.wall_us = [this] { return now_us(); };
  seams.random_bytes = [this](void* out, size_t bytes) {
    options_.hooks.random_bytes(options_.hooks.context, out, bytes);
  };
  seams.store = identity_.store_id;
  seams.letter_bytes_max = kOutboxPerLimit * options_.metadata_bytes_max;
  seams.fold = [this] { return fold_for_sync(); };
  outbox_ = std::make_unique<sync::Outbox>(*tables_, std::move(seams));
  if (const Status s = outbox_->load(); !s.ok()) {
    return fail(s, std::string("the state of sync cannot be read: ") + s.what);
  }
  ships_ = outbox_->state().keeps_changes();
  has_upstream_ = outbox_->state().attached;
  return {};
}

// With sync_mutex_ and checkpoint_mutex_ held.
Status Store::fold_for_sync() {
  if (gate() == Code::kLatched) {
    // What the log has and the disk perhaps not may have taken what waits into a run: a later open shows.
    return refuse(Code::kLatched);
  }
  const std::shared_ptr<Tables> tables = this->tables();
  return tables != nullptr && tables->applied_lsn() >= writer_->durable_lsn() ? Status() : checkpoint_locked();
}

void Store::make_sender(const sync::SenderOptions& options) {
  sync::Sender::Host host;
  host.fold = [this](uint64_t* lsn) {
    CAIRN_TRY(fold_for_sync());
    *lsn = tables()->applied_lsn();
    return Status();
  };
  host.taken = [this](const std::string& id, uint64_t last) { outbox_taken(id, last); };
  host.take_document = [this](const sync::Documents::Run& run) { return take_document(run); };
  host.expect_documents = [this] {
    CAIRN_TRY(flush(true));
    return checkpoint_locked();
  };
  host.keep_documents = [this] { return std::exchange(rebased_, false) ? flush(true) : Status(); };
  host.refreshed = [this](const sync::Documents::Run& run) { refreshed(run); };
  host.random = [this] {
    uint64_t v = 0;
    options_.hooks.random_bytes(options_.hooks.context, &v, sizeof v);
    return v;
  };
  sender_ = std::make_unique<sync::Sender>(*outbox_, *tables_, options, std::move(host));
}

Status Store::with_sender(const FunctionRef<Status(sync::Sender&)>& body) {
  return with_outbox([&]() -> Status { return sender_ != nullptr ? body(*sender_) : not_attached(); });
}

Status Store::with_outbox(const FunctionRef<Status()>& body) {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  const std::lock_guard sync_guard(sync_mutex_);
  const std::lock_guard guard(checkpoint_mutex_);
  if (const Code gate = this->gate(); gate == Code::kClosed || tables() == nullptr) {
    return refuse(Code::kClosed);
  }
  CAIRN_TRY(land_stranded());
  const Status done = body();
  for (const std::string& id : outbox_->take_returned()) {
    outbox_returned(id);
  }
  if (const Status landed = land_stranded(); !landed.ok()) {
    log(LogLevel::kWarning, landed.code, std::string("deltas that came back are taken later: ") + landed.what);
  }
  return done;
}

// Deltas whose run came here from its owner while they were on their way, and that came back: taken as a batch that
// comes in. Its stream's cursor says after a kill that it was.
Status Store::land_stranded() {
  if (!outbox_->has_stranded()) {
    return {};
  }
  // One may have been taken by a call that failed after that: then its cursor is in the log.
  CAIRN_TRY(synced(writer_->written_lsn()));
  CAIRN_TRY(fold_for_sync());
  auto batches = outbox_->stranded();
  CAIRN_TRY(batches.status());
  for (const sync::Batch& batch : *batches) {
    sync::StreamCursor cursor;
    cursor.owner = batch.header.owner;
    cursor.seq = batch.header.seq;
    auto known = stored_cursor(sync::cursor_key(batch.header.stream));
    CAIRN_TRY(known.status());
    std::vector<sync::Verdict> verdicts;
    if (!*known) {
      size_t limit = 0;
      const auto cursors = [&] {
        cursor.verdicts = verdicts;
        return std::vector<Received::Cursor>{{sync::cursor_key(batch.header.stream), sync::encode_cursor(cursor)}};
      };
      const Status taken = receive(batch, cursors, verdicts, limit);
      if (taken.code == Code::kTooLarge) {
        verdicts = {{0, sync::VerdictCode::kTooLarge, "it is larger than one record of the log", 0}};
      } else {
        CAIRN_TRY(taken);
        CAIRN_TRY(checkpoint_locked());
      }
    } else {
      auto stored = sync::decode_cursor(**known);
      CAIRN_TRY(stored.status());
      verdicts = std::move(stored->verdicts);
    }
    CAIRN_TRY(outbox_->landed(batch, verdicts));
  }
  return {};
}

Status Store::attach_upstream(const std::string& name, const sync::SenderOptions& options) {
  return attach_upstream_with(name, [&options](sync::SenderOptions& o) { o = options; });
}

Status Store::attach_upstream_with(std::string name, const FunctionRef<void(sync::SenderOptions&)>& change) {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  name = sync::without_url_secrets(name);
  const std::lock_guard sync_guard(sync_mutex_);
  sync::SenderOptions options = sender_ == nullptr ? sync::SenderOptions() : sender_->options();
  change(options);
  if (name.empty() || name.size() > 1024 || options.limits.entries == 0 || options.limits.entries > sync::kEntriesMax ||
      options.limits.bytes == 0 || options.limits.bytes > sync::kMessageBytesMax / 2 || options.interval_ms < 0) {
    return fail(Code::kInvalidArgument,
                "an upstream has a name of at most 1,024 bytes, batches of 1 to 65,536 runs and "
                "at most 4 MiB");
  }
  const std::lock_guard guard(checkpoint_mutex_);
  if (const Code gate = this->gate(); gate != Code::kOk || tables() == nullptr) {
    return refuse(gate == Code::kOk ? Code::kClosed : gate);
  }
  const bool first = !outbox_->state().keeps_changes();
  const bool elsewhere = outbox_->state().upstream != name;
  if (first) {
    // What the log holds now is no diff for the outbox: all runs are sent whole.
    CAIRN_TRY(synced(writer_->written_lsn()));
    CAIRN_TRY(checkpoint_locked());
  }
  if (const Status s = outbox_->attach(name); !s.ok()) {
    return fail(s, std::string("the upstream cannot be set: ") + s.what);
  }
  ships_ = has_upstream_ = true;
  if (sender_ == nullptr) {
    make_sender(options);
  } else {
    sender_->set_options(options);
    if (elsewhere) {
      sender_->give_up();
      upstream_told_ = UpstreamTold::kNothing;
    }
  }
  return judge_unsynced();
}

Status Store::detach_upstream() {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  const std::lock_guard sync_guard(sync_mutex_);
  const std::lock_guard guard(checkpoint_mutex_);
  if (const Code gate = this->gate(); gate != Code::kOk || tables() == nullptr) {
    return refuse(gate == Code::kOk ? Code::kClosed : gate);
  }
  if (outbox_->state().halt != sync::Halt::kNone) {
    // Detached and attached again it would go on under a name that another store has, too.
    return fail(Code::kInvalidArgument,
                "the store's files were moved or copied: say which first (cairn sync --moved or --copied)");
  }
  if (const Status s = outbox_->detach(); !s.ok()) {
    return fail(s, std::string("the upstream cannot be given up: ") + s.what);
  }
  has_upstream_ = false;
  sender_.reset();
  upstream_told_ = UpstreamTold::kNothing;
  over_unsynced_ = false;
  return {};
}

Status Store::sync_next(std::string& message, int64_t* due_ms) {
  message.clear();
  return with_sender([&](sync::Sender& sender) -> Status {
    const int64_t now = now_ms();
    auto bytes = sender.next(now);
    if (!bytes.ok()) {
      return fail(bytes.status(), std::string("the next batch cannot be made: ") + bytes.status().what);
    }
    message = *bytes;
    if (due_ms != nullptr) {
      *due_ms = sender.next_due(now);
    }
    return {};
  });
}

Status Store::sync_feed(std::string_view answer) {
  const Status s = with_sender([&](sync::Sender& sender) -> Status {
    CAIRN_TRY(sender.feed(answer, now_ms()));
    tell_upstream(sender);
    if (std::exchange(rebased_, false)) {
      // What was taken over from the upstream may be the last record of the log, and nobody else syncs it where no
      // steps are made: it would never be folded.
      CAIRN_TRY(flush(true));
    }
    return judge_unsynced();
  });
  synced_changed_.notify_all();
  return s.ok() ? s : fail(s, std::string("the answer cannot be carried out: ") + s.what);
}

Status Store::sync_failed(sync::Failure failure, const std::string& text, int64_t retry_after_ms) {
  return with_sender([&](sync::Sender& sender) -> Status {
    const std::string before = sender.under_way() ? std::string() : sender.last_error();
    CAIRN_TRY(sender.failed(failure, sync::without_url_secrets(text), retry_after_ms, now_ms()));
    if (!before.empty() && before != sender.last_error()) {
      upstream_told_ = UpstreamTold::kNothing;  // more is known of the same failure
    }
    tell_upstream(sender);
    return {};
  });
}

// One line whenever it changes: a relay's messages may fail for weeks without anybody who asks for its state.
void Store::tell_upstream(const sync::Sender& sender) {
  const bool halted = outbox_->state().halt != sync::Halt::kNone;
  const bool failed = !sender.last_error().empty();
  if (sender.under_way() || (failed && !halted && sender.last_failure() == sync::Failure::kTooLarge)) {
    return;  // nothing was learned, or it goes on in halves
  }
  const UpstreamTold now = halted ? UpstreamTold::kHalted : failed ? UpstreamTold::kFailed : UpstreamTold::kAnswers;
  if (now == upstream_told_ && (now != UpstreamTold::kFailed || sender.last_failure() == upstream_told_failure_)) {
    return;
  }
  const bool again = upstream_told_ != UpstreamTold::kNothing;
  upstream_told_ = now;
  upstream_told_failure_ = sender.last_failure();
  const std::string who = "the upstream " + outbox_->state().upstream;
  if (now == UpstreamTold::kAnswers) {
    log(LogLevel::kInfo, Code::kOk, who + (again ? " answers again" : " answers"));
  } else if (halted) {
    log(LogLevel::kError, Code::kAgain, who + ": nothing is sent: " + sender.last_error());
  } else {
    const int64_t at = now_ms();
    const int64_t in_s = (std::max<int64_t>(0, sender.next_due(at) - at) + 999) / 1000;
    log(LogLevel::kWarning, Code::kAgain,
        who + ": " + sender.last_error() + "; tried again in " + std::to_string(in_s) + " s");
  }
}

Status Store::remember_way(const sync::Way& way) {
  return with_outbox([&] { return outbox_->remember(way); });
}

Status Store::sync_control(SyncControl what) {
  return with_sender([&](sync::Sender& sender) -> Status {
    switch (what) {
      case SyncControl::kHurry:
        sender.hurry();
        break;
      case SyncControl::kPause:
        sender.pause();
        break;
      case SyncControl::kResume:
        sender.resume();
        break;
    }
    return {};
  });
}

Status Store::resolve_copy(bool moved, uint64_t* dropped) {
  return with_sender([&](sync::Sender& sender) -> Status {
    if (outbox_->state().halt == sync::Halt::kNone) {
      return fail(Code::kInvalidArgument, "nothing is to be decided: the store was not copied or moved");
    }
    CAIRN_TRY(outbox_->resolve(moved, dropped));
    sender.resume();
    return {};
  });
}

Status Store::dead_letters(size_t most, std::vector<std::pair<std::string, sync::DeadLetter>>& letters,
                           const std::string& after) {
  return with_outbox([&]() -> Status {
    auto all = outbox_->dead_letters(after, most);
    CAIRN_TRY(all.status());
    letters = std::move(*all);
    return {};
  });
}

Status Store::release_dead(const std::string& id, sync::Outbox::Release how) {
  const Status s = with_outbox([&]() -> Status {
    if (sender_ != nullptr) {
      sender_->hurry();
    }
    return outbox_->release(id, how);
  });
  return s.code == Code::kNotFound ? fail(s, "the run has no dead letter", id) : s;
}

Status Store::sync_state(SyncState& state) {
  state = SyncState();
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  const std::lock_guard sync_guard(sync_mutex_);
  const std::lock_guard guard(checkpoint_mutex_);
  const std::shared_ptr<Tables> tables = this->tables();
  if (tables == nullptr) {
    return refuse(Code::kClosed);
  }
  state.sender = outbox_->state();
  if (sender_ == nullptr) {
    return {};
  }
  // What is only in the log is in no table that could be counted. If it cannot be folded now, not_folded says so.
  if (gate() == Code::kOk) {
    (void)fold_for_sync();
  }
  auto waiting = outbox_->waiting();
  CAIRN_TRY(waiting.status());
  state.waiting = *waiting;
  state.in_flight_entries = outbox_->in_flight_entries();
  state.in_flight_bytes = outbox_->in_flight().size();
  state.not_folded = writer_->written_lsn() - std::min(writer_->written_lsn(), tables->applied_lsn());
  {
    const std::lock_guard dirty(dirty_mutex_);
    state.not_logged = dirty_.size();
  }
  state.under_way = sender_->under_way();
  state.paused = sender_->paused();
  state.over_unsynced = over_unsynced_;
  state.dropped_runs = dropped_runs_;
  state.failures = sender_->failures();
  state.last_error = sender_->last_error();
  state.last_failure = sender_->last_failure();
  state.now_ms = now_ms();
  state.next_ms = sender_->next_due(state.now_ms);
  const sync::SenderState& s = state.sender;
  state.all_acknowledged = s.halt == sync::Halt::kNone && !s.resends && !s.pulls() && waiting->runs == 0 &&
                           waiting->held == 0 && state.not_folded == 0 && state.not_logged == 0;
  return {};
}

Status Store::sync_state(std::string_view id, RunSyncState& state) {
  state = RunSyncState();
  auto seen = peek(id, false);
  CAIRN_TRY(seen.status());
  return with_sender([&](sync::Sender&) -> Status {
    auto of = outbox_->of_run(std::string(id));
    CAIRN_TRY(of.status());
    state.outbox = std::move(*of);
    if (!*seen && !state.outbox.known) {
      return fail(Code::kNoSuchRun, "there is no such run in this store", id);
    }
    state.sequence = *seen ? (*seen)->record.sequence : state.outbox.sequence;
    state.all_acknowledged =
        !state.outbox.waits && !state.outbox.in_flight && !state.outbox.held && state.sequence == state.outbox.sequence;
    return {};
  });
}

Status Store::wait_synced(int64_t deadline_ms) {
  // What counts is what was updated before the call.
  CAIRN_TRY(barrier());
  CAIRN_TRY(sync_control(SyncControl::kHurry));
  const uint64_t lsn = writer_->written_lsn();
  std::unique_lock lock(synced_mutex_);
  while (true) {
    bool done = false;
    CAIRN_TRY(with_sender([&](sync::Sender&) -> Status {
      done = outbox_->acknowledged_up_to(lsn) && tables()->applied_lsn() >= lsn;
      if (!done) {
        sender_->hurry();
      }
      return {};
    }));
    if (done) {
      return {};
    }
    const int64_t now = now_ms();
    if (now >= deadline_ms) {
      return fail(Code::kTimeout, "not everything is upstream yet: " + why_not_upstream());
    }
    // Whoever drives the transport wakes this; the bound is for clocks that do not go with the machine's.
    synced_changed_.wait_for(lock, std::chrono::milliseconds(20));
  }
}

// What stands in the way, as far as this store knows.
std::string Store::why_not_upstream() {
  SyncState state;
  if (!sync_state(state).ok()) {
    return "there is no upstream";
  }
  if (state.sender.halt == sync::Halt::kForked) {
    return "nothing is sent: another store sends under this one's name; say which this is (cairn sync --moved or "
           "--copied)";
  }
  if (state.sender.halt != sync::Halt::kNone) {
    return "nothing is sent: the store's files were moved or copied; say which (cairn sync --moved or --copied)";
  }
  if (state.paused) {
    return "sending is paused";
  }
  if (!state.last_error.empty()) {
    return state.last_error;
  }
  if (state.waiting.held > 0 && state.in_flight_entries == 0) {
    return "the upstream refused " + std::to_string(state.waiting.held) + (state.waiting.held == 1 ? " run" : " runs") +
           ", held here (cairn sync --dead says why)";
  }
  return state.under_way ? "no answer came yet" : "the time was too short for all of it";
}

// More waits for the upstream than the host allows. Looked at where it changes: when the log is folded, when an answer
// was carried out.
Status Store::judge_unsynced() {
  if (sender_ == nullptr) {
    over_unsynced_ = false;
    return {};
  }
  const sync::SenderOptions& o = sender_->options();
  if (o.unsynced_runs_max == 0 && o.unsynced_ms_max == 0) {
    over_unsynced_ = false;
    return {};
  }
  auto waiting = outbox_->waiting();
  CAIRN_TRY(waiting.status());
  const int64_t waited_us = waiting->oldest_us == 0 ? 0 : now_us() - waiting->oldest_us;
  over_unsynced_ = (o.unsynced_runs_max != 0 && waiting->runs >= o.unsynced_runs_max) ||
                   (o.unsynced_ms_max != 0 && waited_us / 1000 >= o.unsynced_ms_max);
  return {};
}

Status Store::can_promise(Durability d) const {
  return class_of(d) != Durability::kUpstream || has_upstream() ? Status() : not_attached();
}

Status Store::keep_promise(Durability d, uint64_t lsn, std::span<const std::string> ids) {
  if (!wants_power(d)) {
    return {};
  }
  CAIRN_TRY(synced(lsn));
  return class_of(d) == Durability::kUpstream ? wait_acknowledged(lsn, ids) : Status();
}

// Whatever ends it but the acknowledgement, the update is on the disk here and is sent later.
Status Store::wait_acknowledged(uint64_t lsn, std::span<const std::string> ids) {
  const int64_t deadline = now_ms() + options_.upstream_timeout_ms;
  std::unique_lock lock(synced_mutex_);
  while (true) {
    bool all = true;
    CAIRN_TRY(with_sender([&](sync::Sender& sender) -> Status {
      if (outbox_->state().halt != sync::Halt::kNone) {
        return fail(Code::kTimeout,
                    "the update is on the disk here, and nothing is sent: the store's files were moved or copied; say "
                    "which (cairn sync --moved or --copied)");
      }
      all = tables()->applied_lsn() >= lsn;
      for (const std::string& id : ids) {
        auto where = all ? outbox_->arrived(id, lsn) : sync::Outbox::Arrived::kNo;
        CAIRN_TRY(where.status());
        if (*where == sync::Outbox::Arrived::kHeld) {
          return fail(Code::kTimeout,
                      "the update is on the disk here, and the upstream refused the run (cairn sync --dead says why)",
                      id);
        }
        all = all && *where == sync::Outbox::Arrived::kYes;
      }
      if (!all) {
        sender.hurry();
      }
      return {};
    }));
    if (all) {
      return {};
    }
    if (now_ms() >= deadline) {
      return fail(Code::kTimeout,
                  "the update is on the disk here, not upstream yet, it is sent later: " + why_not_upstream());
    }
    synced_changed_.wait_for(lock, std::chrono::milliseconds(20));
  }
}

// --- what the sender does to runs in memory ---

// What of a run owned elsewhere waits is kept in memory for its limits: all, and apart what came since the last batch
// took some. With the run's lock held.
void Store::note_outbox(Run& run, Diff all, const Diff& added) {
  run.record.outbox.diff = std::move(all);
  if (!ships_.load(std::memory_order_relaxed)) {
    return;
  }
  if (run.outbox_since.last == 0) {
    run.outbox_since = added;
  } else if (!fold(run.outbox_since, added).ok()) {
    run.outbox_since = Diff();  // then the limits see all a while longer
  }
}

namespace {

template <typename Runs>
RunRef in_memory(std::mutex& mutex, const Runs& runs, const std::string& id) {
  const std::lock_guard guard(mutex);
  const auto at = runs.find(id);
  return at == runs.end() ? RunRef() : at->second;
}

}  // namespace

void Store::outbox_taken(const std::string& id, uint64_t last) {
  const RunRef run = in_memory(table_mutex_, runs_, id);
  if (!run) {
    return;
  }
  const std::lock_guard guard(run->lock);
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

// Something went back into the outbox, or out of it: the limits go by what is in there now.
void Store::outbox_returned(const std::string& id) {
  const RunRef run = in_memory(table_mutex_, runs_, id);
  if (!run) {
    return;
  }
  const std::lock_guard guard(run->lock);
  if (!run->record.foreign || run->gate == Code::kErased) {
    return;
  }
  if (auto record = folded_record(*run); record.ok()) {
    run->record.outbox = std::move(record->outbox);
    run->outbox_since = Diff();
  }
}

// A letter that is long already must not grow with each time it is sent again and refused.
Status Store::room_behind_letter(const std::string& id) const {
  const std::shared_ptr<Tables> tables = this->tables();
  if (!ships_.load(std::memory_order_relaxed) || tables == nullptr) {
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

Result<std::optional<std::string>> Store::stored_cursor(std::string_view key) {
  const std::shared_ptr<Tables> tables = this->tables();
  if (tables == nullptr) {
    return refuse(Code::kClosed);
  }
  std::optional<std::string> cursor;
  CAIRN_TRY(tables->look([&](TablesTxn& txn) -> Status {
    auto payload = txn.get(Table::kCursors, key);
    CAIRN_TRY(payload.status());
    if (payload->has_value()) {
      cursor.emplace(**payload);
    }
    return {};
  }));
  return cursor;
}

Status Store::refresh(std::string_view id) {
  auto run = find(id);
  CAIRN_TRY(run.status());
  return with_sender([&](sync::Sender& sender) -> Status {
    sender.refresh(std::string(id));
    return {};
  });
}

}  // namespace cairn::engine
