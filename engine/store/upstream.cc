#include "engine/store/upstream.h"

#include <algorithm>
#include <utility>

#include "engine/base/error_detail.h"
#include "engine/sync/receiver.h"
#include "engine/sync/url_text.h"
#include "engine/tables/format.h"

namespace cairn::engine {

namespace {

// The clock of the host may not go with the machine's: those who wait look at it so often.
constexpr int64_t kLookMs = 250;

}  // namespace

Status fail_not_attached() {
  return fail(Code::kInvalidArgument, "the store has no upstream: attach one first (cairn sync --upstream URL)");
}

// With mutex_ and the checkpointer held.
Status Upstream::fold() {
  checkpointer_.mutex().assert_held();
  if (gate_.code() == Code::kLatched) {
    // What the log has and the disk perhaps not may have taken what waits into a run: a later open shows.
    return gate_.refuse(Code::kLatched);
  }
  const std::shared_ptr<Tables> tables = this->tables();
  return tables != nullptr && tables->applied_lsn() >= writer_.durable_lsn() ? Status() : checkpointer_.fold();
}

// The sender is used with both locks held, and calls these.
void Upstream::make_sender(const sync::SenderOptions& options) {
  sync::Sender::Host host;
  host.fold = [this](uint64_t* lsn) {
    checkpointer_.mutex().assert_held();
    CAIRN_TRY(fold());
    *lsn = tables()->applied_lsn();
    return Status();
  };
  host.taken = [this](const std::string& id, uint64_t last) { outbox_taken(id, last); };
  host.take_document = [this](const sync::Documents::Run& run) {
    checkpointer_.mutex().assert_held();
    return take_document(run);
  };
  host.expect_documents = [this] {
    CAIRN_TRY(flusher_.flush(true));
    return checkpointer_.fold();
  };
  host.keep_documents = [this] {
    checkpointer_.mutex().assert_held();
    return std::exchange(rebased_, false) ? flusher_.flush(true) : Status();
  };
  host.refreshed = [this](const sync::Documents::Run& run) {
    checkpointer_.mutex().assert_held();
    refreshed(run);
  };
  host.random = [this] {
    uint64_t v = 0;
    hooks_.random_bytes(hooks_.context, &v, sizeof v);
    return v;
  };
  sender_ = std::make_unique<sync::Sender>(*outbox_, *tables(), options, std::move(host));
}

Status Upstream::with_sender(const FunctionRef<Status(sync::Sender&)>& body) {
  return with_outbox([&]() -> Status {
    checkpointer_.mutex().assert_held();
    return sender_ != nullptr ? body(*sender_) : fail_not_attached();
  });
}

Status Upstream::change(const FunctionRef<Status(sync::Sender&)>& body) {
  const Status s = with_sender(body);
  changed_.notify();
  return s;
}

Status Upstream::note_copied() {
  const MutexLock guard(checkpointer_.mutex());
  return outbox_->stream().note_copied();
}

Status Upstream::note_older() {
  const MutexLock guard(checkpointer_.mutex());
  return outbox_->stream().note_older();
}

Status Upstream::with_outbox(const FunctionRef<Status()>& body) {
  CAIRN_TRY(gate_.check_process());
  const MutexLock sync_guard(mutex_);
  const MutexLock guard(checkpointer_.mutex());
  if (const Code gate = gate_.code(); gate == Code::kClosed || tables() == nullptr) {
    return fail_closed();
  }
  CAIRN_TRY(receive_stranded());
  const Status done = body();
  for (const std::string& id : outbox_->take_returned()) {
    outbox_returned(id);
  }
  if (const Status received = receive_stranded(); !received.ok()) {
    log(LogLevel::kWarning, received.code, std::string("deltas that came back are taken later: ") + received.what);
  }
  return done;
}

// Deltas whose run came here from its owner while they were on their way, and that came back: taken as a batch that
// comes in. Its stream's cursor says after a kill that it was.
Status Upstream::receive_stranded() {
  if (!outbox_->in_flight().has_stranded()) {
    return {};
  }
  // One may have been taken by a call that failed after that: then its cursor is in the log.
  CAIRN_TRY(run_log_.sync_all());
  CAIRN_TRY(fold());
  auto batches = outbox_->stranded();
  CAIRN_TRY(batches.status());
  for (const sync::Batch& batch : *batches) {
    sync::StreamCursor cursor;
    cursor.owner = batch.header.owner;
    cursor.seq = batch.header.seq;
    auto known = receiver_.stored_cursor(sync::cursor_key(batch.header.stream));
    CAIRN_TRY(known.status());
    std::vector<sync::Verdict> verdicts;
    if (!*known) {
      size_t limit = 0;
      const auto cursors = [&] {
        cursor.verdicts = verdicts;
        return std::vector<Received::Cursor>{{sync::cursor_key(batch.header.stream), sync::encode_cursor(cursor)}};
      };
      const Status taken = receiver_.receive(batch, cursors, verdicts, limit);
      if (taken.code == Code::kTooLarge) {
        verdicts = {{0, sync::VerdictCode::kTooLarge, "it is larger than one record of the log", 0}};
      } else {
        CAIRN_TRY(taken);
        CAIRN_TRY(checkpointer_.fold());
      }
    } else {
      auto stored = sync::decode_cursor(**known);
      CAIRN_TRY(stored.status());
      verdicts = std::move(stored->verdicts);
    }
    CAIRN_TRY(outbox_->settle_stranded(batch, verdicts));
  }
  return {};
}

Status Upstream::attach(const std::string& name, const sync::SenderOptions& options) {
  return attach_with(name, [&options](sync::SenderOptions& o) { o = options; });
}

Status Upstream::attach_with(std::string name, const FunctionRef<void(sync::SenderOptions&)>& change) {
  CAIRN_TRY(gate_.check_process());
  name = sync::without_url_secrets(name);
  const MutexLock sync_guard(mutex_);
  const MutexLock guard(checkpointer_.mutex());  // for the options, too, which a checkpoint reads
  sync::SenderOptions options = sender_ == nullptr ? sync::SenderOptions() : sender_->options();
  change(options);
  if (name.empty() || name.size() > 1024 || options.limits.entries == 0 || options.limits.entries > sync::kEntriesMax ||
      options.limits.bytes == 0 || options.limits.bytes > sync::kMessageBytesMax / 2 || options.interval_ms < 0) {
    return fail(Code::kInvalidArgument,
                "an upstream has a name of at most 1,024 bytes, batches of 1 to 65,536 runs and "
                "at most 4 MiB");
  }
  CAIRN_TRY(gate_.check());
  if (tables() == nullptr) {
    return fail_closed();
  }
  const bool first = !outbox_->state().keeps_changes();
  const bool elsewhere = outbox_->state().upstream != name;
  if (first) {
    // What the log holds now is no diff for the outbox: all runs are sent whole.
    CAIRN_TRY(run_log_.sync_all());
    CAIRN_TRY(checkpointer_.fold());
  }
  if (const Status s = outbox_->stream().attach(name); !s.ok()) {
    return fail_with_cause("the upstream cannot be set", s);
  }
  facts_.keeps_changes = facts_.attached = true;
  if (sender_ == nullptr) {
    make_sender(options);
  } else {
    sender_->set_options(options);
    if (elsewhere) {
      sender_->give_up();
      told_ = Told::kNothing;
    }
  }
  changed_.notify();
  return check_limits();
}

Status Upstream::detach() {
  CAIRN_TRY(gate_.check_process());
  const MutexLock sync_guard(mutex_);
  const MutexLock guard(checkpointer_.mutex());
  CAIRN_TRY(gate_.check());
  if (tables() == nullptr) {
    return fail_closed();
  }
  if (outbox_->state().halt != sync::Halt::kNone) {
    // Detached and attached again it would go on under a name that another store has, too.
    return fail(Code::kInvalidArgument,
                "the store's files were moved or copied: say which first (cairn sync --moved or --copied)");
  }
  if (const Status s = outbox_->stream().detach(); !s.ok()) {
    return fail_with_cause("the upstream cannot be given up", s);
  }
  facts_.attached = false;
  sender_.reset();
  told_ = Told::kNothing;
  facts_.over_limits = false;
  changed_.notify();
  return {};
}

Status Upstream::next(std::string& message, int64_t* due_ms) {
  message.clear();
  return change([&](sync::Sender& sender) -> Status {
    checkpointer_.mutex().assert_held();
    const int64_t now = now_ms();
    auto bytes = sender.next(now);
    if (!bytes.ok()) {
      return fail_with_cause("the next batch cannot be made", bytes.status());
    }
    message = *bytes;
    if (due_ms != nullptr) {
      *due_ms = sender.next_due(now);
    }
    return {};
  });
}

Status Upstream::feed(std::string_view answer) {
  const Status s = change([&](sync::Sender& sender) -> Status {
    checkpointer_.mutex().assert_held();
    CAIRN_TRY(sender.feed(answer, now_ms()));
    tell(sender);
    if (std::exchange(rebased_, false)) {
      // What was taken over from the upstream may be the last record of the log, and nothing else syncs it where no
      // steps are made: it would never be folded.
      CAIRN_TRY(flusher_.flush(true));
    }
    return check_limits();
  });
  return s.ok() ? s : fail_with_cause("the answer cannot be carried out", s);
}

Status Upstream::failed(sync::Failure failure, const std::string& text, int64_t retry_after_ms) {
  return change([&](sync::Sender& sender) -> Status {
    checkpointer_.mutex().assert_held();
    const std::string before = sender.under_way() ? std::string() : sender.last_error();
    CAIRN_TRY(sender.failed(failure, sync::without_url_secrets(text), retry_after_ms, now_ms()));
    if (!before.empty() && before != sender.last_error()) {
      told_ = Told::kNothing;  // more is known of the same failure
    }
    tell(sender);
    return {};
  });
}

// One line whenever it changes: a relay's messages may fail for weeks without anybody who asks for its state.
void Upstream::tell(const sync::Sender& sender) {
  const bool halted = outbox_->state().halt != sync::Halt::kNone;
  const bool failed = !sender.last_error().empty();
  if (sender.under_way() || (failed && !halted && sender.last_failure() == sync::Failure::kTooLarge)) {
    return;  // nothing was learned, or it goes on in halves
  }
  const Told now = halted ? Told::kHalted : failed ? Told::kFailed : Told::kAnswers;
  if (now == told_ && (now != Told::kFailed || sender.last_failure() == told_failure_)) {
    return;
  }
  const bool again = told_ != Told::kNothing;
  told_ = now;
  told_failure_ = sender.last_failure();
  const std::string who = "the upstream " + outbox_->state().upstream;
  if (now == Told::kAnswers) {
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

Status Upstream::remember_way(const sync::Way& way) {
  return with_outbox([&]() -> Status {
    checkpointer_.mutex().assert_held();
    return outbox_->stream().remember(way);
  });
}

Status Upstream::control(Control what) {
  return with_sender([&](sync::Sender& sender) -> Status {
    checkpointer_.mutex().assert_held();
    switch (what) {
      case Control::kHurry:
        sender.hurry();
        break;
      case Control::kPause:
        sender.pause();
        break;
      case Control::kResume:
        sender.resume();
        break;
    }
    return {};
  });
}

Status Upstream::resolve_copy(bool moved, uint64_t* dropped) {
  return change([&](sync::Sender& sender) -> Status {
    checkpointer_.mutex().assert_held();
    if (outbox_->state().halt == sync::Halt::kNone) {
      return fail(Code::kInvalidArgument, "there is nothing to decide: the store was not copied or moved");
    }
    CAIRN_TRY(outbox_->stream().resolve(moved, dropped));
    sender.resume();
    return {};
  });
}

Status Upstream::dead_letters(size_t most, std::vector<std::pair<std::string, sync::DeadLetter>>& letters,
                              const std::string& after) {
  return with_outbox([&]() -> Status {
    checkpointer_.mutex().assert_held();
    auto all = outbox_->letters().list(after, most);
    CAIRN_TRY(all.status());
    letters = std::move(*all);
    return {};
  });
}

Status Upstream::release_dead(const std::string& id, sync::Outbox::Release how) {
  const Status s = with_outbox([&]() -> Status {
    checkpointer_.mutex().assert_held();
    if (sender_ != nullptr) {
      sender_->hurry();
    }
    return outbox_->letters().release(id, how);
  });
  changed_.notify();
  return s.code == Code::kNotFound ? fail(s, "the run has no dead letter", id) : s;
}

Status Upstream::state(State& state) {
  state = State();
  CAIRN_TRY(gate_.check_process());
  const MutexLock sync_guard(mutex_);
  const MutexLock guard(checkpointer_.mutex());
  const std::shared_ptr<Tables> tables = this->tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  state.sender = outbox_->state();
  if (sender_ == nullptr) {
    return {};
  }
  // What is only in the log is in no table that could be counted. If it cannot be folded now, not_folded says so.
  if (gate_.code() == Code::kOk) {
    (void)fold();
  }
  auto waiting = outbox_->queries().waiting();
  CAIRN_TRY(waiting.status());
  state.waiting = *waiting;
  state.in_flight_entries = outbox_->in_flight().parts().size();
  state.in_flight_bytes = outbox_->in_flight().bytes().size();
  state.not_folded = writer_.written_lsn() - std::min(writer_.written_lsn(), tables->applied_lsn());
  state.not_logged = dirty_.count();
  state.under_way = sender_->under_way();
  state.paused = sender_->paused();
  state.over_unsynced = facts_.over_limits;
  state.dropped_runs = facts_.dropped_runs.load(std::memory_order_relaxed);
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

Status Upstream::state(std::string_view id, RunState& state) {
  state = RunState();
  auto seen = views_.peek(id, false);
  CAIRN_TRY(seen.status());
  return with_sender([&](sync::Sender&) -> Status {
    checkpointer_.mutex().assert_held();
    auto of = outbox_->queries().of_run(std::string(id));
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

Status Upstream::wait_synced(int64_t deadline_ms) {
  // What counts is what was updated before the call.
  CAIRN_TRY(flusher_.barrier());
  CAIRN_TRY(control(Control::kHurry));
  const uint64_t lsn = writer_.written_lsn();
  while (true) {
    const uint64_t seen = changed_.count();
    bool done = false;
    CAIRN_TRY(with_sender([&](sync::Sender&) -> Status {
      checkpointer_.mutex().assert_held();
      done = outbox_->queries().acknowledged_up_to(lsn) && tables()->applied_lsn() >= lsn;
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
      return fail(Code::kTimeout, "the upstream does not have everything yet: " + why_not_there());
    }
    (void)changed_.wait(seen, std::min(kLookMs, deadline_ms - now));
  }
}

// What stands in the way, as far as this store knows.
std::string Upstream::why_not_there() {
  State found;
  if (!state(found).ok()) {
    return "there is no upstream";
  }
  if (found.sender.halt == sync::Halt::kForked) {
    return "nothing is sent: another store sends under this one's name; say which this is (cairn sync --moved or "
           "--copied)";
  }
  if (found.sender.halt != sync::Halt::kNone) {
    return "nothing is sent: the store's files were moved or copied; say which (cairn sync --moved or --copied)";
  }
  if (found.paused) {
    return "sending is paused";
  }
  if (!found.last_error.empty()) {
    return found.last_error;
  }
  if (found.waiting.held > 0 && found.in_flight_entries == 0) {
    return "the upstream refused " + std::to_string(found.waiting.held) + (found.waiting.held == 1 ? " run" : " runs") +
           ", held here (cairn sync --dead says why)";
  }
  return found.under_way ? "no answer came yet" : "the time was too short for all of it";
}

// More waits for the upstream than the host allows. Looked at where it changes: when the log is folded, when an answer
// was carried out.
Status Upstream::check_limits() {
  if (sender_ == nullptr) {
    facts_.over_limits = false;
    return {};
  }
  const sync::SenderOptions& o = sender_->options();
  if (o.unsynced_runs_max == 0 && o.unsynced_ms_max == 0) {
    facts_.over_limits = false;
    return {};
  }
  auto waiting = outbox_->queries().waiting();
  CAIRN_TRY(waiting.status());
  const int64_t waited_us = waiting->oldest_us == 0 ? 0 : now_us() - waiting->oldest_us;
  facts_.over_limits = (o.unsynced_runs_max != 0 && waiting->runs >= o.unsynced_runs_max) ||
                       (o.unsynced_ms_max != 0 && waited_us / 1000 >= o.unsynced_ms_max);
  return {};
}

// Whatever ends it but the acknowledgement, the update is on the disk here and is sent later.
Status Upstream::wait_acknowledged(uint64_t lsn, std::span<const std::string> ids) {
  const int64_t deadline = now_ms() + timeout_ms_;
  while (true) {
    const uint64_t seen = changed_.count();
    bool all = true;
    CAIRN_TRY(with_sender([&](sync::Sender& sender) -> Status {
      checkpointer_.mutex().assert_held();
      if (outbox_->state().halt != sync::Halt::kNone) {
        return fail(Code::kTimeout,
                    "the update is on the disk here, and nothing is sent: the store's files were moved or copied; say "
                    "which (cairn sync --moved or --copied)");
      }
      all = tables()->applied_lsn() >= lsn;
      for (const std::string& id : ids) {
        auto where = all ? outbox_->queries().arrived(id, lsn) : sync::Outbox::Arrived::kNo;
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
    const int64_t now = now_ms();
    if (now >= deadline) {
      return fail(Code::kTimeout,
                  "the update is on the disk here, and is sent to the upstream later: " + why_not_there());
    }
    (void)changed_.wait(seen, std::min(kLookMs, deadline - now));
  }
}

// Who sends just now is not waited for: then nothing is acknowledged.
Retention::Sent Upstream::sent(const std::string& id) {
  Retention::Sent upstream;
  upstream.ships = facts_.keeps_changes.load(std::memory_order_relaxed);
  if (!upstream.ships) {
    return upstream;
  }
  if (!mutex_.try_lock()) {
    return upstream;
  }
  const MutexLock sync_guard(mutex_, std::adopt_lock);
  if (!checkpointer_.mutex().try_lock()) {
    return upstream;
  }
  const MutexLock guard(checkpointer_.mutex(), std::adopt_lock);
  if (tables() == nullptr) {
    return upstream;
  }
  upstream.drops = facts_.over_limits && sender_ != nullptr && sender_->options().drop_finished;
  const auto sequence = outbox_->queries().acknowledged(id);
  upstream.acknowledged = sequence.ok() ? *sequence : 0;
  return upstream;
}

// --- what the sender does to runs in memory ---

void Upstream::outbox_taken(const std::string& id, uint64_t last) {
  const RunRef run = runs_.find(id);
  if (!run) {
    return;
  }
  const RunGuard guard(run->lock);
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
void Upstream::outbox_returned(const std::string& id) {
  const RunRef run = runs_.find(id);
  if (!run) {
    return;
  }
  const RunGuard guard(run->lock);
  if (!run->record.foreign || run->gate == Code::kErased) {
    return;
  }
  if (auto record = checkpointer_.folded_record(*run); record.ok()) {
    run->record.outbox = std::move(record->outbox);
    run->outbox_since = Diff();
  }
}

Status Upstream::refresh(std::string_view id) {
  return with_sender([&](sync::Sender& sender) -> Status {
    checkpointer_.mutex().assert_held();
    sender.refresh(std::string(id));
    return {};
  });
}

void Upstream::begin() {
  const MutexLock guard(checkpointer_.mutex());
  if (attached()) {
    make_sender({});
  }
}

void Upstream::close() {
  checkpointer_.mutex().assert_held();
  sender_.reset();
  outbox_.reset();
  changed_.notify();
}

Status Upstream::folded() {
  checkpointer_.mutex().assert_held();
  const Status s = check_limits();
  changed_.notify();
  return s;
}

}  // namespace cairn::engine
