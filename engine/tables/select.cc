// A query uses one index; the other filters are applied to the records that it leads to. In an order by time, the
// indexes by parent and task give all their runs, which are sorted; each status, and all runs, come in order, so the
// walk ends when the page is full. In the order of ids, parent, task and the runs themselves are in order. An index
// entry counts only if its record agrees.
#include "engine/tables/select.h"

#include <algorithm>
#include <optional>

namespace cairn::engine {
namespace {

constexpr Status kUnfit{Code::kCorrupt, "an index does not match the run records"};

std::vector<RunStatus> statuses_of(uint32_t bits) {
  std::vector<RunStatus> statuses;
  for (unsigned s = 0; s <= static_cast<unsigned>(RunStatus::kTimedOut); ++s) {
    if ((bits >> s & 1) != 0) {
      statuses.push_back(static_cast<RunStatus>(s));
    }
  }
  return statuses;
}

SelectRange range_of_status(RunStatus s) {
  SelectRange range;
  range.table = Table::kByStatus;
  range.after.assign(1, static_cast<char>(s));
  range.before.assign(1, static_cast<char>(static_cast<int>(s) + 1));
  return range;
}

/// Narrows a range of keys {prefix, time, id} to the time range and to what comes after the cursor.
void clip(SelectRange& range, const RunPage& page) {
  const RunQuery& q = page.query();
  const auto key = [prefix = range.after](int64_t us, std::string_view id) { return prefix + by_updated_key(us, id); };
  const auto& from = is_by_creation(q.order) ? q.created_from_us : q.updated_from_us;
  const auto& to = is_by_creation(q.order) ? q.created_to_us : q.updated_to_us;
  if (from) {
    range.after = std::max(range.after, key(*from, {}));
  }
  const auto end_at = [&range](std::string end) {
    if (range.before.empty() || end < range.before) {
      range.before = std::move(end);
    }
  };
  if (to) {
    end_at(key(*to, {}));
  }
  if (page.after() && range.back) {
    end_at(key(page.after()->time_us, page.after()->id));
  }
  if (page.after() && !range.back) {
    range.after = std::max(range.after, key(page.after()->time_us, page.after()->id));
  }
}

/// The range of keys {prefix, id}; the prefix ends with the zero byte after the name of the parent or task. Among them
/// are keys of tasks whose names continue after a zero byte; the page refuses those.
SelectRange range_of_group(Table table, const std::string& prefix, const RunPage& page) {
  SelectRange range;
  range.table = table;
  range.in_order = page.query().order == RunOrder::kId;
  range.after = range.in_order && page.after() ? prefix + page.after()->id : prefix;
  range.before = prefix;
  ++range.before.back();
  return range;
}

class Selector {
 public:
  Selector(const TableAccess& tables, MDB_txn* txn, RunPage& page, const FunctionRef<bool(std::string_view id)>& hidden)
      : tables_(tables), txn_(txn), page_(page), hidden_(hidden) {}

  Status walk(const SelectRange& range) {
    Status found;
    const auto visit = [&](std::string_view key, std::string_view value) {
      const bool inside = range.back ? key > range.after : range.before.empty() || key < range.before;
      return inside && entry(range, key, value, found);
    };
    const Status walked = range.back ? tables_.walk_back(txn_, range.table, range.before, visit)
                                     : tables_.walk(txn_, range.table, range.after, visit);
    return walked.ok() ? found : walked;
  }

 private:
  /// False ends the walk: with an error in `found`, or because the page needs nothing that follows.
  bool entry(const SelectRange& range, std::string_view key, std::string_view value, Status& found) {
    const std::optional<std::string_view> payload = open_value(range.table, key, value);
    if (!payload) {
      found = {Code::kCorrupt, "a table's value has a wrong checksum"};
      return false;
    }
    if (range.table == Table::kRuns) {
      return hidden_(key) ? !ends(range, 0, key) : record(range, key, *payload, found);
    }
    const std::optional<std::string_view> id = id_of_index_key(range.table, key);
    if (!id || !payload->empty()) {
      found = kUnfit;
      return false;
    }
    if (hidden_(*id)) {
      return !ends(range, time_of_index_key(range.table, key), *id);
    }
    const Result<std::optional<std::string_view>> stored = tables_.get(txn_, Table::kRuns, *id);
    if (!stored.ok() || !stored->has_value()) {
      found = stored.ok() ? kUnfit : stored.status();
      return false;
    }
    return record(range, key, **stored, found);
  }

  /// The page needs nothing that follows. In the order of ids the time does not count.
  bool ends(const SelectRange& range, int64_t time_us, std::string_view id) const {
    return range.in_order && page_.ends_before(time_us, id);
  }

  bool record(const SelectRange& range, std::string_view key, std::string_view payload, Status& found) {
    Result<RunRecord> r = decode_run_record_head(payload);
    if (!r.ok()) {
      found = r.status();
      return false;
    }
    if (range.table == Table::kRuns ? r->id != key : index_key(range.table, *r) != key) {
      found = kUnfit;
      return false;
    }
    if (ends(range, page_.time_of(*r), r->id)) {
      return false;
    }
    if (!page_.matches(*r) || !page_.takes(*r)) {
      return true;
    }
    if (page_.wants_text()) {
      r = decode_run_record(payload);
      if (!r.ok()) {
        found = r.status();
        return false;
      }
      if (!page_.has_text(*r)) {
        return true;
      }
    }
    page_.add(std::move(*r), page_.wants_text());
    return true;
  }

  const TableAccess& tables_;
  MDB_txn* const txn_;
  RunPage& page_;
  const FunctionRef<bool(std::string_view id)>& hidden_;
};

}  // namespace

std::vector<SelectRange> plan_select(const RunPage& page) {
  const RunQuery& q = page.query();
  if (!q.parent.empty()) {
    return {range_of_group(Table::kByParent, by_parent_key(q.parent), page)};
  }
  if (!q.task.empty()) {
    return {range_of_group(Table::kByTask, by_task_key(q.task), page)};
  }
  std::vector<SelectRange> ranges;
  if (q.order == RunOrder::kId) {
    SelectRange all;
    all.after = page.after() ? page.after()->id : std::string();
    all.in_order = true;
    ranges.push_back(std::move(all));
    return ranges;
  }
  if (is_by_creation(q.order)) {
    ranges.emplace_back();
    ranges.back().table = Table::kByCreated;
  } else if (q.statuses == 0) {
    ranges.emplace_back();
    ranges.back().table = Table::kByUpdated;
  } else {
    for (const RunStatus s : statuses_of(q.statuses)) {
      ranges.push_back(range_of_status(s));
    }
  }
  for (SelectRange& range : ranges) {
    range.back = q.order == RunOrder::kNewestFirst || q.order == RunOrder::kCreatedLast;
    range.in_order = true;
    clip(range, page);
  }
  return ranges;
}

Status select_stored(const TableAccess& tables, MDB_txn* txn, RunPage& page,
                     const FunctionRef<bool(std::string_view id)>& hidden) {
  Selector selector(tables, txn, page, hidden);
  CAIRN_TRY_ASSIGN(const uint64_t runs, tables.entries(txn, Table::kRuns));
  for (const SelectRange& range : plan_select(page)) {
    // Each run is in these indexes once.
    if (range.table == Table::kByUpdated || range.table == Table::kByStatus || range.table == Table::kByCreated) {
      CAIRN_TRY_ASSIGN(const uint64_t rows, tables.entries(txn, range.table));
      if (rows != runs) {
        return kUnfit;
      }
    }
    CAIRN_TRY(selector.walk(range));
  }
  return {};
}

Result<uint64_t> count_stored(const TableAccess& tables, MDB_txn* txn, uint32_t statuses) {
  uint64_t count = 0;
  for (const RunStatus s : statuses_of(statuses)) {
    const SelectRange range = range_of_status(s);
    CAIRN_TRY(tables.walk(txn, range.table, range.after, [&](std::string_view key, std::string_view) {
      count += key < range.before ? 1 : 0;
      return key < range.before;
    }));
  }
  return count;
}

}  // namespace cairn::engine
