// A transaction over all tables, as others use it: tables.h begins one.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "cairn/status.h"
#include "engine/records/run_record.h"
#include "wal/function_ref.h"

namespace cairn::engine {

enum class Table : uint8_t;  // tables/format.h

/// One transaction over all tables: for sync, which changes run records, the outbox, batches and cursors together.
/// Payloads are passed without their checksums, which this class adds and verifies; bytes that it returns live until
/// the transaction's next write. kCorrupt as Tables::find.
class TablesTxn {
 public:
  virtual ~TablesTxn() = default;
  virtual Result<std::optional<std::string_view>> get(Table t, std::string_view key) = 0;
  virtual Status put(Table t, std::string_view key, std::string_view payload) = 0;
  virtual Status erase(Table t, std::string_view key) = 0;
  /// Keys after `after` in order; the visitor returns false to stop.
  virtual Status walk(Table t, std::string_view after,
                      const FunctionRef<bool(std::string_view key, std::string_view payload)>& visit) = 0;
  virtual Result<uint64_t> entries(Table t) = 0;
  /// With the outbox row of any run.
  virtual Result<std::optional<RunRecord>> find(std::string_view id) = 0;
  /// Writes the record, its index entries and its outbox row.
  virtual Status put_run(const RunRecord& record) = 0;
  /// How many runs of this store have no outbox row. Cost: a walk over all runs.
  virtual Result<uint64_t> count_without_row() = 0;
};

}  // namespace cairn::engine
