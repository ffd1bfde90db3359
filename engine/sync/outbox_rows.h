// Functions that the classes of the outbox share: walks over its tables, its order, rows for runs that are sent whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/diff/diff.h"
#include "engine/records/run_record.h"
#include "engine/tables/tables.h"

namespace cairn::engine::sync {

inline constexpr size_t kIdsAtOnce = 4096;  // taken out of a table before any of them is changed

/// At most `most` keys of the table, beginning with the first one after `after`.
Result<std::vector<std::string>> keys_after(TablesTxn& txn, Table t, std::string_view after, size_t most);
Status erase_all(TablesTxn& txn, Table t);
Result<std::optional<Tombstone>> tombstone_of(TablesTxn& txn, std::string_view id);
/// Forms as they are sent: a constant with its value, all others without.
std::vector<DiffEntry> forms_of(const Diff& diff);
inline bool is_sent_whole(const OutboxRow& row) { return row.send_whole || row.diff.base == 0; }
/// While a run is held its place in the order of sending may be removed: puts it back. Not if an erase of its id waits.
Status put_in_order(TablesTxn& txn, const std::string& id);
/// The number in meta `unsent`: see Tables::count_unsent().
Status save_unsent(TablesTxn& txn, uint64_t count);
Status count_unsent_again(TablesTxn& txn);
Result<uint64_t> read_unsent(TablesTxn& txn);
/// Makes a row that sends the whole run, for a run of which nothing waits.
OutboxRow whole_row(RunRecord& record);

}  // namespace cairn::engine::sync
