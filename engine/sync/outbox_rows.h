// What the files of the outbox share: walks over its tables, rows made up.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/run_record.h"
#include "engine/tables.h"

namespace cairn::engine::sync {

inline constexpr size_t kIdsAtOnce = 4096;  // taken out of a table before any of them is changed

/// At most so many keys of the table, from the first one behind `after` on.
Result<std::vector<std::string>> keys_behind(TablesTxn& txn, Table t, std::string_view after, size_t most);
Status erase_all(TablesTxn& txn, Table t);
Result<std::optional<Tombstone>> tombstone_of(TablesTxn& txn, std::string_view id);
/// A row for a run of which nothing waits: all of it.
OutboxRow whole_row(RunRecord& record);

}  // namespace cairn::engine::sync
