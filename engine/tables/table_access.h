// The tables of an open environment, key by key, within a transaction. Private to this folder.
//
// LMDB 0.9.24 returns fewer entries, or none, and no error, from a page that lost some. So what is not found, and the
// pages that a walk passes, are checked in read transactions (tables/leaf_check.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "cairn/status.h"
#include "engine/tables/format.h"
#include "engine/tables/leaf_check.h"
#include "wal/function_ref.h"

struct MDB_env;
struct MDB_txn;

namespace cairn::engine {

class TableAccess {
 public:
  /// `fd`: data.mdb.
  TableAccess(MDB_env* env, int fd) : env_(env), fd_(fd) {}
  /// Before all other calls. kVersion: the tables are of another format.
  Status open();

  /// Values as stored, checksum verified (kCorrupt). Bytes live as long as the transaction, until its next write.
  /// In a read transaction also kCorrupt if the page where the key would be lost entries.
  Result<std::optional<std::string_view>> get(MDB_txn* txn, Table t, std::string_view key) const;
  Result<uint64_t> meta_u64(MDB_txn* txn, std::string_view key) const;
  Status put(MDB_txn* txn, Table t, std::string_view key, std::string_view sealed) const;
  /// kOk also if the key is absent.
  Status erase(MDB_txn* txn, Table t, std::string_view key) const;
  /// Keys after `after` in order, with their values, checksums not verified. kCorrupt if all were walked and the tree
  /// counts more or fewer; in a read transaction also if a page where the walk begins, ends or passes lost entries.
  Status walk(MDB_txn* txn, Table t, std::string_view after,
              const FunctionRef<bool(std::string_view key, std::string_view value)>& visit) const;
  /// Keys before `before` (exclusive; "" for the end) in falling order.
  Status walk_back(MDB_txn* txn, Table t, std::string_view before,
                   const FunctionRef<bool(std::string_view key, std::string_view value)>& visit) const;
  /// As the tree counts them.
  Result<uint64_t> entries(MDB_txn* txn, Table t) const;
  /// Of the map: pages that are in use.
  Result<uint64_t> used_bytes(MDB_txn* txn) const;
  /// Values that were looked up or walked over.
  [[nodiscard]] uint64_t reads() const { return reads_.load(std::memory_order_relaxed); }

 private:
  class Walk;
  Status check_format(MDB_txn* txn) const;
  /// nullopt in a write transaction, whose pages are not in the file yet.
  Result<std::optional<LeafCheck>> leaf_check(MDB_txn* txn, Table t) const;
  Status check_walked(MDB_txn* txn, Table t, uint64_t counted, uint64_t walked) const;

  MDB_env* const env_;
  const int fd_;
  unsigned handles_[kTables.size() + 1] = {};  // by Table; constant after open()
  mutable std::atomic<uint64_t> reads_{0};
};

}  // namespace cairn::engine
