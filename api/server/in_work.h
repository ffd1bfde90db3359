// What is in work under a name: the next one with it waits, as do a few more.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "wal/mutex.h"

namespace cairn::server {

class InWork {
 public:
  /// So many may wait at once: each of them holds a thread that others need.
  static constexpr size_t kWaitingMax = 8;

  class Names {
   public:
    /// Waits until none of the names is taken, and takes them all. Empty ones are none.
    Names(InWork& all, std::vector<std::string> names);
    ~Names();
    Names(const Names&) = delete;
    Names& operator=(const Names&) = delete;
    /// kBusy: too many wait, and nothing was taken.
    [[nodiscard]] Status status() const { return status_; }

   private:
    InWork& all_;
    std::vector<std::string> names_;
    Status status_;
  };

 private:
  Mutex mutex_{LockRank::kRequestsInWork};
  CondVar freed_;
  std::set<std::string> names_ CAIRN_GUARDED_BY(mutex_);
  size_t waiting_ CAIRN_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::server
