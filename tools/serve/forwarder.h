// Sends what a server's store has on to its upstream, on a thread of its own: an upstream that does not answer holds
// nothing else up.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "engine/store/store.h"
#include "tools/output/globals.h"
#include "tools/sync/carrier.h"

namespace cairn::tools {

class Forwarder {
 public:
  /// Until it is destroyed. `store` and `globals` must live longer. Null `carrier`: does nothing.
  Forwarder(const Globals& globals, engine::Store& store, std::unique_ptr<Carrier> carrier);
  /// As end().
  ~Forwarder() { (void)end(); }
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;
  /// Waits for the message that is under way, at most 30 s; an interrupt ends that wait. Sends nothing any more, and gives
  /// the carrier to who goes on.
  std::unique_ptr<Carrier> end();

 private:
  void work(const Globals& globals, engine::Store& store);

  std::unique_ptr<Carrier> carrier_;  // the thread's until it ended
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

}  // namespace cairn::tools
