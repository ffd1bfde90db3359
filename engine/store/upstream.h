// What callers ask of the store's upstream: to attach one, to carry messages to it and answers back, and how things
// stand. The protocol: sync/PROTOCOL.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/store/checkpointer.h"
#include "engine/store/dirty_runs.h"
#include "engine/store/gate.h"
#include "engine/store/rebase.h"
#include "engine/store/run_log.h"
#include "engine/store/run_table.h"
#include "engine/store/run_views.h"
#include "engine/store/upstream_facts.h"
#include "engine/store/upstream_notice.h"
#include "engine/store/upstream_sender.h"
#include "engine/sync/outbox.h"
#include "engine/sync/sender.h"
#include "wal/function_ref.h"
#include "wal/writer.h"

namespace cairn::engine {

class Upstream {
 public:
  Upstream(const Hooks& hooks, const Gate& gate, const RunTable& runs, const DirtyRuns& dirty,
           const wal::Writer& writer, RunLog& log, Checkpointer& checkpointer, const RunViews& views,
           UpstreamFacts& facts, Rebase& rebase, UpstreamSender& sender)
      : hooks_(hooks),
        gate_(gate),
        runs_(runs),
        dirty_(dirty),
        writer_(writer),
        run_log_(log),
        checkpointer_(checkpointer),
        views_(views),
        facts_(facts),
        rebase_(rebase),
        sender_(sender),
        notice_(hooks) {}

  /// From now on changes wait for an upstream and are sent to it; all runs are sent first. Kept in the store: the next
  /// open attaches by itself what was attached; call it again for other options. With another name, which may be
  /// another upstream, all runs are sent once more.
  /// The name is kept and shown: URLs in it lose user, password and query.
  Status attach(const std::string& name, const sync::SenderOptions& options);
  /// The same, with what `change` makes of the options that it has; those of its first attach since open are the
  /// defaults.
  Status attach_with(std::string name, const FunctionRef<void(sync::SenderOptions&)>& change);
  /// The way to the upstream that was named last, for the next command that carries messages. Durable as attach.
  Status remember_way(const sync::Way& way);
  /// Nothing is sent until it is attached again. Changes go on waiting, and what is in flight stays: it may have
  /// arrived.
  Status detach();
  [[nodiscard]] bool attached() const { return facts_.attached.load(std::memory_order_relaxed); }
  /// The next message for the upstream; empty: nothing now, ask again at `due_ms` (monotonic_ms), or after feed.
  /// Only what is durable is sent. Cost: of a checkpoint of what the log holds, and one sync.
  Status next(std::string& message, int64_t* due_ms = nullptr);
  /// The upstream's answer to it, or why there is none: then the same message comes again, later.
  Status feed(std::string_view answer);
  Status failed(sync::Failure failure, const std::string& text, int64_t retry_after_ms = 0);
  enum class Control : uint8_t { kHurry, kPause, kResume };
  Status control(Control what);
  /// After a copy or a move (sync::Halt): which of them it was. `dropped`: changes of runs owned elsewhere that the
  /// other store sends.
  Status resolve_copy(bool moved, uint64_t* dropped = nullptr);
  /// Those of ids after `after`, in the order of ids.
  Status dead_letters(size_t most, std::vector<std::pair<std::string, sync::DeadLetter>>& letters,
                      const std::string& after = {});
  Status release_dead(const std::string& id, sync::Outbox::Release how);
  struct State {
    sync::SenderState sender;
    sync::Outbox::Waiting waiting;
    uint32_t in_flight_entries = 0;
    size_t in_flight_bytes = 0;
    uint64_t not_folded = 0;  // log records that no batch can have yet
    uint64_t not_logged = 0;  // runs with changes that are not in the log yet
    bool under_way = false, paused = false, all_acknowledged = false;
    bool over_unsynced = false;  // SenderOptions::unsynced_*: new runs are refused
    uint64_t dropped_runs = 0;   // by retention, before the upstream had all of them; since open
    uint64_t failures = 0;
    std::string last_error;
    sync::Failure last_failure = sync::Failure::kTransient;
    int64_t now_ms = 0, next_ms = 0;
  };
  Status state(State& state);
  struct RunState {
    sync::Outbox::OfRun outbox;
    uint64_t sequence = 0;  // now
    bool all_acknowledged = false;
  };
  Status state(std::string_view id, RunState& state);
  /// Asks the upstream for the run's document, with the next messages. The run is in this store.
  Status refresh(std::string_view id);

  // --- for a transport where each message takes a journey, as over a folder ---
  /// A question for what others wrote, to be carried beside the batch: its answer goes to take_carried(). Empty: there
  /// is no unfinished run. An earlier one counts no more.
  Status ask_carried(std::string& question);
  /// Of the question whose answer is still to come (sync::digest_of); 0: none is.
  Status carried(sync::Digest& digest);
  enum class Carried : uint8_t {
    kAnothers,  // of another store, or no such question
    kOver,      // it was answered, or counts no more
    kWaits,     // for its answer, or with it for the acknowledgement of the batch in flight
  };
  /// Takes over what the answer to such a question has; "": there is no answer yet. Any message may be given for the
  /// question, any bytes for the answer.
  Status take_carried(std::string_view question, std::string_view answer, Carried& became);

 private:
  [[nodiscard]] int64_t now_ms() const { return hooks_.monotonic_ms(hooks_.context); }

  const Hooks& hooks_;
  const Gate& gate_;
  const RunTable& runs_;
  const DirtyRuns& dirty_;
  const wal::Writer& writer_;
  RunLog& run_log_;
  Checkpointer& checkpointer_;
  const RunViews& views_;
  UpstreamFacts& facts_;
  Rebase& rebase_;
  UpstreamSender& sender_;

  UpstreamNotice notice_ CAIRN_GUARDED_BY(checkpointer_.mutex());
};

}  // namespace cairn::engine
