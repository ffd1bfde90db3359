// Counts of runs that are asked for again within a few seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "api/server/remembered.h"
#include "api/server/run_storage.h"

namespace cairn::server {

class RememberedCounts {
 public:
  static constexpr std::chrono::milliseconds kRemembered{5'000};

  struct Counted {
    Counts counts;
    int64_t at_us = 0;  // wall clock
  };
  /// `name`: one for each filter. Threads: any.
  Result<std::shared_ptr<const Counted>> get(RunStorage& storage, const std::string& name, const RunFilter& filter,
                                             int64_t now_us);

 private:
  Remembered<Counted> remembered_;
};

}  // namespace cairn::server
