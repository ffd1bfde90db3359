// Reads what can still be read of damaged tables. It does not use LMDB, because such a file can crash it: the pages are
// read by pread, and a value is used only if its own checksum, which covers table and key, is right.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/records/run_record.h"
#include "engine/tables/tables.h"
#include "wal/function_ref.h"

namespace cairn::engine {

struct TablesSalvage {
  /// What a repair keeps of the tables of sync: cursors of received streams, stranded deltas, and the sender's state.
  struct Kept {
    Table table;
    std::string key;
    std::string payload;
  };
  std::vector<Kept> sync;
  std::vector<Note> notes;
  std::optional<std::string> sender_state;
  bool meta_whole = false;  // all of it was read: if there is no sender's state here, there was none
  uint64_t records = 0;
  uint64_t entries = 0;                      // of all tables except kMeta, as their trees count them
  std::optional<uint64_t> records_promised;  // as the table of runs counts them
  std::optional<uint64_t> applied_lsn;
  std::optional<std::string> store_id;
  std::set<std::string> indexed;  // ids that the indexes by status and time name: every run is in these indexes
  uint64_t bad_pages = 0;
  uint64_t bad_values = 0;
};

/// Visits the undamaged records of <directory>/data, as of the newest commit whose meta page is undamaged. No process
/// has the environment open. Without data.mdb nothing is found. Errors: kIo, and those of `visit`.
/// `visit_text`: then the values of the table of texts.
Status salvage_tables(const std::string& directory, const FunctionRef<Status(RunRecord record)>& visit,
                      const FunctionRef<Status(std::string_view key, std::string_view payload)>& visit_text,
                      TablesSalvage& out);

}  // namespace cairn::engine
