#include "engine/sync/outbox_rows.h"

#include "engine/tables/format.h"

namespace cairn::engine::sync {

Result<std::vector<std::string>> keys_after(TablesTxn& txn, Table t, std::string_view after, size_t most) {
  std::vector<std::string> keys;
  CAIRN_TRY(txn.walk(t, after, [&](std::string_view key, std::string_view) {
    keys.emplace_back(key);
    return keys.size() < most;
  }));
  return keys;
}

Status erase_all(TablesTxn& txn, Table t) {
  while (true) {
    auto keys = keys_after(txn, t, {}, kIdsAtOnce);
    if (!keys.ok() || keys->empty()) {
      return keys.status();
    }
    for (const std::string& key : *keys) {
      CAIRN_TRY(txn.erase(t, key));
    }
  }
}

Result<std::optional<Tombstone>> tombstone_of(TablesTxn& txn, std::string_view id) {
  CAIRN_TRY_ASSIGN(const auto payload, txn.get(Table::kTombstones, id));
  if (!payload) {
    return std::optional<Tombstone>();
  }
  CAIRN_TRY_ASSIGN(const Tombstone tombstone, decode_tombstone(*payload));
  return std::optional(tombstone);
}

std::vector<DiffEntry> forms_of(const Diff& diff) {
  std::vector<DiffEntry> changes = diff.entries;
  for (DiffEntry& e : changes) {
    if (e.form.kind != FormKind::kSet) {
      e.value.reset();
      e.gone = false;
    }
  }
  return changes;
}

Status put_in_order(TablesTxn& txn, const std::string& id) {
  CAIRN_TRY_ASSIGN(const auto&& record, txn.find(id));
  CAIRN_TRY_ASSIGN(const auto tombstone, tombstone_of(txn, id));
  if (!tombstone && record && record->outbox.waits()) {
    return txn.put(Table::kOutboxOrder, outbox_order_key(record->outbox.since_lsn, id), {});
  }
  return {};
}

Status save_unsent(TablesTxn& txn, uint64_t count) {
  return txn.put(Table::kMeta, meta_key::kUnsent, encode_u64(count));
}

Status count_unsent_again(TablesTxn& txn) {
  CAIRN_TRY_ASSIGN(const uint64_t count, txn.count_without_row());
  return save_unsent(txn, count);
}

Result<uint64_t> read_unsent(TablesTxn& txn) {
  CAIRN_TRY_ASSIGN(const auto payload, txn.get(Table::kMeta, meta_key::kUnsent));
  const auto count = payload ? decode_u64(*payload) : std::optional<uint64_t>(0);
  return count ? Result<uint64_t>(*count)
               : Result<uint64_t>(Status{Code::kCorrupt, "the stored count of unsent runs does not decode"});
}

OutboxRow whole_row(RunRecord& record) {
  OutboxRow row;
  row.sends_status = row.send_whole = row.starts_empty = true;
  row.since_us = record.updated_us;
  row.diff.base = record.shared_sequence() - 1;
  record.shared = 0;
  row.diff.last = record.sequence;
  row.diff.updated_us = record.updated_us;
  return row;
}

}  // namespace cairn::engine::sync
