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
  Status take(const Batch& batch, StreamCursor& next, const StreamId& retire, size_t& limit) override;
  Status documents(const Question& question, Documents& documents) override {
    return store_.documents(question, documents);
  }

 private:
  Store& store_;
  std::mutex mutex_;
  // Guarded by mutex_. Of every stream that was seen since the store was opened: the log may hold later cursors than
  // the tables, and this the latest.
  std::map<StreamId, StreamCursor> cursors_;
};

}  // namespace cairn::engine::sync
