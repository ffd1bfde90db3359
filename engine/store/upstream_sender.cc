#include "engine/store/upstream_sender.h"

#include <unistd.h>

#include "engine/base/error_detail.h"
#include "engine/base/host_name.h"
#include "engine/tables/tables.h"

namespace cairn::engine {

Status fail_not_attached() {
  return fail(Code::kInvalidArgument, "the store has no upstream: attach one first (cairn sync --upstream URL)");
}

Status UpstreamSender::with_outbox(const FunctionRef<Status(sync::Outbox&)>& body) {
  CAIRN_TRY(gate_.check_process());
  const MutexLock sync_guard(mutex_);
  const MutexLock guard(checkpointer_.mutex());
  if (const Code gate = gate_.code(); gate == Code::kClosed || runs_.tables() == nullptr) {
    return fail_closed();
  }
  CAIRN_TRY(stranded_.receive());
  const Status done = body(outbox_);
  for (const std::string& id : outbox_.take_returned()) {
    foreign_.returned(id);
  }
  if (const Status received = stranded_.receive(); !received.ok()) {
    write_log(hooks_, LogLevel::kWarning, received.code,
              std::string("deltas that came back are taken later: ") + received.what);
  }
  return done;
}

Status UpstreamSender::with_sender(const FunctionRef<Status(sync::Sender&, sync::Outbox&)>& body) {
  return with_outbox([&](sync::Outbox& outbox) -> Status {
    checkpointer_.mutex().assert_held();
    return sender_ != nullptr ? body(*sender_, outbox) : fail_not_attached();
  });
}

Status UpstreamSender::change(const FunctionRef<Status(sync::Sender&, sync::Outbox&)>& body) {
  const Status s = with_sender(body);
  changed_.notify();
  return s;
}

sync::Outbox& UpstreamSender::outbox() {
  checkpointer_.mutex().assert_held();
  return outbox_;
}

sync::Sender* UpstreamSender::get() {
  checkpointer_.mutex().assert_held();
  return sender_.get();
}

// The sender calls these with both locks held.
void UpstreamSender::make(const sync::SenderOptions& options) {
  checkpointer_.mutex().assert_held();
  sync::Sender::Host host;
  host.fold = [this](uint64_t* lsn) {
    CAIRN_TRY(checkpointer_.catch_up());
    *lsn = runs_.tables()->applied_lsn();
    return Status();
  };
  host.taken = [this](const std::string& id, uint64_t last) { foreign_.taken(id, last); };
  host.take_document = [this](const sync::Documents::Run& run) { return rebase_.take_document(run); };
  host.expect_documents = [this] {
    CAIRN_TRY(flusher_.flush(true));
    return checkpointer_.fold();
  };
  host.keep_documents = [this] { return rebase_.flush(); };
  host.refreshed = [this](const sync::Documents::Run& run, bool late) { return rebase_.refreshed(run, late); };
  host.seen = [this](const std::string& id) {
    const RunRef run = runs_.find(id);
    if (run == nullptr) {
      return std::pair<uint64_t, uint64_t>();
    }
    const RunGuard guard(run->lock);
    return std::pair(run->seen_life, run->seen_version);
  };
  host.about = [this] {
    sync::About about;
    about.host = host_name();
    about.directory = directory_;
    about.process = static_cast<uint64_t>(getpid());
    return about;
  };
  host.random = [this] {
    uint64_t v = 0;
    hooks_.random_bytes(hooks_.context, &v, sizeof v);
    return v;
  };
  sender_ = std::make_unique<sync::Sender>(outbox_, *runs_.tables(), options, std::move(host));
}

void UpstreamSender::drop() {
  checkpointer_.mutex().assert_held();
  sender_.reset();
}

Status UpstreamSender::check_limits() {
  checkpointer_.mutex().assert_held();
  if (sender_ == nullptr) {
    facts_.over_limits = false;
    return {};
  }
  const sync::SenderOptions& o = sender_->options();
  if (o.unsynced_runs_max == 0 && o.unsynced_ms_max == 0) {
    facts_.over_limits = false;
    return {};
  }
  auto waiting = outbox_.queries().waiting();
  CAIRN_TRY(waiting.status());
  const int64_t waited_us = waiting->oldest_us == 0 ? 0 : hooks_.wall_us(hooks_.context) - waiting->oldest_us;
  facts_.over_limits = (o.unsynced_runs_max != 0 && waiting->runs >= o.unsynced_runs_max) ||
                       (o.unsynced_ms_max != 0 && waited_us / 1000 >= o.unsynced_ms_max);
  return {};
}

void UpstreamSender::begin(int64_t poll_interval_ms) {
  const MutexLock guard(checkpointer_.mutex());
  if (facts_.attached.load(std::memory_order_relaxed)) {
    sync::SenderOptions options;
    options.poll_interval_ms = poll_interval_ms;
    options.stays = poll_interval_ms != 0;  // who opens a store for that stays, too
    make(options);
  }
}

void UpstreamSender::close() {
  drop();
  changed_.notify();
}

bool UpstreamSender::halted() const {
  checkpointer_.mutex().assert_held();
  return outbox_.state().halt != sync::Halt::kNone;
}

Status UpstreamSender::note_copied() {
  const MutexLock guard(checkpointer_.mutex());
  return outbox_.stream().note_copied();
}

Status UpstreamSender::note_older() {
  const MutexLock guard(checkpointer_.mutex());
  return outbox_.stream().note_older();
}

Status UpstreamSender::folded() {
  const Status s = check_limits();
  changed_.notify();
  return s;
}

Retention::Sent UpstreamSender::sent(const std::string& id) {
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
  if (runs_.tables() == nullptr) {
    return upstream;
  }
  upstream.drops = facts_.over_limits && sender_ != nullptr && sender_->options().drop_finished;
  const auto sequence = outbox_.queries().acknowledged(id);
  upstream.acknowledged = sequence.ok() ? *sequence : 0;
  return upstream;
}

}  // namespace cairn::engine
