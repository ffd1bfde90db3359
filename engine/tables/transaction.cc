#include "engine/tables/transaction.h"

#include "engine/tables/format.h"
#include "engine/tables/stored_runs.h"

namespace cairn::engine {

namespace {

Status fail_read_only() { return {Code::kReadOnly, "a write in a read transaction"}; }

}  // namespace

Result<std::optional<std::string_view>> Transaction::get(Table t, std::string_view key) {
  return tables_.get(txn_, t, key);
}

Status Transaction::put(Table t, std::string_view key, std::string_view payload) {
  return writes_ ? tables_.put(txn_, t, key, sealed_value(t, key, payload)) : fail_read_only();
}

Status Transaction::erase(Table t, std::string_view key) {
  return writes_ ? tables_.erase(txn_, t, key) : fail_read_only();
}

Status Transaction::walk(Table t, std::string_view after,
                         const FunctionRef<bool(std::string_view key, std::string_view payload)>& visit) {
  Status found;
  const Status walked = tables_.walk(txn_, t, after, [&](std::string_view key, std::string_view value) {
    const std::optional<std::string_view> payload = open_value(t, key, value);
    if (!payload) {
      found = {Code::kCorrupt, "a value of a sync table has a wrong checksum"};
    }
    return payload && visit(key, *payload);
  });
  return walked.ok() ? found : walked;
}

Result<uint64_t> Transaction::entries(Table t) { return tables_.entries(txn_, t); }

Result<std::optional<RunRecord>> Transaction::find(std::string_view id) {
  return find_stored(tables_, txn_, id, WithRow::kOfAll);
}

Status Transaction::put_run(const RunRecord& record) {
  if (!writes_) {
    return fail_read_only();
  }
  CAIRN_TRY(check_run_record(record));
  return write_run(tables_, txn_, prepare(record.id, &record, nullptr), true, unsent_);
}

Result<uint64_t> Transaction::count_without_row() {
  uint64_t count = 0;
  Status found;
  const Status walked = tables_.walk(txn_, Table::kRuns, {}, [&](std::string_view id, std::string_view value) {
    // A damaged record counts: what waits of it cannot be known, and nothing is sent until it is repaired.
    const std::optional<std::string_view> payload = open_value(Table::kRuns, id, value);
    const Result<RunRecord> r = payload ? decode_run_record_head(*payload) : Result<RunRecord>(RunRecord());
    const Result<std::optional<std::string_view>> row = tables_.get(txn_, Table::kOutbox, id);
    found = row.code() == Code::kCorrupt ? Status() : row.status();
    const bool foreign = r.ok() && r->foreign;
    count += !foreign && row.ok() && !row->has_value() ? 1 : 0;
    return found.ok();
  });
  CAIRN_TRY(walked);
  CAIRN_TRY(found);
  return count;
}

}  // namespace cairn::engine
