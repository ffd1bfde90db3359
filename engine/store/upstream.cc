#include "engine/store/upstream.h"

#include <algorithm>
#include <utility>

#include "engine/base/error_detail.h"
#include "engine/sync/carried_question.h"
#include "engine/sync/url_text.h"
#include "engine/tables/tables.h"

namespace cairn::engine {

Status Upstream::attach(const std::string& name, const sync::SenderOptions& options) {
  return attach_with(name, [&options](sync::SenderOptions& o) { o = options; });
}

Status Upstream::attach_with(std::string name, const FunctionRef<void(sync::SenderOptions&)>& change) {
  CAIRN_TRY(gate_.check_process());
  name = sync::without_url_secrets(name);
  const MutexLock sync_guard(sender_.mutex());
  const MutexLock guard(checkpointer_.mutex());  // for the options, too, which a checkpoint reads
  sync::Outbox& outbox = sender_.outbox();
  sync::Sender* const sender = sender_.get();
  sync::SenderOptions options = sender == nullptr ? sync::SenderOptions() : sender->options();
  change(options);
  if (name.empty() || name.size() > 1024 || options.limits.entries == 0 || options.limits.entries > sync::kEntriesMax ||
      options.limits.bytes == 0 || options.limits.bytes > sync::kMessageBytesMax / 2 || options.interval_ms < 0) {
    return fail(Code::kInvalidArgument,
                "an upstream has a name of at most 1,024 bytes, batches of 1 to 65,536 runs and "
                "at most 4 MiB");
  }
  CAIRN_TRY(gate_.check());
  if (runs_.tables() == nullptr) {
    return fail_closed();
  }
  const bool first = !outbox.state().keeps_changes();
  const bool elsewhere = outbox.state().upstream != name;
  if (first) {
    // What the log holds now is no diff for the outbox: all runs are sent whole.
    CAIRN_TRY(run_log_.sync_all());
    CAIRN_TRY(checkpointer_.fold());
  }
  if (const Status s = outbox.stream().attach(name); !s.ok()) {
    return fail_with_cause("the upstream cannot be set", s);
  }
  if (elsewhere) {
    CAIRN_TRY(sync::CarriedQuestion(*runs_.tables(), outbox.state().owner).forget());
  }
  facts_.keeps_changes = facts_.attached = true;
  if (sender == nullptr) {
    sender_.make(options);
  } else {
    sender->set_options(options);
    if (elsewhere) {
      sender->give_up();
      notice_.forget();
    }
  }
  sender_.changed().notify();
  return sender_.check_limits();
}

Status Upstream::detach() {
  CAIRN_TRY(gate_.check_process());
  const MutexLock sync_guard(sender_.mutex());
  const MutexLock guard(checkpointer_.mutex());
  CAIRN_TRY(gate_.check());
  if (runs_.tables() == nullptr) {
    return fail_closed();
  }
  if (sender_.halted()) {
    // Detached and attached again it would go on under a name that another store has, too.
    return fail(Code::kInvalidArgument,
                "the store's files were moved or copied: say which first (cairn sync --moved or --copied)");
  }
  if (const Status s = sender_.outbox().stream().detach(); !s.ok()) {
    return fail_with_cause("the upstream cannot be given up", s);
  }
  facts_.attached = false;
  sender_.drop();
  notice_.forget();
  facts_.over_limits = false;
  sender_.changed().notify();
  return {};
}

Status Upstream::next(std::string& message, int64_t* due_ms) {
  message.clear();
  return sender_.change([&](sync::Sender& sender, sync::Outbox& /*outbox*/) -> Status {
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
  const Status s = sender_.change([&](sync::Sender& sender, sync::Outbox& outbox) -> Status {
    checkpointer_.mutex().assert_held();
    CAIRN_TRY(sender.feed(answer, now_ms()));
    notice_.look(sender, outbox.state());
    CAIRN_TRY(rebase_.flush());
    return sender_.check_limits();
  });
  return s.ok() ? s : fail_with_cause("the answer cannot be carried out", s);
}

Status Upstream::failed(sync::Failure failure, const std::string& text, int64_t retry_after_ms) {
  return sender_.change([&](sync::Sender& sender, sync::Outbox& outbox) -> Status {
    checkpointer_.mutex().assert_held();
    const std::string before = sender.under_way() ? std::string() : sender.last_error();
    CAIRN_TRY(sender.failed(failure, sync::without_url_secrets(text), retry_after_ms, now_ms()));
    if (!before.empty() && before != sender.last_error()) {
      notice_.forget();  // more is known of the same failure
    }
    notice_.look(sender, outbox.state());
    return {};
  });
}

Status Upstream::remember_way(const sync::Way& way) {
  return sender_.with_outbox([&](sync::Outbox& outbox) -> Status { return outbox.stream().remember(way); });
}

Status Upstream::control(Control what) {
  return sender_.with_sender([&](sync::Sender& sender, sync::Outbox& /*outbox*/) -> Status {
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
  return sender_.change([&](sync::Sender& sender, sync::Outbox& outbox) -> Status {
    if (outbox.state().halt == sync::Halt::kNone) {
      return fail(Code::kInvalidArgument, "there is nothing to decide: the store was not copied or moved");
    }
    CAIRN_TRY(outbox.stream().resolve(moved, dropped));
    checkpointer_.mutex().assert_held();
    CAIRN_TRY(sync::CarriedQuestion(*runs_.tables(), outbox.state().owner).forget());
    sender.resume();
    return {};
  });
}

Status Upstream::dead_letters(size_t most, std::vector<std::pair<std::string, sync::DeadLetter>>& letters,
                              const std::string& after) {
  return sender_.with_outbox([&](sync::Outbox& outbox) -> Status {
    auto all = outbox.letters().list(after, most);
    CAIRN_TRY(all.status());
    letters = std::move(*all);
    return {};
  });
}

Status Upstream::release_dead(const std::string& id, sync::Outbox::Release how) {
  const Status s = sender_.with_outbox([&](sync::Outbox& outbox) -> Status {
    if (sync::Sender* const sender = sender_.get(); sender != nullptr) {
      sender->hurry();
    }
    return outbox.letters().release(id, how);
  });
  sender_.changed().notify();
  return s.code == Code::kNotFound ? fail(s, "the run has no dead letter", id) : s;
}

Status Upstream::state(State& state) {
  state = State();
  CAIRN_TRY(gate_.check_process());
  const MutexLock sync_guard(sender_.mutex());
  const MutexLock guard(checkpointer_.mutex());
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  sync::Outbox& outbox = sender_.outbox();
  state.sender = outbox.state();
  const sync::Sender* const sender = sender_.get();
  if (sender == nullptr) {
    return {};
  }
  // What is only in the log is in no table that could be counted. If it cannot be folded now, not_folded says so.
  if (gate_.code() == Code::kOk) {
    (void)checkpointer_.catch_up();
  }
  auto waiting = outbox.queries().waiting();
  CAIRN_TRY(waiting.status());
  state.waiting = *waiting;
  state.in_flight_entries = outbox.in_flight().parts().size();
  state.in_flight_bytes = outbox.in_flight().bytes().size();
  state.not_folded = writer_.written_lsn() - std::min(writer_.written_lsn(), tables->applied_lsn());
  state.not_logged = dirty_.count();
  state.under_way = sender->under_way();
  state.paused = sender->paused();
  state.over_unsynced = facts_.over_limits;
  state.dropped_runs = facts_.dropped_runs.load(std::memory_order_relaxed);
  state.failures = sender->failures();
  state.last_error = sender->last_error();
  state.last_failure = sender->last_failure();
  state.now_ms = now_ms();
  state.next_ms = sender->next_due(state.now_ms);
  const sync::SenderState& s = state.sender;
  state.all_acknowledged = s.halt == sync::Halt::kNone && !s.resends && !s.pulls() && waiting->runs == 0 &&
                           waiting->held == 0 && state.not_folded == 0 && state.not_logged == 0;
  return {};
}

Status Upstream::state(std::string_view id, RunState& state) {
  state = RunState();
  auto seen = views_.peek(id, false);
  CAIRN_TRY(seen.status());
  return sender_.with_sender([&](sync::Sender& /*sender*/, sync::Outbox& outbox) -> Status {
    auto of = outbox.queries().of_run(std::string(id));
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

Status Upstream::refresh(std::string_view id) {
  return sender_.with_sender([&](sync::Sender& sender, sync::Outbox& /*outbox*/) -> Status {
    sender.refresh(std::string(id));
    return {};
  });
}

Status Upstream::ask_carried(std::string& question) {
  question.clear();
  return sender_.with_sender([&](sync::Sender& /*sender*/, sync::Outbox& outbox) -> Status {
    checkpointer_.mutex().assert_held();
    if (outbox.state().halt != sync::Halt::kNone) {
      return {};
    }
    CAIRN_TRY(checkpointer_.catch_up());
    uint64_t number = 0;
    hooks_.random_bytes(hooks_.context, &number, sizeof number);
    CAIRN_TRY_ASSIGN(question, sync::CarriedQuestion(*runs_.tables(), outbox.state().owner).ask(number));
    return {};
  });
}

Status Upstream::carried(sync::Digest& digest) {
  return sender_.with_sender([&](sync::Sender& /*sender*/, sync::Outbox& outbox) -> Status {
    checkpointer_.mutex().assert_held();
    CAIRN_TRY_ASSIGN(digest, sync::CarriedQuestion(*runs_.tables(), outbox.state().owner).waits_for());
    return {};
  });
}

// While a batch is in flight its changes are neither in the upstream's documents nor in the outbox.
Status Upstream::take_carried(std::string_view question, std::string_view answer, Carried& became) {
  became = Carried::kAnothers;
  const auto asked = sync::decode_question(question);
  if (!asked.ok() || !sync::is_carried(*asked)) {
    return {};
  }
  return sender_.change([&](sync::Sender& /*sender*/, sync::Outbox& outbox) -> Status {
    checkpointer_.mutex().assert_held();
    if (asked->owner != outbox.state().owner) {
      return {};
    }
    if (outbox.state().halt != sync::Halt::kNone) {
      return {};  // a copy has the owner's name, too
    }
    sync::CarriedQuestion carried(*runs_.tables(), asked->owner);
    CAIRN_TRY_ASSIGN(const sync::Digest of_last, carried.waits_for());
    const bool waits = of_last == sync::digest_of(question);
    became = waits ? Carried::kWaits : Carried::kOver;
    if (!waits || answer.empty() || !outbox.in_flight().empty() || outbox.state().pulls()) {
      return {};
    }
    const auto documents = sync::decode_documents(answer);
    Status taken = Code::kCorrupt;
    if (documents.ok()) {
      taken = carried.answered(*asked, *documents, [this](const sync::Documents::Run& run) {
        checkpointer_.mutex().assert_held();
        (void)rebase_.refreshed(run, true);
      });
    }
    if (taken.code == Code::kCorrupt) {
      taken = carried.forget();  // refused, or an answer that is none: it must not keep the batches from going
    }
    if (!taken.ok()) {
      return fail_with_cause("the answer cannot be carried out", taken);
    }
    became = Carried::kOver;
    return rebase_.flush();
  });
}

}  // namespace cairn::engine
