// Typed reads, shared by runs and cells; and copies of texts into the caller's buffer.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "api/handles.h"
#include "engine/json/value.h"

namespace cairn::api {

/// Copies `text` if it fits, and a NUL after it if `nul` is set and that fits too.
Status copy_out(std::string_view text, bool nul, void* buffer, size_t capacity, size_t* needed);

/// "progress: expected a number, found a string".
Status mismatch(std::string_view key, const char* expected, const engine::Value& found);

/// A string of this thread that keeps its capacity (up to 64 KiB), so that reads in a loop do not allocate.
std::string& scratch();

// Each returns kTypeMismatch for another type.
Status read_double(const engine::Value& value, std::string_view key, double& out);
Status read_int64(const engine::Value& value, std::string_view key, int64_t& out);
Status read_uint64(const engine::Value& value, std::string_view key, uint64_t& out);
Status read_bool(const engine::Value& value, std::string_view key, int32_t& out);

// The general path, for what the hot calls do not handle; not inlined, so that it does not slow them down.
[[gnu::noinline]] cairn_status get_double(cairn_run* run, const char* key, size_t key_bytes, double* value) noexcept;
[[gnu::noinline]] cairn_status get_int64(cairn_run* run, const char* key, size_t key_bytes, int64_t* value) noexcept;

/// Calls take(value) -> Status with the value at `key`, under the run's lock.
template <class Handle, class Take>
Status read_value(Handle* handle, std::string_view key, Take&& take) {
  // One pointer, so that the engine's std::function needs no memory.
  struct Call {
    Take& take;
    Status status;
  } call{take, {}};
  CAIRN_TRY(handle->engine->get(*handle->run, key, [c = &call](const engine::Value& v) { c->status = c->take(v); }));
  return call.status;
}

}  // namespace cairn::api
