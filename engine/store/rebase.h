// What the upstream's answers make of runs of this store: a run takes the document that its upstream has, after a
// restore or a repair, and where its host asks for it.
#pragma once

#include <memory>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/store/checkpointer.h"
#include "engine/store/dirty_runs.h"
#include "engine/store/flusher.h"
#include "engine/store/run_log.h"
#include "engine/store/run_table.h"
#include "engine/store/status_counts.h"
#include "engine/sync/documents.h"
#include "engine/sync/outbox.h"
#include "wal/mutex.h"

namespace cairn::engine {

/// All calls with the checkpointer held, and with the outbox for no other use meanwhile.
class Rebase {
 public:
  Rebase(const Hooks& hooks, RunTable& runs, DirtyRuns& dirty, RunLog& log, Flusher& flusher,
         Checkpointer& checkpointer, sync::Outbox& outbox, StatusCounts& counts)
      : hooks_(hooks),
        runs_(runs),
        dirty_(dirty),
        run_log_(log),
        flusher_(flusher),
        checkpointer_(checkpointer),
        outbox_(outbox),
        counts_(counts) {}

  /// Of a pull: the upstream may have a later state of a run of this store, which was restored or repaired. False: it
  /// has not.
  Result<bool> take_document(const sync::Documents::Run& run);
  /// The upstream's state of a run that was asked for. `late`: one that is older than what was taken before is passed
  /// over. False: it could not be taken now.
  bool refreshed(const sync::Documents::Run& upstream, bool late);
  /// What these two logged since the last call is durable.
  Status flush();

 private:
  Status rebase(const sync::Documents::Run& upstream, bool newer) CAIRN_REQUIRES(checkpointer_.mutex());

  const Hooks& hooks_;
  RunTable& runs_;
  DirtyRuns& dirty_;
  RunLog& run_log_;
  Flusher& flusher_;
  Checkpointer& checkpointer_;
  sync::Outbox& outbox_ CAIRN_GUARDED_BY(checkpointer_.mutex());
  StatusCounts& counts_;
  bool rebased_ CAIRN_GUARDED_BY(checkpointer_.mutex()) = false;
};

}  // namespace cairn::engine
