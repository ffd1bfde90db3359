// Ends the delays and times to live of a storage's runs, on a thread of its own: nothing else holds them up.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "api/server/run_storage.h"
#include "wal/mutex.h"

namespace cairn::server {

class TimeKeeper {
 public:
  /// `trouble`, which may be empty, is called on that thread with what went wrong; the storage is asked again. Throws
  /// std::system_error if there is no thread.
  TimeKeeper(RunStorage& runs, std::function<void(const std::string&)> trouble);
  ~TimeKeeper();
  TimeKeeper(const TimeKeeper&) = delete;
  TimeKeeper& operator=(const TimeKeeper&) = delete;

 private:
  int64_t look() noexcept;
  void work();

  RunStorage& runs_;
  const std::function<void(const std::string&)> trouble_;
  Mutex mutex_{LockRank::kTimeKeeper};
  CondVar changed_;
  bool ends_ CAIRN_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace cairn::server
