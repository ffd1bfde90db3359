#include "engine/sync/outbox_rows.h"

#include "engine/tables_format.h"

namespace cairn::engine::sync {

Result<std::vector<std::string>> keys_behind(TablesTxn& txn, Table t, std::string_view after, size_t most) {
  std::vector<std::string> keys;
  CAIRN_TRY(txn.walk(t, after, [&](std::string_view key, std::string_view) {
    keys.emplace_back(key);
    return keys.size() < most;
  }));
  return keys;
}

Status erase_all(TablesTxn& txn, Table t) {
  while (true) {
    auto keys = keys_behind(txn, t, {}, kIdsAtOnce);
    if (!keys.ok() || keys->empty()) {
      return keys.status();
    }
    for (const std::string& key : *keys) {
      CAIRN_TRY(txn.erase(t, key));
    }
  }
}

Result<std::optional<Tombstone>> tombstone_of(TablesTxn& txn, std::string_view id) {
  auto payload = txn.get(Table::kTombstones, id);
  if (!payload.ok() || !payload->has_value()) {
    return payload.ok() ? Result<std::optional<Tombstone>>(std::nullopt) : payload.status();
  }
  auto tombstone = decode_tombstone(**payload);
  return tombstone.ok() ? Result<std::optional<Tombstone>>(*tombstone) : tombstone.status();
}

OutboxRow whole_row(RunRecord& record) {
  OutboxRow row;
  row.head = row.full = row.anew = true;
  row.since_us = record.updated_us;
  row.diff.base = record.shared_sequence() - 1;
  record.shared = 0;
  row.diff.last = record.sequence;
  row.diff.updated_us = record.updated_us;
  return row;
}

}  // namespace cairn::engine::sync
