#include "engine/sync/outbox_queries.h"

#include <algorithm>

#include "engine/sync/outbox_rows.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

namespace {

/// Every run is sent whole once more, and this one is still to come.
bool sent_anew(const SenderState& state, std::string_view id) { return state.resends && id > state.resend_after; }

}  // namespace

// Is the run of this part in flight also counted as a row, as a tombstone or among the runs to be sent once more? If
// the part is a tombstone, a row under its id is of another run, owned elsewhere, that came later.
Result<bool> OutboxQueries::counted_already(TablesTxn& txn, const std::string& id, FrozenPart::Kind kind) const {
  CAIRN_TRY_ASSIGN(const auto tombstone, txn.get(Table::kTombstones, id));
  CAIRN_TRY_ASSIGN(const auto row, txn.get(Table::kOutbox, id));
  if (tombstone || (row && kind != FrozenPart::Kind::kTombstone)) {
    return true;
  }
  if (!row && !sent_anew(*state_, id)) {
    return false;
  }
  CAIRN_TRY_ASSIGN(const auto&& record, txn.find(id));
  return record && !record->foreign;
}

Result<OutboxQueries::Waiting> OutboxQueries::waiting() {
  Waiting w;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    CAIRN_TRY_ASSIGN(const uint64_t rows, txn.entries(Table::kOutbox));
    CAIRN_TRY_ASSIGN(const uint64_t tombstones, txn.entries(Table::kTombstones));
    CAIRN_TRY_ASSIGN(w.held, txn.entries(Table::kDead));
    CAIRN_TRY_ASSIGN(const uint64_t order, txn.entries(Table::kOutboxOrder));
    CAIRN_TRY_ASSIGN(const uint64_t unsent, state_->resends ? read_unsent(txn) : Result<uint64_t>(0));
    w.runs = rows + tombstones + unsent;
    w.moves = letters_.backlogged() > 0 || order > 0 || state_->resends || state_->pulls() || !in_flight_.empty();
    const auto older = [&w](int64_t us) { w.oldest_us = w.oldest_us == 0 ? us : std::min(w.oldest_us, us); };
    for (const auto& [run, part] : in_flight_.parts()) {
      if (part.kind == FrozenPart::Kind::kRow) {
        older(part.since_us);
      }
      CAIRN_TRY_ASSIGN(const bool counted, counted_already(txn, run, part.kind));
      w.runs += counted ? 0 : 1;
    }
    CAIRN_TRY_ASSIGN(const auto keys, keys_after(txn, Table::kOutboxOrder, {}, 1));
    const auto id = keys.empty() ? std::nullopt : id_of_order_key(keys.front());
    if (!id) {
      return {};
    }
    CAIRN_TRY_ASSIGN(const auto row, txn.get(Table::kOutbox, *id));
    if (row) {
      CAIRN_TRY_ASSIGN(const auto&& decoded, decode_outbox_row(*row));
      older(decoded.since_us);
    }
    CAIRN_TRY_ASSIGN(const auto tombstone, tombstone_of(txn, *id));
    if (tombstone) {
      older(tombstone->since_us);
    }
    return {};
  }));
  return w;
}

bool OutboxQueries::acknowledged_up_to(uint64_t lsn) {
  if (state_->halt != Halt::kNone || state_->resends || state_->pulls() || !in_flight_.empty()) {
    return false;
  }
  bool none = false;
  const Status s = tables_.look([&](TablesTxn& txn) -> Status {
    CAIRN_TRY_ASSIGN(const uint64_t dead, txn.entries(Table::kDead));
    CAIRN_TRY_ASSIGN(const auto keys, keys_after(txn, Table::kOutboxOrder, {}, 1));
    none = dead == 0 && (keys.empty() || keys.front() > outbox_order_key(lsn, "~"));
    return {};
  });
  return s.ok() && none;
}

Result<uint64_t> OutboxQueries::acknowledged(const std::string& id) {
  if (state_->pulls()) {
    return 0;  // the upstream must be asked first what it has
  }
  uint64_t sequence = 0;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    CAIRN_TRY_ASSIGN(const auto&& record, txn.find(id));
    CAIRN_TRY_ASSIGN(const auto dead, txn.get(Table::kDead, id));
    if (record && !record->outbox.waits() && !dead && !sent_anew(*state_, id) && in_flight_.find(id) == nullptr) {
      sequence = record->sequence;
    }
    return {};
  }));
  return sequence;
}

Result<OutboxQueries::Arrived> OutboxQueries::arrived(const std::string& id, uint64_t lsn) {
  if (state_->pulls()) {
    return Arrived::kNo;  // the upstream must be asked first what it has
  }
  Arrived arrived = Arrived::kYes;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    CAIRN_TRY_ASSIGN(const auto dead, txn.get(Table::kDead, id));
    if (dead) {
      arrived = is_backlog(*dead) ? Arrived::kNo : Arrived::kHeld;
      return {};
    }
    CAIRN_TRY_ASSIGN(const auto&& record, txn.find(id));
    CAIRN_TRY_ASSIGN(const auto tombstone, txn.get(Table::kTombstones, id));
    const bool waits = record && record->outbox.waits() && record->outbox.since_lsn <= lsn;
    const InFlight::Part* part = in_flight_.find(id);
    const bool flies = part != nullptr && (part->kind != FrozenPart::Kind::kRow || part->since_lsn <= lsn);
    if (waits || sent_anew(*state_, id) || tombstone || flies) {
      arrived = Arrived::kNo;
    }
    return {};
  }));
  return arrived;
}

namespace {

void describe(const InFlight::Part& part, OutboxQueries::OfRun& of) {
  of.known = of.in_flight = true;
  switch (part.kind) {
    case FrozenPart::Kind::kTombstone:
      of.since_us = part.since_us;  // of an earlier run of this id, if there is one now
      break;
    case FrozenPart::Kind::kRow:
      of.acked_sequence = part.base;
      of.since_us = part.since_us;
      break;
    case FrozenPart::Kind::kWhole:
      of.acked_sequence = 0;
      break;
  }
}

void describe(DeadLetter letter, OutboxQueries::OfRun& of) {
  of.held = true;
  of.since_us = letter.since_us;
  of.acked_sequence = letter.row.waits() ? letter.row.base() : of.acked_sequence;
  of.dead = std::move(letter);
}

void describe(const RunRecord& record, const SenderState& state, OutboxQueries::OfRun& of) {
  of.known = true;
  of.foreign = record.foreign;
  of.ships_forms = record.ships_forms;
  of.sequence = of.acked_sequence = record.sequence;
  if (record.outbox.waits()) {
    of.waits = true;
    of.whole = record.outbox.send_whole;
    of.acked_sequence = record.outbox.base();
    of.since_us = record.outbox.since_us;
    std::string bytes;
    append_outbox_row(bytes, record.outbox);
    of.bytes = bytes.size();
  } else if (!record.foreign && sent_anew(state, record.id)) {
    of.waits = of.whole = true;
    of.acked_sequence = 0;
    of.since_us = record.updated_us;
  }
}

Status describe_run(TablesTxn& txn, const SenderState& state, const InFlight& in_flight, const std::string& id,
                    OutboxQueries::OfRun& of) {
  CAIRN_TRY_ASSIGN(const auto&& record, txn.find(id));
  if (record) {
    describe(*record, state, of);
  }
  CAIRN_TRY_ASSIGN(const auto tombstone, tombstone_of(txn, id));
  if (tombstone) {
    of.known = of.waits = true;
    of.since_us = of.since_us == 0 ? tombstone->since_us : std::min(of.since_us, tombstone->since_us);
  }
  if (const InFlight::Part* part = in_flight.find(id); part != nullptr) {
    describe(*part, of);
  }
  CAIRN_TRY_ASSIGN(const auto dead, txn.get(Table::kDead, id));
  if (dead) {
    CAIRN_TRY_ASSIGN(auto&& letter, decode_dead_letter(*dead));
    describe(std::move(letter), of);
  }
  return {};
}

}  // namespace

Result<OutboxQueries::OfRun> OutboxQueries::of_run(const std::string& id) {
  OfRun of;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) { return describe_run(txn, *state_, in_flight_, id, of); }));
  return of;
}

Status look_at_run(TablesTxn& txn, const std::string& id, SenderState& sender, OutboxQueries::OfRun& of) {
  CAIRN_TRY_ASSIGN(const auto&& stored, read_sender_state(txn));
  sender = stored;
  InFlight in_flight;
  CAIRN_TRY(in_flight.load(txn));
  return describe_run(txn, sender, in_flight, id, of);
}

}  // namespace cairn::engine::sync
