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

// What the hot calls leave to the general way; out of line, so that it does not burden them.
[[gnu::noinline]] cairn_status update_run(cairn_run* run, engine::OperationType type, const char* key, size_t key_bytes,
                                          double value) noexcept;
[[gnu::noinline]] cairn_status update_run(cairn_run* run, engine::OperationType type, const char* key, size_t key_bytes,
                                          int64_t value) noexcept;
[[gnu::noinline]] cairn_status update_run(cairn_run* run, engine::OperationType type, const char* key, size_t key_bytes,
                                          bool value) noexcept;
[[gnu::noinline]] cairn_status set_text(cairn_run* run, const char* key, size_t key_bytes, const char* value,
                                        size_t value_bytes) noexcept;
[[gnu::noinline]] cairn_status replace_msgpack(cairn_run* run, const void* value, size_t bytes) noexcept;
[[gnu::noinline]] cairn_status update_cell(cairn_cell* cell, engine::OperationType type, double value) noexcept;
[[gnu::noinline]] cairn_status update_cell(cairn_cell* cell, engine::OperationType type, int64_t value) noexcept;

}  // namespace cairn::api
