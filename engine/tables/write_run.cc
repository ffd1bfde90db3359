#include "engine/tables/write_run.h"

#include <algorithm>

namespace cairn::engine {

namespace {

template <class Append, class What>
std::string sealed(Table t, std::string_view id, Append append, const What& what) {
  std::string value(kChecksumBytes, '\0');
  append(value, what);
  seal_value(t, id, value);
  return value;
}

/// The since_lsn of the stored row or tombstone.
template <class Decode>
Result<Since> stored_since(const TableAccess& tables, MDB_txn* txn, Table t, std::string_view id, Decode decode) {
  CAIRN_TRY_ASSIGN(const auto stored, tables.get(txn, t, id));
  if (!stored) {
    return Since();
  }
  CAIRN_TRY_ASSIGN(const auto&& decoded, decode(*stored));
  return Since(decoded.since_lsn);
}

/// The key of the one place that an id has in the order of sending; empty: nothing of it waits.
std::string order_key(const Since& row, const Since& tombstone, std::string_view id) {
  if (!row && !tombstone) {
    return {};
  }
  return outbox_order_key(std::min(row.value_or(UINT64_MAX), tombstone.value_or(UINT64_MAX)), id);
}

Status write_order(const TableAccess& tables, MDB_txn* txn, const Prepared& p) {
  CAIRN_TRY_ASSIGN(const Since row, stored_since(tables, txn, Table::kOutbox, p.id, decode_outbox_row));
  CAIRN_TRY_ASSIGN(const Since tombstone, stored_since(tables, txn, Table::kTombstones, p.id, decode_tombstone));
  // A new run of this store replaces the erased one, upstream too, so the tombstone goes. In all other cases it stays:
  // changes of a run owned elsewhere are sent after the erase, and an erase that is written again after a crash must
  // have the same result as the first time.
  const Since kept = p.own ? Since() : p.tombstone_since ? p.tombstone_since : tombstone;
  const std::string before = order_key(row, tombstone, p.id);
  const std::string after = order_key(p.row_since, kept, p.id);
  // A row that keeps its place is not entered again: for a held run the place may have been removed. The erase of a
  // held run is sent nevertheless.
  if (before != after || (kept && !tombstone)) {
    if (!before.empty()) {
      CAIRN_TRY(tables.erase(txn, Table::kOutboxOrder, before));
    }
    if (!after.empty()) {
      CAIRN_TRY(tables.put(txn, Table::kOutboxOrder, after, sealed_value(Table::kOutboxOrder, after, {})));
    }
  }
  return {};
}

Status put_or_erase(const TableAccess& tables, MDB_txn* txn, Table t, std::string_view id, const std::string& value) {
  return value.empty() ? tables.erase(txn, t, id) : tables.put(txn, t, id, value);
}

/// Of a run that is gone, or of another life of its id.
Status erase_texts(const TableAccess& tables, MDB_txn* txn, std::string_view id) {
  for (const TextKind kind : kTextKinds) {
    CAIRN_TRY(tables.erase(txn, Table::kTexts, text_key(id, kind)));
  }
  return {};
}

Status add_unsent(const TableAccess& tables, MDB_txn* txn, bool one_more) {
  CAIRN_TRY_ASSIGN(const auto payload, tables.get(txn, Table::kMeta, meta_key::kUnsent));
  const uint64_t count = payload ? decode_u64(*payload).value_or(0) : 0;
  const uint64_t now = one_more ? count + 1 : count - std::min<uint64_t>(count, 1);
  return tables.put(txn, Table::kMeta, meta_key::kUnsent,
                    sealed_value(Table::kMeta, meta_key::kUnsent, encode_u64(now)));
}

}  // namespace

Prepared prepare(std::string_view id, const RunRecord* record, const Tombstone* tombstone) {
  Prepared p;
  p.id = id;
  p.own = record != nullptr && !record->foreign;
  if (!p.own && tombstone != nullptr) {
    p.tombstone = sealed(Table::kTombstones, id, append_tombstone, *tombstone);
    p.tombstone_since = tombstone->since_lsn;
  }
  if (record == nullptr) {
    return p;
  }
  p.value = sealed(Table::kRuns, id, append_run_record, *record);
  p.created_lsn = record->created_lsn;
  p.keys = index_keys(*record);
  for (const TextKind kind : kTextKinds) {
    if (record->texts && record->texts->of(kind)) {
      std::string key = text_key(id, kind);
      std::string value = sealed_value(Table::kTexts, key, encode_text(*record->texts->of(kind)));
      p.texts.emplace_back(std::move(key), std::move(value));
    }
  }
  if (record->outbox.waits()) {
    p.outbox = sealed(Table::kOutbox, id, append_outbox_row, record->outbox);
    p.row_since = record->outbox.since_lsn;
  }
  return p;
}

Status write_run(const TableAccess& tables, MDB_txn* txn, const Prepared& p, bool ship, const Unsent& unsent) {
  CAIRN_TRY_ASSIGN(const auto stored, tables.get(txn, Table::kRuns, p.id));
  IndexKeys old;
  bool own_before = false;
  if (stored) {
    CAIRN_TRY_ASSIGN(const auto&& r, decode_run_record_head(*stored));
    old = index_keys(r);
    own_before = !r.foreign;
    if (p.value.empty() || r.created_lsn != p.created_lsn) {
      CAIRN_TRY(erase_texts(tables, txn, p.id));
    }
  }
  for (const auto& [key, value] : p.texts) {
    CAIRN_TRY(tables.put(txn, Table::kTexts, key, value));
  }
  if (unsent && p.id > *unsent) {
    CAIRN_TRY_ASSIGN(const auto row, tables.get(txn, Table::kOutbox, p.id));
    const bool before = own_before && !row;
    const bool after = p.own && p.outbox.empty();
    if (before != after) {
      CAIRN_TRY(add_unsent(tables, txn, after));
    }
  }
  for (size_t i = 0; i < kIndexes.size(); ++i) {
    if (old[i] == p.keys[i]) {
      continue;
    }
    if (!old[i].empty()) {
      CAIRN_TRY(tables.erase(txn, kIndexes[i], old[i]));
    }
    if (!p.keys[i].empty()) {
      CAIRN_TRY(tables.put(txn, kIndexes[i], p.keys[i], sealed_value(kIndexes[i], p.keys[i], {})));
    }
  }
  if (ship) {
    CAIRN_TRY(write_order(tables, txn, p));
    if (p.own || !p.tombstone.empty()) {
      CAIRN_TRY(put_or_erase(tables, txn, Table::kTombstones, p.id, p.tombstone));
    }
  }
  CAIRN_TRY(put_or_erase(tables, txn, Table::kOutbox, p.id, p.outbox));
  return put_or_erase(tables, txn, Table::kRuns, p.id, p.value);
}

}  // namespace cairn::engine
