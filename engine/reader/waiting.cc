#include "engine/reader/waiting.h"

#include <algorithm>

#include "engine/sync/in_flight.h"
#include "engine/sync/outbox_rows.h"
#include "engine/sync/stored_state.h"
#include "engine/tables/format.h"

namespace cairn::engine {

Status look_at_waiting(TablesTxn& txn, sync::SenderState& sender, sync::OutboxQueries::Waiting& waiting) {
  waiting = {};
  CAIRN_TRY_ASSIGN(sender, sync::read_sender_state(txn));
  CAIRN_TRY_ASSIGN(const uint64_t rows, txn.entries(Table::kOutbox));
  CAIRN_TRY_ASSIGN(const uint64_t tombstones, txn.entries(Table::kTombstones));
  CAIRN_TRY_ASSIGN(waiting.held, txn.entries(Table::kDead));
  CAIRN_TRY_ASSIGN(const uint64_t unsent, sender.resends ? sync::read_unsent(txn) : Result<uint64_t>(0));
  waiting.runs = rows + tombstones + unsent;
  sync::InFlight in_flight;
  CAIRN_TRY(in_flight.load(txn));
  const auto older = [&waiting](int64_t us) {
    waiting.oldest_us = waiting.oldest_us == 0 ? us : us == 0 ? waiting.oldest_us : std::min(waiting.oldest_us, us);
  };
  for (const auto& [id, part] : in_flight.parts()) {
    older(part.since_us);
    CAIRN_TRY_ASSIGN(const auto row, txn.get(Table::kOutbox, id));
    CAIRN_TRY_ASSIGN(const auto tombstone, txn.get(Table::kTombstones, id));
    const bool counted = row || tombstone || (sender.resends && id > sender.resend_after);
    waiting.runs += counted ? 0 : 1;
  }
  CAIRN_TRY_ASSIGN(const auto keys, sync::keys_after(txn, Table::kOutboxOrder, {}, 1));
  const auto id = keys.empty() ? std::nullopt : id_of_order_key(keys.front());
  if (!id) {
    return {};
  }
  CAIRN_TRY_ASSIGN(const auto row, txn.get(Table::kOutbox, *id));
  if (row) {
    CAIRN_TRY_ASSIGN(const auto&& decoded, decode_outbox_row(*row));
    older(decoded.since_us);
  }
  CAIRN_TRY_ASSIGN(const auto tombstone, sync::tombstone_of(txn, *id));
  if (tombstone) {
    older(tombstone->since_us);
  }
  return {};
}

}  // namespace cairn::engine
