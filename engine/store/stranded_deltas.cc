#include "engine/store/stranded_deltas.h"

#include "engine/sync/receiver.h"

namespace cairn::engine {

Status StrandedDeltas::receive() {
  checkpointer_.mutex().assert_held();
  if (!outbox_.in_flight().has_stranded()) {
    return {};
  }
  // One may have been taken by a call that failed after that: then its cursor is in the log.
  CAIRN_TRY(run_log_.sync_all());
  CAIRN_TRY(checkpointer_.catch_up());
  auto batches = outbox_.stranded();
  CAIRN_TRY(batches.status());
  for (const sync::Batch& batch : *batches) {
    CAIRN_TRY(receive(batch));
  }
  return {};
}

Status StrandedDeltas::receive(const sync::Batch& batch) {
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
  return outbox_.settle_stranded(batch, verdicts);
}

}  // namespace cairn::engine
