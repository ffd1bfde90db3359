// The close of a store: updates end, what is staged goes into the log, the log goes into the tables, and the log is
// marked clean.
#pragma once

#include <cstdint>

#include "cairn/status.h"
#include "engine/store/gate.h"
#include "engine/store/parts.h"

namespace cairn::engine {

class Shutdown {
 public:
  Shutdown(StoreParts& parts, Gate& gate) : parts_(parts), gate_(gate) {}
  /// See Store::close.
  Status run(int64_t deadline_ms);

 private:
  void wait_for_updates();
  Status flush();
  Status fold(int64_t deadline_ms);
  Status mark_clean();

  StoreParts& parts_;
  Gate& gate_;
};

}  // namespace cairn::engine
