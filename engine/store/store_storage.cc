#include "engine/store/store_storage.h"

#include "engine/store/home_stores.h"
#include "engine/store/intake.h"

namespace cairn::engine::sync {

template <class Value, class Decode>
Result<std::optional<Value>> StoreStorage::look_up(std::map<StreamId, Value> StoreStorage::*seen, const StreamId& id,
                                                   const std::string& key, const Decode& decode) {
  {
    const MutexLock guard(mutex_);
    if (const auto at = (this->*seen).find(id); at != (this->*seen).end()) {
      return std::optional<Value>(at->second);
    }
  }
  auto stored = store_.intake().stored_cursor(key);
  CAIRN_TRY(stored.status());
  if (!*stored) {
    return std::optional<Value>();
  }
  Result<Value> value = decode(**stored);
  CAIRN_TRY(value.status());
  const MutexLock guard(mutex_);
  return std::optional<Value>((this->*seen).emplace(id, std::move(*value)).first->second);
}

Result<std::optional<StreamCursor>> StoreStorage::cursor(const StreamId& stream) {
  return look_up(&StoreStorage::cursors_, stream, cursor_key(stream), decode_cursor);
}

Result<std::optional<LiveStream>> StoreStorage::live(const OwnerId& owner) {
  return look_up(&StoreStorage::live_, owner, live_stream_key(owner), decode_live_stream);
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
  CAIRN_TRY(store_.intake().receive(batch, cursors, next.verdicts, limit));
  store_.home_stores().took(next.owner);
  const MutexLock guard(mutex_);
  cursors_[live.stream] = next;
  if (first) {
    live_[next.owner] = live;
  }
  if (retired) {
    cursors_[before->stream] = std::move(*retired);
  }
  return {};
}

// Of an owner of which nothing was taken there is nothing to show.
void StoreStorage::heard(const OwnerId& owner, const About* about) {
  if (store_.home_stores().heard(owner, about)) {
    return;
  }
  if (const auto live = this->live(owner); live.ok() && *live) {
    store_.home_stores().add(owner, about);
  }
}

Unseen StoreStorage::unseen(const OwnerId& owner) { return store_.intake().unseen(owner); }

Status StoreStorage::documents(const Question& question, Documents& documents) {
  auto live = this->live(question.owner);
  CAIRN_TRY(live.status());
  documents.generation = *live ? (*live)->generation : 0;
  return store_.intake().documents(question, documents);
}

}  // namespace cairn::engine::sync
