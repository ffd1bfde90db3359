#include "engine/sync/store_storage.h"

namespace cairn::engine::sync {

namespace {

/// What `known` has under the id, or else the store; kept in `known`.
template <typename Value, typename Decode>
Result<std::optional<Value>> look_up(Store& store, std::mutex& mutex, std::map<StreamId, Value>& known,
                                     const StreamId& id, const std::string& key, const Decode& decode) {
  {
    const std::lock_guard guard(mutex);
    if (const auto at = known.find(id); at != known.end()) {
      return std::optional<Value>(at->second);
    }
  }
  auto stored = store.stored_cursor(key);
  CAIRN_TRY(stored.status());
  if (!*stored) {
    return std::optional<Value>();
  }
  Result<Value> value = decode(**stored);
  CAIRN_TRY(value.status());
  const std::lock_guard guard(mutex);
  return std::optional<Value>(known.emplace(id, std::move(*value)).first->second);
}

}  // namespace

Result<std::optional<StreamCursor>> StoreStorage::cursor(const StreamId& stream) {
  return look_up(store_, mutex_, cursors_, stream, cursor_key(stream), decode_cursor);
}

Result<std::optional<LiveStream>> StoreStorage::live(const OwnerId& owner) {
  return look_up(store_, mutex_, live_, owner, live_stream_key(owner), decode_live_stream);
}

Status StoreStorage::take(const Batch& batch, StreamCursor& next, bool first, size_t& limit) {
  const LiveStream live{batch.header.stream, batch.header.generation};
  std::optional<LiveStream> before;
  std::optional<StreamCursor> retired;
  if (first) {
    auto found = this->live(next.owner);
    CAIRN_TRY(found.status());
    before = *found;
  }
  if (before) {
    auto found = cursor(before->stream);
    CAIRN_TRY(found.status());
    retired = std::move(*found);
    if (retired) {
      retired->retired_by = live.stream;
    }
  }
  const auto cursors = [&] {
    std::vector<Received::Cursor> all = {{cursor_key(live.stream), encode_cursor(next)}};
    if (first) {
      all.push_back({live_stream_key(next.owner), encode_live_stream(live)});
    }
    if (retired) {
      all.push_back({cursor_key(before->stream), encode_cursor(*retired)});
    }
    return all;
  };
  CAIRN_TRY(store_.receive(batch, cursors, next.verdicts, limit));
  const std::lock_guard guard(mutex_);
  cursors_[live.stream] = next;
  if (first) {
    live_[next.owner] = live;
  }
  if (retired) {
    cursors_[before->stream] = std::move(*retired);
  }
  return {};
}

Status StoreStorage::documents(const Question& question, Documents& documents) {
  auto live = this->live(question.owner);
  CAIRN_TRY(live.status());
  documents.generation = *live ? (*live)->generation : 0;
  return store_.documents(question, documents);
}

}  // namespace cairn::engine::sync
