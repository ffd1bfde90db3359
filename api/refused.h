// Handles update calls that fail: the error gets run and key, is counted, and the store's on_error is called.
//
// Invariants:
// - no lock is held by then: the engine has returned, so on_error may call the store;
// - an update that fails inside on_error, on the same thread, is counted, but on_error is not called again;
// - on_error does not change the thread's last error: it stays the one of the update;
// - a forked child does not call on_error, which may need locks that other threads of the parent held.
#pragma once

#include <string_view>

#include "api/handles.h"

namespace cairn::api {

/// The key for an error's text. If pointer or length are invalid no byte is read. Null: no key.
inline std::string_view nameable(const char* key, size_t bytes) {
  const bool wrong = bytes > engine::kKeyBytesMax || (key == nullptr && bytes != 0);
  return wrong ? std::string_view() : view_of(key, bytes);
}

inline std::string_view id_of(const cairn_run* run) { return run->engine != nullptr ? run->run->id : run->id; }
inline std::string_view id_of(const cairn_cell* cell) { return cell->run->id; }

/// Returns `status`. After on_error was called the caller's handle is not used any more.
cairn_status refused(cairn_store* store, std::string_view run, std::string_view key, cairn_status status) noexcept;

/// The same for a handle, which may be null or a forked child's copy.
template <class Handle>
[[gnu::noinline]] cairn_status refused(const Handle* handle, std::string_view key, cairn_status status) noexcept {
  return check_handle(handle).code == Code::kInvalidArgument ? status
                                                             : refused(handle->store.get(), id_of(handle), key, status);
}

inline std::string_view key_of(const engine::Operation& op) {
  return op.type == engine::OperationType::kReplace ? std::string_view() : std::string_view(op.key);
}

/// The same for a transaction's operations. The error names the operation at fault, or the run that the error already
/// names, or the only run that they are of. If there are several runs, it is possible that none is at fault.
cairn_status refused(cairn_store* store, const std::vector<engine::Store::RunOperation>& operations, size_t failed,
                     cairn_status status) noexcept;

/// As guarded, for an update of `key`: null if there is no key, or the error names it. `body` may still set it.
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
