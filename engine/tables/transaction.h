// One transaction over all tables, as sync uses it. Private to this folder.
#pragma once

#include <optional>
#include <string_view>

#include "cairn/status.h"
#include "engine/tables/table_access.h"
#include "engine/tables/tables_txn.h"
#include "engine/tables/write_run.h"

namespace cairn::engine {

class Transaction final : public TablesTxn {
 public:
  Transaction(const TableAccess& tables, MDB_txn* txn, bool writes, const Unsent& unsent)
      : tables_(tables), txn_(txn), writes_(writes), unsent_(unsent) {}

  Result<std::optional<std::string_view>> get(Table t, std::string_view key) override;
  Status put(Table t, std::string_view key, std::string_view payload) override;
  Status erase(Table t, std::string_view key) override;
  Status walk(Table t, std::string_view after,
              const FunctionRef<bool(std::string_view key, std::string_view payload)>& visit) override;
  Result<uint64_t> entries(Table t) override;
  Result<std::optional<RunRecord>> find(std::string_view id) override;
  Status put_run(const RunRecord& record) override;
  Result<uint64_t> count_without_row() override;

 private:
  const TableAccess& tables_;
  MDB_txn* const txn_;
  const bool writes_;
  const Unsent& unsent_;
};

}  // namespace cairn::engine
