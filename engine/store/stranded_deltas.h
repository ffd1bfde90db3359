// Deltas whose run came here from its owner while they were on their way, and that came back: they are taken as a batch
// that comes in. Their stream's cursor says after a kill that they were.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/records/log_record.h"
#include "engine/store/checkpointer.h"
#include "engine/store/run_log.h"
#include "engine/sync/batch.h"
#include "engine/sync/outbox.h"
#include "engine/sync/reply.h"
#include "wal/mutex.h"

namespace cairn::engine {

class StrandedDeltas {
 public:
  /// The store that takes batches.
  struct Receiver {
    /// Intake::receive.
    std::function<Status(const sync::Batch& batch, const std::function<std::vector<Received::Cursor>()>& cursors,
                         std::vector<sync::Verdict>& verdicts, size_t& limit)>
        receive;
    /// Intake::stored_cursor.
    std::function<Result<std::optional<std::string>>(std::string_view key)> stored_cursor;
  };
  StrandedDeltas(RunLog& log, Checkpointer& checkpointer, sync::Outbox& outbox, Receiver&& receiver)
      : run_log_(log), checkpointer_(checkpointer), outbox_(outbox), receiver_(std::move(receiver)) {}

  /// Takes those that are there. With the upstream and the checkpointer held.
  Status receive();

 private:
  Status receive(const sync::Batch& batch) CAIRN_REQUIRES(checkpointer_.mutex());

  RunLog& run_log_;
  Checkpointer& checkpointer_;
  sync::Outbox& outbox_ CAIRN_GUARDED_BY(checkpointer_.mutex());
  const Receiver receiver_;
};

}  // namespace cairn::engine
