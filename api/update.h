// Updates that go through a whole Operation, shared by runs and cells.
#pragma once

#include <string_view>

#include "api/handles.h"
#include "engine/operation.h"

namespace cairn::api {

/// Applies `op` in the handle's class.
template <class Handle>
Status apply(Handle& handle, const engine::Operation& op) {
  engine::Outcome outcome;
  return handle.engine->apply(*handle.run, op, outcome, handle.durability);
}

}  // namespace cairn::api
