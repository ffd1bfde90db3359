// Reads run records, with their outbox rows, and the store's life from the tables, in a transaction. Private to this
// folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "cairn/status.h"
#include "engine/records/run_record.h"
#include "engine/tables/life.h"
#include "engine/tables/table_access.h"
#include "wal/function_ref.h"

namespace cairn::engine {

enum class WithRow : uint8_t { kOfForeignRuns, kOfAll };  // whose outbox row is read with the record

Result<std::optional<RunRecord>> find_stored(const TableAccess& tables, MDB_txn* txn, std::string_view id,
                                             WithRow which = WithRow::kOfForeignRuns);
/// Without document and outbox.
Result<std::optional<RunRecord>> find_stored_head(const TableAccess& tables, MDB_txn* txn, std::string_view id);
Result<RunTexts> find_stored_texts(const TableAccess& tables, MDB_txn* txn, std::string_view id);
/// The records after `after` in id order, as they are stored; the visitor returns an error, or false to stop.
Status walk_stored(const TableAccess& tables, MDB_txn* txn, std::string_view after,
                   const FunctionRef<Result<bool>(std::string_view id, std::string_view record)>& visit);
/// A record that walk_stored() visits.
Result<RunRecord> decode_stored(const TableAccess& tables, MDB_txn* txn, std::string_view id, std::string_view record);

Result<Life> stored_life(const TableAccess& tables, MDB_txn* txn);
Status store_life(const TableAccess& tables, MDB_txn* txn, const Life& life);

}  // namespace cairn::engine
