#include "api/metrics/durable_lag.h"

#include <algorithm>

namespace cairn::metrics {

namespace {

bool waits(engine::Store& store) {
  const engine::StoreStats stats = store.stats();
  return stats.runs_dirty != 0 || stats.written_lsn != stats.durable_lsn;
}

}  // namespace

void DurableLag::forget_durable(engine::Store& store) {
  const uint64_t durable = store.durable_epoch();
  while (!looks_.empty() && looks_.front().first <= durable) {
    durable_ms_ = looks_.front().second;
    looks_.pop_front();
  }
}

void DurableLag::look(engine::Store& store, int64_t now_ms) {
  const bool all_is_durable = !waits(store);
  const uint64_t epoch = store.epoch();
  const MutexLock lock(mutex_);
  forget_durable(store);
  if (all_is_durable) {
    looks_.clear();
    durable_ms_ = now_ms;
  } else if (!looks_.empty() && looks_.back().first == epoch) {
    looks_.back().second = now_ms;
  } else {
    looks_.emplace_back(epoch, now_ms);
  }
}

double DurableLag::seconds(engine::Store& store, int64_t now_ms) {
  if (!waits(store)) {
    return 0;
  }
  const MutexLock lock(mutex_);
  forget_durable(store);
  return durable_ms_ == 0 ? 0 : static_cast<double>(std::max<int64_t>(now_ms - durable_ms_, 0)) / 1000;
}

}  // namespace cairn::metrics
