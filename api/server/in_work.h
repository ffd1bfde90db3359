// What is in work under a name: the next one with it waits.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "wal/mutex.h"

namespace cairn::server {

class InWork {
 public:
  /// Waits until none of the names is taken, and takes them all. Empty ones are none.
  class Names {
   public:
    Names(InWork& all, std::vector<std::string> names);
    ~Names();
    Names(const Names&) = delete;
    Names& operator=(const Names&) = delete;

   private:
    InWork& all_;
    std::vector<std::string> names_;
  };

 private:
  Mutex mutex_{LockRank::kRequestsInWork};
  CondVar freed_;
  std::set<std::string> names_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::server
