// GET /realtime/v1/...: runs that a client follows, over Electric's HTTP shape protocol.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/principal.h"
#include "api/server/route_table.h"
#include "api/server/run_storage.h"
#include "api/server/subscriptions.h"

namespace cairn::server {

/// What a principal may follow. Threads: any.
struct RealtimeAccess {
  /// Whether it may read all of `type` ("runs", "tags", "tasks", "batch") where `id` is empty, else this one.
  std::function<bool(const http::Principal& who, std::string_view type, std::string_view id)> may_read;
  /// The columns that it is not given, beside those that it does not ask for.
  std::function<std::vector<std::string>(const http::Principal& who)> left_out;
};

/// GET /realtime/v1/runs/:id, /realtime/v1/runs and /realtime/v1/batches/:id, for principals with one of the bits of
/// `roles`. `storage` and `subscriptions` must live longer; let_go() of the table must be that of `subscriptions`.
std::vector<Route> realtime_routes(RunStorage& storage, Subscriptions& subscriptions, RealtimeAccess access, int roles);

}  // namespace cairn::server
