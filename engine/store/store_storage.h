// A Cairn store as the storage of a receiver: runs become runs of the store, cursors go through its log into LMDB.
#pragma once

#include <map>

#include "engine/store/store.h"
#include "engine/sync/receiver.h"
#include "wal/mutex.h"

namespace cairn::engine::sync {

class StoreStorage final : public ReceiverStorage {
 public:
  explicit StoreStorage(Store& store) : store_(store) {}
  Result<std::optional<StreamCursor>> cursor(const StreamId& stream) override;
  Result<std::optional<LiveStream>> live(const OwnerId& owner) override;
  Status take(const Batch& batch, StreamCursor& next, bool first, size_t& limit) override;
  Status documents(const Question& question, Documents& documents) override;
  Unseen unseen(const OwnerId& owner) override;
  void heard(const OwnerId& owner, const About* about) override;

 private:
  /// What a stream or an owner was last seen with; else what the store has, which is kept.
  template <class Value, class Decode>
  Result<std::optional<Value>> look_up(std::map<StreamId, Value> StoreStorage::*seen, const StreamId& id,
                                       const std::string& key, const Decode& decode);

  Store& store_;
  Mutex mutex_{LockRank::kCursors};
  // Of every stream and owner that was seen since the store was opened: the log may hold later ones than the tables, and
  // these are the latest.
  std::map<StreamId, StreamCursor> cursors_ CAIRN_GUARDED_BY(mutex_);
  std::map<OwnerId, LiveStream> live_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::engine::sync
