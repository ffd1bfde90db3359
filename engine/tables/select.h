// Queries over the stored runs by their indexes. Private to this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/records/run_query.h"
#include "engine/tables/table_access.h"
#include "wal/function_ref.h"

namespace cairn::engine {

/// A part of one table, or of an index.
struct SelectRange {
  Table table = Table::kRuns;
  std::string after;      // keys above this
  std::string before;     // and below this; "": to the end
  bool back = false;      // walked from its end
  bool in_order = false;  // the walk is in the query's order, so it ends when the page is full
};
/// The ranges that hold all runs the page may need, by its filters and its cursor.
std::vector<SelectRange> plan_select(const RunPage& page);

/// As Tables::Snapshot::select.
Status select_stored(const TableAccess& tables, MDB_txn* txn, RunPage& page,
                     const FunctionRef<bool(std::string_view id)>& hidden);

Result<uint64_t> count_stored(const TableAccess& tables, MDB_txn* txn, uint32_t statuses);

}  // namespace cairn::engine
