// What the outbox needs of the store around it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "cairn/status.h"
#include "engine/sync/message.h"

namespace cairn::engine::sync {

struct OutboxSeams {
  std::function<int64_t()> wall_us;
  std::function<void(void* out, size_t bytes)> random_bytes;
  OwnerId store{};
  size_t letter_bytes_max = SIZE_MAX;  // nothing more is folded into a longer dead letter of a run owned elsewhere
  /// Folds the log, before rows are put back: a run may have come here from its owner meanwhile.
  std::function<Status()> fold;
};

}  // namespace cairn::engine::sync
