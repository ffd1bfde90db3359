// Says in the host's log, once, that updates of a killed process are where a reader cannot see them: without an owner
// nothing else would say what is missing.
#pragma once

#include "engine/base/hooks.h"
#include "engine/reader/read_report.h"

namespace cairn::engine {

class LostStagingNotice {
 public:
  explicit LostStagingNotice(const Hooks& hooks) : hooks_(hooks) {}
  /// After each look.
  void look(const ReadReport& report);

 private:
  const Hooks& hooks_;
  bool told_ = false;
};

}  // namespace cairn::engine
