// What can still be read of damaged tables, without LMDB, which such a file kills: the pages are read by pread, and
// each value counts only if its own checksum, which covers table and key, is right.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/run_record.h"
#include "engine/tables.h"
#include "wal/function_ref.h"

namespace cairn::engine {

struct TablesSalvage {
  /// Of the tables of sync, what a repair keeps as it is: cursors of streams that came in, deltas that are to be taken
  /// here, and the sender's state.
  struct Kept {
    Table table;
    std::string key;
    std::string payload;
  };
  std::vector<Kept> sync;
  std::optional<std::string> sender_state;
  bool meta_whole = false;  // all of it was read: without a sender's state there was none
  uint64_t records = 0;
  uint64_t entries = 0;                      // of all tables but kMeta, as their trees count them
  std::optional<uint64_t> records_promised;  // as the table of runs counts them
  std::optional<uint64_t> applied_lsn;
  std::optional<std::string> store_id;
  std::set<std::string> indexed;  // ids that the indexes by status and time name: of every run there is
  uint64_t bad_pages = 0;
  uint64_t bad_values = 0;
};

/// Visits the records of <directory>/data that are whole, as of the newest commit whose meta page is. Nobody has the
/// environment open. No data.mdb: nothing is found. Errors: kIo, and what `visit` returns.
Status salvage_tables(const std::string& directory, const FunctionRef<Status(RunRecord record)>& visit,
                      TablesSalvage& out);

}  // namespace cairn::engine
