#include "engine/sync/stored_state.h"

#include <utility>

#include "engine/tables/format.h"

namespace cairn::engine::sync {

Result<SenderState> read_sender_state(TablesTxn& txn) {
  CAIRN_TRY_ASSIGN(const auto payload, txn.get(Table::kMeta, meta_key::kSync));
  return payload ? decode_sender_state(*payload) : SenderState();
}

Status StoredState::load() {
  SenderState state;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    CAIRN_TRY_ASSIGN(const auto&& stored, read_sender_state(txn));
    state = stored;
    return {};
  }));
  tables_.ship(state.keeps_changes());
  tables_.count_unsent(unsent_of(state));
  state_ = std::move(state);
  return {};
}

// Which runs the tables count as unsent.
StoredState::Unsent StoredState::unsent_of(const SenderState& state) {
  return state.resends ? Unsent(state.resend_after) : std::nullopt;
}

Status StoredState::change(const FunctionRef<void(SenderState&)>& edit, uint64_t bytes) {
  return commit(state_, bytes, [&](TablesTxn&, SenderState& next) {
    edit(next);
    return Status();
  });
}

Status StoredState::commit(const SenderState& next, uint64_t bytes,
                           const FunctionRef<Status(TablesTxn&, SenderState&)>& work) {
  SenderState committed;
  Unsent unsent;
  CAIRN_TRY(tables_.transact(bytes, [&](TablesTxn& txn) -> Status {
    committed = next;
    CAIRN_TRY(work(txn, committed));
    unsent = unsent_of(committed);
    return txn.put(Table::kMeta, meta_key::kSync, encode_sender_state(committed));
  }));
  // What is committed is known here whatever happens: nothing below needs memory.
  state_ = std::move(committed);
  tables_.count_unsent(std::move(unsent));
  return {};
}

}  // namespace cairn::engine::sync
