// The sender of this store and its outbox, and how they are used: by one at a time, while nobody folds the log into rows
// of the outbox.
//
// mutex() comes before the checkpointer's, and both are held whenever the sender works. A checkpoint that looks whether
// too much waits has the checkpointer's alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/store/change_signal.h"
#include "engine/store/checkpointer.h"
#include "engine/store/flusher.h"
#include "engine/store/foreign_outbox.h"
#include "engine/store/gate.h"
#include "engine/store/rebase.h"
#include "engine/store/retention.h"
#include "engine/store/run_table.h"
#include "engine/store/stranded_deltas.h"
#include "engine/store/upstream_facts.h"
#include "engine/sync/outbox.h"
#include "engine/sync/sender.h"
#include "wal/function_ref.h"
#include "wal/mutex.h"

namespace cairn::engine {

/// What a call without an upstream answers.
Status fail_not_attached();

class UpstreamSender {
 public:
  UpstreamSender(const Hooks& hooks, const Gate& gate, RunTable& runs, Flusher& flusher, Checkpointer& checkpointer,
                 const ForeignOutbox& foreign, UpstreamFacts& facts, sync::Outbox& outbox, Rebase& rebase,
                 StrandedDeltas& stranded, std::string directory)
      : hooks_(hooks),
        gate_(gate),
        runs_(runs),
        flusher_(flusher),
        checkpointer_(checkpointer),
        foreign_(foreign),
        facts_(facts),
        rebase_(rebase),
        outbox_(outbox),
        stranded_(stranded),
        directory_(std::move(directory)) {}

  /// One use of the sender at a time. A step only tries it (retention), and never waits.
  [[nodiscard]] Mutex& mutex() CAIRN_RETURN_CAPABILITY(mutex_) { return mutex_; }
  /// Takes both locks for `body`. What came back into the outbox meanwhile goes to its runs afterwards.
  Status with_outbox(const FunctionRef<Status(sync::Outbox&)>& body);
  /// The same; kInvalidArgument without an upstream.
  Status with_sender(const FunctionRef<Status(sync::Sender&, sync::Outbox&)>& body);
  /// The same, and who waits looks again.
  Status change(const FunctionRef<Status(sync::Sender&, sync::Outbox&)>& body);
  /// Changes with what those who wait for the upstream look at.
  [[nodiscard]] ChangeSignal& changed() { return changed_; }

  // --- with both locks held, or at open before other threads ---
  [[nodiscard]] sync::Outbox& outbox();
  /// Null: no upstream.
  [[nodiscard]] sync::Sender* get();
  void make(const sync::SenderOptions& options);
  void drop();
  /// Looks whether more waits for the upstream than the host allows: where that changes, which is when the log is
  /// folded, and when an answer was carried out.
  Status check_limits();

  // --- for the other parts of the store ---
  /// At the end of an open: goes on with the upstream that was attached.
  void begin(int64_t poll_interval_ms);
  /// With both held: nothing is sent from here on, and who waits is woken. The outbox stays, for calls that race with it.
  void close();
  /// For the destructor in a forked child: see Flusher::abandon.
  void abandon() { changed_.abandon(); }
  /// With both held: a person has to say first whether the store was copied or moved.
  [[nodiscard]] bool halted() const;
  /// At open, durable with the tables' next sync: the store was copied, moved or restored.
  Status note_copied();
  /// At open, likewise: what the tables have of the upstream may be older than it was.
  Status note_older();
  /// After each checkpoint, with the checkpointer held.
  Status folded();
  /// What of the run the upstream has, for retention. Who sends just now is not waited for: then it has nothing.
  Retention::Sent sent(const std::string& id);

 private:
  const Hooks& hooks_;
  const Gate& gate_;
  RunTable& runs_;
  Flusher& flusher_;
  Checkpointer& checkpointer_;
  const ForeignOutbox& foreign_;
  UpstreamFacts& facts_;
  Rebase& rebase_;

  Mutex mutex_{LockRank::kUpstream};  // before the checkpointer's
  sync::Outbox& outbox_ CAIRN_GUARDED_BY(checkpointer_.mutex());
  StrandedDeltas& stranded_ CAIRN_GUARDED_BY(mutex_);
  std::unique_ptr<sync::Sender> sender_ CAIRN_GUARDED_BY(checkpointer_.mutex());  // null: no upstream

  const std::string directory_;  // of the store, as it was opened
  ChangeSignal changed_;
};

}  // namespace cairn::engine
