// A clock that stands still until a test moves it, for Hooks::wall_us and Hooks::monotonic_ms.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/base/hooks.h"

namespace cairn::testing {

/// Threads: any; a test may move it while a store reads it.
struct FakeClock {
  std::atomic<int64_t> wall_us{1'700'000'000'000'000};
  std::atomic<int64_t> monotonic_ms{1'000'000};

  FakeClock() = default;
  FakeClock(const FakeClock& o) : wall_us(o.wall_us.load()), monotonic_ms(o.monotonic_ms.load()) {}
  FakeClock& operator=(const FakeClock& o) {
    wall_us = o.wall_us.load();
    monotonic_ms = o.monotonic_ms.load();
    return *this;
  }

  void advance_ms(int64_t ms) {
    wall_us += ms * 1000;
    monotonic_ms += ms;
  }
};

/// What the hooks' context points to.
template <class Host>
void use_clock(engine::Hooks& hooks, Host& host) {
  hooks.context = &host;
  hooks.wall_us = [](void* context) { return static_cast<Host*>(context)->clock().wall_us.load(); };
  hooks.monotonic_ms = [](void* context) { return static_cast<Host*>(context)->clock().monotonic_ms.load(); };
}

}  // namespace cairn::testing
