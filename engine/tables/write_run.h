// Writes one run: its record, its index entries, its texts, its outbox row or tombstone, and its place in the order of
// sending.
// Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/records/run_record.h"
#include "engine/tables/format.h"
#include "engine/tables/table_access.h"

namespace cairn::engine {

/// The since_lsn of a row or a tombstone, if there is one.
using Since = std::optional<uint64_t>;

/// One change, ready to be written again and again: a transaction is repeated when the map had to grow.
struct Prepared {
  std::string id;
  std::string value;      // sealed; empty: erase
  std::string outbox;     // sealed; empty: none
  std::string tombstone;  // sealed; empty: none
  Since row_since;        // since_lsn of the row in `outbox`
  Since tombstone_since;  // since_lsn of `tombstone`
  bool own = false;       // a run of this store that is not erased
  uint64_t created_lsn = 0;
  std::vector<std::pair<std::string, std::string>> texts;  // keys in `texts`, and sealed values
  IndexKeys keys;
};

/// Without a record the run is erased.
Prepared prepare(std::string_view id, const RunRecord* record, const Tombstone* tombstone);

/// Runs with ids after this one and without a row in the outbox are counted; nullopt: they are not counted.
using Unsent = std::optional<std::string>;

/// `ship`: rows get a place in the order of sending.
Status write_run(const TableAccess& tables, MDB_txn* txn, const Prepared& p, bool ship, const Unsent& unsent);

}  // namespace cairn::engine
