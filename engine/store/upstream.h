// The store's upstream: what of the store the sender's state machine (sync/sender.h) needs, and what callers ask of it.
// The protocol: sync/PROTOCOL.md.
//
// mutex() comes before the checkpointer's, and both are held whenever the sender works: nobody folds the log into
// rows of the outbox while they are taken out or put back.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/records/log_record.h"
#include "engine/store/change_signal.h"
#include "engine/store/checkpointer.h"
#include "engine/store/dirty_runs.h"
#include "engine/store/flusher.h"
#include "engine/store/gate.h"
#include "engine/store/retention.h"
#include "engine/store/run_log.h"
#include "engine/store/run_table.h"
#include "engine/store/run_views.h"
#include "engine/store/upstream_facts.h"
#include "engine/sync/batch.h"
#include "engine/sync/documents.h"
#include "engine/sync/outbox.h"
#include "engine/sync/reply.h"
#include "engine/sync/sender.h"
#include "wal/function_ref.h"
#include "wal/writer.h"

namespace cairn::engine {

/// What a call without an upstream answers.
Status fail_not_attached();

class Upstream {
 public:
  /// What the sending side asks of the store that receives.
  struct Receiver {
    /// Intake::receive.
    std::function<Status(const sync::Batch& batch, const std::function<std::vector<Received::Cursor>()>& cursors,
                         std::vector<sync::Verdict>& verdicts, size_t& limit)>
        receive;
    /// Intake::stored_cursor.
    std::function<Result<std::optional<std::string>>(std::string_view key)> stored_cursor;
  };
  /// `timeout_ms`: calls of class upstream wait so long for the acknowledgement. `finished`: how many runs are.
  Upstream(const Hooks& hooks, uint32_t timeout_ms, const Gate& gate, RunTable& runs, DirtyRuns& dirty,
           const wal::Writer& writer, RunLog& log, Flusher& flusher, Checkpointer& checkpointer, const RunViews& views,
           UpstreamFacts& facts, std::atomic<uint64_t>& finished, std::unique_ptr<sync::Outbox> outbox,
           Receiver receiver)
      : hooks_(hooks),
        timeout_ms_(timeout_ms),
        gate_(gate),
        runs_(runs),
        dirty_(dirty),
        writer_(writer),
        run_log_(log),
        flusher_(flusher),
        checkpointer_(checkpointer),
        views_(views),
        facts_(facts),
        finished_(finished),
        receiver_(std::move(receiver)),
        outbox_(std::move(outbox)) {}

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
  /// Everything updated before the call is acknowledged by the upstream. Somebody must drive the transport. INT64_MAX:
  /// no limit. kTimeout.
  Status wait_synced(int64_t deadline_ms);
  /// Asks the upstream for the run's document, with the next messages. The run is in this store.
  Status refresh(std::string_view id);

  // --- for the other parts of the store ---
  /// At the end of an open: goes on with the upstream that was attached.
  void begin();
  /// One use of the sender at a time. A step only tries it (retention), and never waits.
  [[nodiscard]] Mutex& mutex() CAIRN_RETURN_CAPABILITY(mutex_) { return mutex_; }
  /// With mutex() and the checkpointer's held: nothing is sent from here on, and who waits is woken.
  void close();
  /// For the destructor in a forked child: see Flusher::abandon.
  void abandon() { changed_.abandon(); }
  /// With both held: a person has to say first whether the store was copied or moved.
  [[nodiscard]] bool halted() const {
    checkpointer_.mutex().assert_held();
    return outbox_->state().halt != sync::Halt::kNone;
  }
  /// At open, durable with the tables' next sync: the store was copied, moved or restored.
  Status note_copied();
  /// At open, likewise: what the tables have of the upstream may be older than it was.
  Status note_older();
  /// With both held: a checkpoint, if the log has anything durable.
  Status fold();
  /// After each checkpoint, with the checkpointer held: looks whether more waits than the host allows.
  Status folded();
  /// What of the run the upstream has, for retention. Who sends just now is not waited for: then it has nothing.
  Retention::Sent sent(const std::string& id);
  /// What these runs were at `lsn` is acknowledged. No lock is held. kTimeout.
  Status wait_acknowledged(uint64_t lsn, std::span<const std::string> ids);

 private:
  enum class Told : uint8_t { kNothing, kAnswers, kHalted, kFailed };

  void make_sender(const sync::SenderOptions& options) CAIRN_REQUIRES(checkpointer_.mutex());
  Status with_sender(const FunctionRef<Status(sync::Sender&)>& body);
  /// The same, and who waits looks again.
  Status change(const FunctionRef<Status(sync::Sender&)>& body);
  Status with_outbox(const FunctionRef<Status()>& body);
  Status check_limits() CAIRN_REQUIRES(checkpointer_.mutex());
  void tell(const sync::Sender& sender) CAIRN_REQUIRES(checkpointer_.mutex());
  [[nodiscard]] std::string why_not_there();
  Status receive_stranded() CAIRN_REQUIRES(checkpointer_.mutex());
  void outbox_taken(const std::string& id, uint64_t last);
  void outbox_returned(const std::string& id) CAIRN_REQUIRES(checkpointer_.mutex());

  // store/rebase.cc
  Status rebase(const sync::Documents::Run& upstream, bool newer) CAIRN_REQUIRES(checkpointer_.mutex());
  Result<bool> take_document(const sync::Documents::Run& run) CAIRN_REQUIRES(checkpointer_.mutex());
  void refreshed(const sync::Documents::Run& upstream) CAIRN_REQUIRES(checkpointer_.mutex());

  [[nodiscard]] std::shared_ptr<Tables> tables() const { return runs_.tables(); }
  [[nodiscard]] int64_t now_us() const { return hooks_.wall_us(hooks_.context); }
  [[nodiscard]] int64_t now_ms() const { return hooks_.monotonic_ms(hooks_.context); }
  void log(LogLevel level, Code code, const std::string& message) const { write_log(hooks_, level, code, message); }

  const Hooks& hooks_;
  const uint32_t timeout_ms_;
  const Gate& gate_;
  RunTable& runs_;
  DirtyRuns& dirty_;
  const wal::Writer& writer_;
  RunLog& run_log_;
  Flusher& flusher_;
  Checkpointer& checkpointer_;
  const RunViews& views_;
  UpstreamFacts& facts_;
  std::atomic<uint64_t>& finished_;
  const Receiver receiver_;

  Mutex mutex_{LockRank::kUpstream};  // before the checkpointer's
  // Whoever has mutex_ has the checkpointer's as well; a checkpoint that looks at these has that one alone.
  bool rebased_ CAIRN_GUARDED_BY(checkpointer_.mutex()) = false;  // by the answer that is carried out now
  std::unique_ptr<sync::Outbox> outbox_ CAIRN_GUARDED_BY(checkpointer_.mutex());
  std::unique_ptr<sync::Sender> sender_ CAIRN_GUARDED_BY(checkpointer_.mutex());  // null: no upstream
  // What was written to the host's log last.
  Told told_ CAIRN_GUARDED_BY(checkpointer_.mutex()) = Told::kNothing;
  sync::Failure told_failure_ CAIRN_GUARDED_BY(checkpointer_.mutex()) = sync::Failure::kTransient;

  ChangeSignal changed_;  // what the waits below look at may be different now
};

}  // namespace cairn::engine
