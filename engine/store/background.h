// The one owned thread of a store opened with background = true: it runs step() when it is due, and nothing else.
#pragma once

#include <thread>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/store/gate.h"
#include "engine/store/stepper.h"

namespace cairn::engine {

class Background {
 public:
  Background(const Hooks& hooks, const Gate& gate, Stepper& stepper) : hooks_(hooks), gate_(gate), stepper_(stepper) {}

  Status start();
  /// Waits for a step under way.
  void stop();
  /// In a forked child there is no such thread.
  void abandon();

 private:
  void work(int timer, int stop);
  void step();

  const Hooks& hooks_;
  const Gate& gate_;
  Stepper& stepper_;
  std::thread thread_;
  int stop_fd_ = -1;
};

}  // namespace cairn::engine
