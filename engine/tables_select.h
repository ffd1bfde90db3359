// Queries over the stored runs by their indexes. Private to tables*.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/run_query.h"
#include "engine/tables_environment.h"
#include "wal/function_ref.h"

namespace cairn::engine {

/// A part of one table, or of an index.
struct SelectRange {
  Table table = Table::kRuns;
  std::string after;      // keys above this
  std::string before;     // and below this; "": to the end
  bool back = false;      // walked from its end
  bool in_order = false;  // of the query: the walk ends when the page says so
};
/// Where all runs stand that the page can want, by its filters and its cursor.
std::vector<SelectRange> plan_select(const RunPage& page);

/// As Tables::Snapshot::select.
Status select_stored(const Environment& environment, MDB_txn* txn, RunPage& page,
                     const FunctionRef<bool(std::string_view id)>& hidden);

Result<uint64_t> count_stored(const Environment& environment, MDB_txn* txn, uint32_t statuses);

}  // namespace cairn::engine
