// One operation of a transaction over several runs.
#pragma once

#include "engine/document/operation.h"

namespace cairn::engine {

struct Run;

struct RunOperation {
  Run* run;
  Operation op;
};

}  // namespace cairn::engine
