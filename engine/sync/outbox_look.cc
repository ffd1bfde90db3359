#include <algorithm>

#include "engine/sync/outbox.h"
#include "engine/sync/outbox_rows.h"
#include "engine/tables_format.h"

namespace cairn::engine::sync {

// Of a run in flight: is it among the rows, the tombstones or those that are sent anew, too? Of an erased one a row of
// a run owned elsewhere, which came after it, is another.
Result<bool> Outbox::counted_already(TablesTxn& txn, const FrozenPart& part) const {
  auto tombstone = txn.get(Table::kTombstones, part.id);
  CAIRN_TRY(tombstone.status());
  auto row = txn.get(Table::kOutbox, part.id);
  CAIRN_TRY(row.status());
  const bool waits = row->has_value();
  if (tombstone->has_value() || (waits && part.kind != FrozenPart::Kind::kTombstone)) {
    return true;
  }
  if (!waits && (!state_.resends || part.id <= state_.resend_after)) {
    return false;
  }
  auto record = txn.find(part.id);
  CAIRN_TRY(record.status());
  return *record && !(*record)->foreign;
}

Result<Outbox::Waiting> Outbox::waiting() {
  Waiting w;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    auto rows = txn.entries(Table::kOutbox);
    CAIRN_TRY(rows.status());
    auto tombstones = txn.entries(Table::kTombstones);
    CAIRN_TRY(tombstones.status());
    auto dead = txn.entries(Table::kDead);
    CAIRN_TRY(dead.status());
    auto order = txn.entries(Table::kOutboxOrder);
    CAIRN_TRY(order.status());
    auto unsent = state_.resends ? Outbox::unsent(txn) : Result<uint64_t>(0);
    CAIRN_TRY(unsent.status());
    w.runs = *rows + *tombstones + *unsent;
    w.held = *dead;
    w.moves = backlogged_ > 0 || *order > 0 || state_.resends || state_.pulls() || !in_flight_.empty();
    auto all = frozen_batches(txn);
    CAIRN_TRY(all.status());
    const auto older = [&w](int64_t us) { w.oldest_us = w.oldest_us == 0 ? us : std::min(w.oldest_us, us); };
    for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
      const FrozenPart& part = all->front().parts[i];
      if (part.kind == FrozenPart::Kind::kRow) {
        older(part.row.since_us);
      }
      auto counted = counted_already(txn, part);
      CAIRN_TRY(counted.status());
      w.runs += *counted ? 0 : 1;
    }
    auto keys = keys_behind(txn, Table::kOutboxOrder, {}, 1);
    CAIRN_TRY(keys.status());
    const auto id = keys->empty() ? std::nullopt : id_of_order_key(keys->front());
    if (!id) {
      return {};
    }
    auto row = txn.get(Table::kOutbox, *id);
    CAIRN_TRY(row.status());
    if (row->has_value()) {
      auto decoded = decode_outbox_row(**row);
      CAIRN_TRY(decoded.status());
      older(decoded->since_us);
    }
    auto tombstone = txn.get(Table::kTombstones, *id);
    CAIRN_TRY(tombstone.status());
    if (tombstone->has_value()) {
      auto decoded = decode_tombstone(**tombstone);
      CAIRN_TRY(decoded.status());
      older(decoded->since_us);
    }
    return {};
  }));
  return w;
}

bool Outbox::acknowledged_up_to(uint64_t lsn) {
  if (state_.halt != Halt::kNone || state_.resends || state_.pulls() || !in_flight_.empty()) {
    return false;
  }
  bool none = false;
  const Status s = tables_.look([&](TablesTxn& txn) -> Status {
    auto dead = txn.entries(Table::kDead);
    CAIRN_TRY(dead.status());
    auto keys = keys_behind(txn, Table::kOutboxOrder, {}, 1);
    CAIRN_TRY(keys.status());
    none = *dead == 0 && (keys->empty() || keys->front() > outbox_order_key(lsn, "~"));
    return {};
  });
  return s.ok() && none;
}

Result<uint64_t> Outbox::acknowledged(const std::string& id) {
  if (state_.pulls()) {
    return 0;  // what the upstream has is to be asked first
  }
  uint64_t sequence = 0;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    if (in_flight_ids_of_ != in_flight_header_.digest) {
      in_flight_ids_.clear();
      auto all = frozen_batches(txn);
      CAIRN_TRY(all.status());
      for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
        in_flight_ids_.insert(all->front().parts[i].id);
      }
      in_flight_ids_of_ = in_flight_header_.digest;
    }
    auto record = txn.find(id);
    CAIRN_TRY(record.status());
    auto dead = txn.get(Table::kDead, id);
    CAIRN_TRY(dead.status());
    const bool sent_anew = state_.resends && id > state_.resend_after;
    if (*record && !(*record)->outbox.waits() && !dead->has_value() && !sent_anew && !in_flight_ids_.contains(id)) {
      sequence = (*record)->sequence;
    }
    return {};
  }));
  return sequence;
}

Result<Outbox::Arrived> Outbox::arrived(const std::string& id, uint64_t lsn) {
  if (state_.pulls()) {
    return Arrived::kNo;  // what the upstream has is to be asked first
  }
  Arrived arrived = Arrived::kYes;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    auto dead = txn.get(Table::kDead, id);
    CAIRN_TRY(dead.status());
    if (dead->has_value()) {
      arrived = is_backlog(**dead) ? Arrived::kNo : Arrived::kHeld;
      return {};
    }
    auto record = txn.find(id);
    CAIRN_TRY(record.status());
    auto tombstone = txn.get(Table::kTombstones, id);
    CAIRN_TRY(tombstone.status());
    const bool waits = *record && (*record)->outbox.waits() && (*record)->outbox.since_lsn <= lsn;
    const bool sent_anew = state_.resends && id > state_.resend_after;
    if (waits || sent_anew || tombstone->has_value()) {
      arrived = Arrived::kNo;
      return {};
    }
    auto all = frozen_batches(txn);
    CAIRN_TRY(all.status());
    for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
      const FrozenPart& part = all->front().parts[i];
      if (part.id == id && (part.kind != FrozenPart::Kind::kRow || part.row.since_lsn <= lsn)) {
        arrived = Arrived::kNo;
      }
    }
    return {};
  }));
  return arrived;
}

Result<Outbox::OfRun> Outbox::of_run(const std::string& id) {
  OfRun of;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) -> Status {
    auto found = txn.find(id);
    CAIRN_TRY(found.status());
    if (*found) {
      const RunRecord& record = **found;
      of.known = true;
      of.foreign = record.foreign;
      of.ships_forms = record.ships_forms;
      of.sequence = of.acked_sequence = record.sequence;
      if (record.outbox.waits()) {
        of.waits = true;
        of.whole = record.outbox.full;
        of.acked_sequence = record.outbox.base();
        of.since_us = record.outbox.since_us;
        std::string bytes;
        append_outbox_row(bytes, record.outbox);
        of.bytes = bytes.size();
      } else if (!record.foreign && state_.resends && id > state_.resend_after) {
        of.waits = of.whole = true;
        of.acked_sequence = 0;
        of.since_us = record.updated_us;
      }
    }
    auto tombstone = tombstone_of(txn, id);
    CAIRN_TRY(tombstone.status());
    if (*tombstone) {
      of.known = of.waits = true;
      of.since_us = of.since_us == 0 ? (*tombstone)->since_us : std::min(of.since_us, (*tombstone)->since_us);
    }
    auto all = frozen_batches(txn);
    CAIRN_TRY(all.status());
    for (size_t i = 0; !all->empty() && i < all->front().parts.size(); ++i) {
      const FrozenPart& part = all->front().parts[i];
      if (part.id == id) {
        of.known = of.in_flight = true;
        if (part.kind == FrozenPart::Kind::kTombstone) {
          of.since_us = part.tombstone.since_us;  // of an earlier life, if there is a run
        } else {
          of.acked_sequence = part.kind == FrozenPart::Kind::kRow ? part.row.base() : 0;
          of.since_us = part.kind == FrozenPart::Kind::kRow ? part.row.since_us : of.since_us;
        }
      }
    }
    auto dead = txn.get(Table::kDead, id);
    CAIRN_TRY(dead.status());
    if (dead->has_value()) {
      auto letter = decode_dead_letter(**dead);
      CAIRN_TRY(letter.status());
      of.held = true;
      of.since_us = letter->since_us;
      of.acked_sequence = letter->row.waits() ? letter->row.base() : of.acked_sequence;
      of.dead = std::move(*letter);
    }
    return {};
  }));
  return of;
}

}  // namespace cairn::engine::sync
