#include "tools/serve/forwarder.h"

#include <utility>

#include "engine/base/error_detail.h"
#include "tools/output/report.h"
#include "tools/process/interrupt.h"
#include "wal/signals_blocked.h"

namespace cairn::tools {

Forwarder::Forwarder(const Globals& globals, engine::Store& store, std::unique_ptr<Carrier> carrier)
    : carrier_(std::move(carrier)) {
  if (carrier_ != nullptr) {
    const SignalsBlocked blocked;  // they are the main thread's, which acts on them
    thread_ = std::thread([this, &globals, &store] { work(globals, store); });
  }
}

std::unique_ptr<Carrier> Forwarder::end() {
  ends_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
  return std::move(carrier_);
}

void Forwarder::work(const Globals& globals, engine::Store& store) {
  while (!ends_ && !interrupted()) {
    if (const Status s = forward(store, *carrier_, monotonic_ms() + 30'000); !s.ok()) {
      note(globals, "the upstream: " + engine::error_text(s));
      pause_ms(1000);
    }
    pause_ms(20);
  }
}

}  // namespace cairn::tools
