// All that `cairn serve` answers for one store: the routes of runs, those that watch, and the route of messages.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "api/http/options.h"
#include "api/server/api_options.h"
#include "api/server/event_streams.h"
#include "api/server/keys.h"
#include "api/server/route_table.h"
#include "api/server/run_store.h"
#include "api/server/store_facts.h"
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
    std::vector<Route> further = {};                  // routes that are looked at first
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
  /// Why updates are not taken now, for GET /readyz; "": they are. Threads: any.
  [[nodiscard]] std::string why_not_ready() const;
  /// From now on it is not ready: it is about to stop.
  void retire() { retires_ = true; }
  [[nodiscard]] const RunStore& runs() const { return runs_; }
  [[nodiscard]] const Subscriptions& subscriptions() const { return subscriptions_; }
  /// As Keys::replace().
  void replace_tokens(std::vector<Secret> api, std::vector<Secret> sync) {
    keys_.replace(std::move(api), std::move(sync));
  }

 private:
  engine::Store& store_;
  std::atomic<bool> retires_{false};
  RunStore runs_;
  StoreFacts facts_;
  Keys keys_;
  Subscriptions subscriptions_;
  EventStreams events_;
  RouteTable table_;
  TimeKeeper time_keeper_;
};

}  // namespace cairn::server
