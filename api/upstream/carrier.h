// Carries a store's messages to its upstream and the answers back, a step at a time.
//
// Invariant: a message that the store gave is answered, failed, or in flight in `exchange_`; so the store never waits
//            for
// a message that is lost here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/upstream/http_exchange.h"
#include "cairn/cairn.h"
#include "wal/mutex.h"

namespace cairn::upstream {

struct Carried {
  uint64_t messages = 0;
  uint64_t answers = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
};

/// Threads: one at a time; carried() any. Functions return the status of the store's calls; the thread's last error is
/// that of the failed call.
class Carrier {
 public:
  static constexpr int64_t kPollMs = 10;      // after which a host that does not wait calls again
  static constexpr int64_t kRecheckMs = 250;  // how late requests of other threads to the store are noticed

  static constexpr int64_t kTokenMs = 1000;  // how late another token in the file is noticed

  Carrier(cairn_store* store, std::unique_ptr<HttpExchange> exchange) : store_(store), exchange_(std::move(exchange)) {}

  /// As cairn_upstream_step. *in_ms: 0 only after something was carried.
  cairn_status step(int64_t wait_ms, int64_t* in_ms) noexcept;
  [[nodiscard]] bool in_flight() const { return in_flight_; }
  /// Tells the store that there is no answer to what is in flight.
  void give_up(const char* why) noexcept;
  [[nodiscard]] Carried carried() const;

 private:
  cairn_status start(int64_t* in_ms);
  cairn_status try_another_token();
  Status send(std::string_view message);
  cairn_status take(const Outcome& outcome);
  cairn_status failed(int32_t why, const char* text, int64_t retry_after_ms = 0) noexcept;

  cairn_store* const store_;
  const std::unique_ptr<HttpExchange> exchange_;
  bool in_flight_ = false;
  bool denied_ = false;  // the last message

  mutable Mutex mutex_{LockRank::kCarried};
  Carried carried_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::upstream
