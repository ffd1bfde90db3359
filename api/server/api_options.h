// What the routes of runs are set up with.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "api/server/keys.h"
#include "api/server/local_store.h"

namespace cairn::server {

struct ApiOptions {
  std::string environment = "dev";           // its name in lists of runs
  int64_t late_metadata_us = 3'600'000'000;  // a run that ended longer ago takes no metadata by its route
  std::function<int64_t()> now_us;           // wall clock since 1970, UTC; none: that of the system
  LocalStore* local = nullptr;               // null: the runs are kept elsewhere
  const Keys* keys = nullptr;                // sign the tokens of x-trigger-jwt; none: there is no such header
};

}  // namespace cairn::server
