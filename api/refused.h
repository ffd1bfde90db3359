// Update calls that fail: the error names run and key, is counted, and the store's on_error is told of it.
//
// Invariants:
// - no lock is held by then: the engine has returned, so on_error may call the store;
// - one that fails within on_error, on the same thread, is counted and not told: on_error does not call itself;
// - on_error leaves no trace in the thread's last error: that stays the one of the update;
// - a forked child tells nobody: on_error may need what other threads of the parent held.
#pragma once

#include <string_view>

#include "api/handles.h"

namespace cairn::api {

/// The key as an error may name it; of a pointer or length that is refused no byte is read. Null: no key.
inline std::string_view nameable(const char* key, size_t bytes) {
  const bool wrong = bytes > engine::kKeyBytesMax || (key == nullptr && bytes != 0);
  return wrong ? std::string_view() : view_of(key, bytes);
}

inline std::string_view id_of(const cairn_run* run) { return run->engine != nullptr ? run->run->id : run->id; }
inline std::string_view id_of(const cairn_cell* cell) { return cell->run->id; }

/// Returns `status`. Nothing of the caller's handle is used once on_error was called.
cairn_status refused(cairn_store* store, std::string_view run, std::string_view key, cairn_status status) noexcept;

/// The same of a handle, which may be null or a forked child's copy.
template <class Handle>
[[gnu::noinline]] cairn_status refused(const Handle* handle, std::string_view key, cairn_status status) noexcept {
  return check_handle(handle).code == Code::kInvalidArgument ? status
                                                             : refused(handle->store.get(), id_of(handle), key, status);
}

inline std::string_view key_of(const engine::Operation& op) {
  return op.type == engine::OperationType::kReplace ? std::string_view() : std::string_view(op.key);
}

/// The same of a transaction's operations: of the one that is at fault, or of the run that the error names, or of the
/// only run that they are of. Of several runs none may be at fault.
cairn_status refused(cairn_store* store, const std::vector<engine::Store::RunOperation>& operations, size_t failed,
                     cairn_status status) noexcept;

/// As guarded, of an update of `key`: null if there is none, or the error names it. `body` may still choose it.
template <class Handle, class Body>
cairn_status guarded_update(const Handle* handle, const std::string_view& key, Body&& body) noexcept {
  const cairn_status status = guarded(body);
  return CAIRN_FAILED(status) ? refused(handle, key, status) : status;
}

/// All or none. `failed`, SIZE_MAX before: which operation is at fault, if one is.
inline Status transact(engine::Store& store, const std::vector<engine::Store::RunOperation>& operations,
                       engine::Durability durability, size_t& failed) {
  const Status status = store.transact(operations, durability, &failed);
  if (!status.worked() && failed < operations.size()) {
    note_index(failed);
  }
  return status;
}

}  // namespace cairn::api
