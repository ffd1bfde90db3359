// All that `cairn serve` answers for one store: the routes of runs, those that watch, and the route of messages.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "api/http/options.h"
#include "api/server/api_options.h"
#include "api/server/keys.h"
#include "api/server/route_table.h"
#include "api/server/run_store.h"
#include "api/server/subscriptions.h"
#include "api/server/time_keeper.h"
#include "engine/store/store.h"
#include "engine/sync/receiver.h"

namespace cairn::server {

class StoreService {
 public:
  struct Options {
    std::vector<Secret> api_tokens;
    std::vector<Secret> sync_tokens;
    int64_t late_metadata_us = ApiOptions().late_metadata_us;
    std::function<void(const std::string&)> trouble;  // what keeps delays and times to live from ending; of any thread
  };
  /// `store` and `receiver` must live longer. Throws std::system_error if there is no thread for
  /// subscriptions or for the time.
  StoreService(engine::Store& store, engine::sync::Receiver& receiver, Options options);

  RouteTable& routes() { return table_; }
  /// Who may use them, for a server's options; empty if nobody has to prove anything.
  http::Authenticator authenticator();
  /// What pages of other origins may read of a response: what the npm client's subscriptions and retries need.
  static const char* exposed_headers();
  [[nodiscard]] bool needs_key() const { return !keys_.empty(); }

 private:
  RunStore runs_;
  Keys keys_;
  Subscriptions subscriptions_;
  RouteTable table_;
  TimeKeeper time_keeper_;
};

}  // namespace cairn::server
