#include "engine/sync/store_storage.h"

namespace cairn::engine::sync {

Result<std::optional<StreamCursor>> StoreStorage::cursor(const StreamId& stream) {
  {
    const std::lock_guard guard(mutex_);
    if (const auto at = cursors_.find(stream); at != cursors_.end()) {
      return std::optional<StreamCursor>(at->second);
    }
  }
  auto stored = store_.stream_cursor(stream);
  CAIRN_TRY(stored.status());
  if (!*stored) {
    return std::optional<StreamCursor>();
  }
  auto cursor = decode_cursor(**stored);
  CAIRN_TRY(cursor.status());
  const std::lock_guard guard(mutex_);
  return std::optional<StreamCursor>(cursors_.emplace(stream, std::move(*cursor)).first->second);
}

Status StoreStorage::take(const Batch& batch, StreamCursor& next, const StreamId& retire, size_t& limit) {
  std::optional<StreamCursor> retired;
  if (batch.header.seq == 1 && !is_zero(retire)) {
    auto found = cursor(retire);
    CAIRN_TRY(found.status());
    if (*found && (*found)->owner == next.owner) {
      retired = std::move(*found);
      retired->retired_by = batch.header.stream;
    }
  }
  const auto cursors = [&] {
    std::vector<Received::Cursor> all = {{batch.header.stream, encode_cursor(next)}};
    if (retired) {
      all.push_back({retire, encode_cursor(*retired)});
    }
    return all;
  };
  CAIRN_TRY(store_.receive(batch, cursors, next.verdicts, limit));
  const std::lock_guard guard(mutex_);
  cursors_[batch.header.stream] = next;
  if (retired) {
    cursors_[retire] = std::move(*retired);
  }
  return {};
}

}  // namespace cairn::engine::sync
