// One run as readers see it.
#pragma once

#include "engine/records/run_record.h"

namespace cairn::engine {

struct RunView {
  RunRecord record;
  bool orphaned = false;  // unfinished, and of another session: computed, never stored
  bool erased = false;    // erased, but there is still a handle of it
};

}  // namespace cairn::engine
