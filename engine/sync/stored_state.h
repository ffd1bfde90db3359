// The state of the sender as it was last committed, and the only code that changes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "engine/sync/sender_state.h"
#include "engine/tables/tables.h"
#include "wal/function_ref.h"

namespace cairn::engine::sync {

/// As stored; a store that never had an upstream has the initial state.
Result<SenderState> read_sender_state(TablesTxn& txn);

class StoredState {
 public:
  explicit StoredState(Tables& tables) : tables_(tables) {}
  Status load();

  const SenderState& operator*() const { return state_; }
  const SenderState* operator->() const { return &state_; }

  /// Commits a change of the state alone; `bytes` as for Tables::transact().
  Status change(const FunctionRef<void(SenderState&)>& edit, uint64_t bytes = 4096);
  /// Commits `next` in one transaction with what `work` writes. `work` may change it further, and gets `next` again if it
  /// runs again.
  Status commit(const SenderState& next, uint64_t bytes, const FunctionRef<Status(TablesTxn&, SenderState&)>& work);

 private:
  using Unsent = std::optional<std::string>;  // Tables::count_unsent
  static Unsent unsent_of(const SenderState& state);

  Tables& tables_;
  SenderState state_;
};

}  // namespace cairn::engine::sync
