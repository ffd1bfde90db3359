// A Cairn store as the storage of a receiver: runs become runs of the store, cursors go through its log into LMDB.
#pragma once

#include <map>
#include <mutex>

#include "engine/store.h"
#include "engine/sync/receiver.h"

namespace cairn::engine::sync {

class StoreStorage final : public ReceiverStorage {
 public:
  explicit StoreStorage(Store& store) : store_(store) {}
  Result<std::optional<StreamCursor>> cursor(const StreamId& stream) override;
  Result<std::optional<LiveStream>> live(const OwnerId& owner) override;
  Status take(const Batch& batch, StreamCursor& next, bool first, size_t& limit) override;
  Status documents(const Question& question, Documents& documents) override;

 private:
  Store& store_;
  std::mutex mutex_;
  // Guarded by mutex_. Of every stream and owner that was seen since the store was opened: the log may hold later ones
  // than the tables, and these are the latest.
  std::map<StreamId, StreamCursor> cursors_;
  std::map<OwnerId, LiveStream> live_;
};

}  // namespace cairn::engine::sync
