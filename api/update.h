// Updates that go through a whole Operation, shared by runs and cells.
#pragma once

#include <string_view>

#include "api/handles.h"
#include "engine/document/operation.h"

namespace cairn::api {

/// Applies `op` with the handle's durability class.
template <class Handle>
Status apply(Handle& handle, const engine::Operation& op) {
  engine::Outcome outcome;
  return handle.engine->apply(*handle.run, op, outcome, handle.durability);
}

// The general path, for what the hot calls do not handle; not inlined, so that it does not slow them down.
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
