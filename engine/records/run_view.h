// One run as readers see it.
#pragma once

#include <memory>

#include "engine/records/home_store.h"
#include "engine/records/run_record.h"

namespace cairn::engine {

struct RunView {
  RunRecord record;
  bool orphaned = false;  // unfinished, and of another session: computed, never stored
  bool erased = false;    // erased, but there is still a handle of it
  // The store that it came from; null: it is this store's own, or nobody asked.
  std::shared_ptr<const HomeStore> home = nullptr;

  /// It is unfinished, and the store that it came from is not heard of any more.
  [[nodiscard]] bool home_is_silent() const {
    return home != nullptr && home->silent && !record.foreign && !is_final(record.status);
  }
};

}  // namespace cairn::engine
