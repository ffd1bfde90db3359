// Updates that go through a whole Operation, shared by runs and cells.
#pragma once

#include <string_view>

#include "api/handles.h"
#include "engine/operation.h"

namespace cairn::api {

/// Applies `op` in the handle's class; the reason of an unapplied one is kept for the last error.
template <class Handle>
Status apply(Handle& handle, const engine::Operation& op) {
  engine::Outcome outcome;
  const Status status = handle.engine->apply(*handle.run, op, outcome, handle.durability);
  if (status.code == Code::kUnapplied) {
    note_reason(outcome.reason);
  }
  return status;
}

}  // namespace cairn::api
