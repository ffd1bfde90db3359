#include "engine/tables/stored_runs.h"

#include <cstring>
#include <string>
#include <utility>

#include "engine/tables/format.h"

namespace cairn::engine {

namespace {

Status fail_other_key() { return {Code::kCorrupt, "a run record under another run's key"}; }

Status add_row(const TableAccess& tables, MDB_txn* txn, RunRecord& r, WithRow which) {
  if (!r.foreign && which == WithRow::kOfForeignRuns) {
    return {};
  }
  CAIRN_TRY_ASSIGN(const auto payload, tables.get(txn, Table::kOutbox, r.id));
  if (!payload) {
    return {};
  }
  CAIRN_TRY_ASSIGN(auto&& row, decode_outbox_row(*payload));
  if (row.last() != r.sequence) {
    return {Code::kCorrupt, "an outbox row whose sequence is not its run's"};
  }
  r.outbox = std::move(row);
  return {};
}

template <class Decode>
Result<std::optional<RunRecord>> find_and_decode(const TableAccess& tables, MDB_txn* txn, std::string_view id,
                                                 Decode decode) {
  CAIRN_TRY_ASSIGN(const auto payload, tables.get(txn, Table::kRuns, id));
  if (!payload) {
    return std::optional<RunRecord>();
  }
  CAIRN_TRY_ASSIGN(auto&& r, decode(*payload));
  return r.id == id ? Result<std::optional<RunRecord>>(std::move(r)) : fail_other_key();
}

}  // namespace

Result<std::optional<RunRecord>> find_stored(const TableAccess& tables, MDB_txn* txn, std::string_view id,
                                             WithRow which) {
  auto found = find_and_decode(tables, txn, id, decode_run_record);
  if (found.ok() && found->has_value()) {
    CAIRN_TRY(add_row(tables, txn, **found, which));
  }
  return found;
}

Result<std::optional<RunRecord>> find_stored_head(const TableAccess& tables, MDB_txn* txn, std::string_view id) {
  return find_and_decode(tables, txn, id, decode_run_record_head);
}

Result<RunTexts> find_stored_texts(const TableAccess& tables, MDB_txn* txn, std::string_view id) {
  RunTexts texts;
  for (const TextKind kind : kTextKinds) {
    CAIRN_TRY_ASSIGN(const auto payload, tables.get(txn, Table::kTexts, text_key(id, kind)));
    if (!payload) {
      continue;
    }
    texts.of(kind) = decode_text(*payload);
    if (!texts.of(kind)) {
      return Status{Code::kCorrupt, "a run's text that does not decode"};
    }
  }
  return texts;
}

Status walk_stored(const TableAccess& tables, MDB_txn* txn, std::string_view after,
                   const FunctionRef<Result<bool>(std::string_view id, std::string_view record)>& visit) {
  Status found;
  const Status walked = tables.walk(txn, Table::kRuns, after, [&](std::string_view key, std::string_view value) {
    const std::optional<std::string_view> payload = open_value(Table::kRuns, key, value);
    if (!payload) {
      found = {Code::kCorrupt, "a run record has a wrong checksum"};
      return false;
    }
    const Result<bool> go_on = visit(key, *payload);
    found = go_on.status();
    return go_on.ok() && *go_on;
  });
  return walked.ok() ? found : walked;
}

Result<RunRecord> decode_stored(const TableAccess& tables, MDB_txn* txn, std::string_view id, std::string_view record) {
  Result<RunRecord> r = decode_run_record(record);
  if (r.ok()) {
    CAIRN_TRY(r->id != id ? fail_other_key() : add_row(tables, txn, *r, WithRow::kOfForeignRuns));
  }
  return r;
}

Result<Life> stored_life(const TableAccess& tables, MDB_txn* txn) {
  Life life;
  CAIRN_TRY_ASSIGN(life.session, tables.meta_u64(txn, meta_key::kSession));
  CAIRN_TRY_ASSIGN(const auto payload, tables.get(txn, Table::kMeta, meta_key::kLife));
  if (!payload) {
    return life;  // only older versions have opened the store for writing
  }
  if (payload->size() != kLifeBytes) {
    return Status{Code::kCorrupt, "table meta: life has a wrong length"};
  }
  life.incarnation = *decode_u64(payload->substr(0, 8));
  std::memcpy(life.boot_id.data(), payload->data() + 8, life.boot_id.size());
  return life;
}

Status store_life(const TableAccess& tables, MDB_txn* txn, const Life& life) {
  const std::string payload = encode_u64(life.incarnation) +
                              std::string(reinterpret_cast<const char*>(life.boot_id.data()), life.boot_id.size());
  return tables.put(txn, Table::kMeta, meta_key::kLife, sealed_value(Table::kMeta, meta_key::kLife, payload));
}

}  // namespace cairn::engine
