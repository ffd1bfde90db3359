// RunStore: listings.
#include <algorithm>

#include "api/server/metadata_filter.h"
#include "api/server/run_store.h"
#include "api/server/run_store_cursor.h"
#include "engine/store/home_stores.h"

namespace cairn::server {

namespace {

constexpr size_t kScanned = 256;         // runs of one page of the store
constexpr size_t kScannedFirst = 1'024;  // where the metadata decides: then all runs are read in one walk
constexpr size_t kScannedMost = 8'192;   // of a later page, where few of the runs fit

template <class T>
bool is_one_of(const std::vector<T>& list, const T& one) {
  return list.empty() || std::find(list.begin(), list.end(), one) != list.end();
}

bool has_any_tag(const engine::RunRecord& run, const std::vector<std::string>& tags) {
  return tags.empty() || std::any_of(tags.begin(), tags.end(), [&run](const std::string& tag) {
           return std::find(run.tags.begin(), run.tags.end(), tag) != run.tags.end();
         });
}

/// What the engine's query says of the filter.
engine::RunQuery query_of(const RunFilter& filter, engine::Store& store) {
  engine::RunQuery out;
  out.from = filter.from;
  if (!filter.from.empty()) {
    out.homes = store.home_stores().on_host(filter.from);
  }
  for (const engine::RunStatus status : filter.statuses) {
    out.statuses |= engine::status_bit(status);
  }
  out.task = filter.tasks.size() == 1 ? filter.tasks[0] : std::string();
  out.tags = filter.all_tags;
  out.parent = filter.parent;
  out.root = filter.root;
  out.text = filter.text;
  out.updated_from_us = filter.updated_from_us;
  out.updated_to_us = filter.updated_to_us;
  return out;
}

/// The rest of it, which is judged run by run.
class Rest {
 public:
  explicit Rest(const RunFilter& filter) : filter_(filter), metadata_(filter.metadata) {}
  /// The query says it all.
  [[nodiscard]] bool is_empty() const { return filter_.foreign && is_empty_but_for_foreign(); }
  /// All but whether the run is owned elsewhere, which few are.
  [[nodiscard]] bool is_empty_but_for_foreign() const {
    return filter_.tasks.size() <= 1 && filter_.batches.empty() && !filter_.is_test && filter_.tags.empty() &&
           metadata_.empty();
  }
  /// No index leads to the runs that fit, and the document of each has to be read.
  [[nodiscard]] bool reads_all() const {
    return !metadata_.empty() && filter_.statuses.empty() && filter_.tasks.size() != 1 && filter_.parent.empty() &&
           !filter_.updated_from_us && !filter_.updated_to_us;
  }
  /// Whether fits() may hold for a run, from its stored document.
  [[nodiscard]] bool may_fit(std::string_view stored) const { return metadata_.may_fit(stored); }
  [[nodiscard]] bool fits(const engine::RunRecord& run) const {
    if (run.foreign && !filter_.foreign) {
      return false;
    }
    const std::string batch = run.details ? run.details->batch : std::string();
    const bool is_test = run.details && run.details->is_test;
    return is_one_of(filter_.tasks, run.task) && is_one_of(filter_.batches, batch) &&
           (!filter_.is_test || *filter_.is_test == is_test) && has_any_tag(run, filter_.tags) &&
           (metadata_.empty() || (!run.foreign && metadata_.fits(run.document)));
  }

 private:
  const RunFilter& filter_;
  const MetadataFilter metadata_;
};

}  // namespace

struct RunStore::Scan {
  std::vector<RunView> runs;  // in the direction of the scan
  bool more = false;
};

// From a place, which is not part of it, to one end.
Status RunStore::scan(const RunFilter& filter, const std::optional<Place>& from, bool backwards, size_t limit,
                      Scan& out) {
  engine::RunQuery query = query_of(filter, store_);
  const Rest judge(filter);
  query.order = backwards ? engine::RunOrder::kCreatedFirst : engine::RunOrder::kCreatedLast;
  // One more than is asked for tells whether there are more.
  query.limit = judge.is_empty_but_for_foreign() ? std::min(limit + 1, kScanned) : kScanned;
  query.created_from_us = filter.created_from_us;
  if (filter.created_to_us) {
    query.created_to_us = *filter.created_to_us + 1;
  }
  if (query.created_from_us && query.created_to_us && *query.created_from_us >= *query.created_to_us) {
    return {};
  }
  if (from) {
    query.cursor = engine::encode_cursor(query, {from->created_us, from->id});
  }
  do {
    Status read;
    auto next = store_.list(
        query,
        [&](const engine::RunView& view) {
          if (!judge.fits(view.record)) {
            return true;
          }
          out.more = out.runs.size() == limit;
          if (out.more) {
            return false;
          }
          auto made = view_of(view, kMetadata);
          read = made.status();
          if (made.ok()) {
            out.runs.push_back(std::move(*made));
          }
          return read.ok();
        },
        limit != 0 || !filter.metadata.empty());
    CAIRN_TRY(next.status());
    CAIRN_TRY(read);
    query.cursor = std::move(*next);
  } while (!query.cursor.empty() && !out.more);
  return {};
}

Result<Page> RunStore::list_by_creation(const RunFilter& filter, const Cursor& cursor, size_t limit) {
  std::optional<Place> from;
  if (!cursor.text.empty()) {
    const auto place = read_cursor(cursor.text);
    if (!place) {
      return Status(Code::kInvalidArgument, "this is no cursor of a listing of runs");
    }
    from = Place{place->time_us, place->id};
  }
  Scan found;
  CAIRN_TRY(scan(filter, from, cursor.backwards, limit, found));
  Page out;
  out.runs = std::move(found.runs);
  if (cursor.backwards) {
    std::reverse(out.runs.begin(), out.runs.end());
  }
  // Whether there is something on the side that the scan came from.
  Scan behind;
  std::optional<Place> edge = from;
  if (!out.runs.empty()) {
    const RunView& run = cursor.backwards ? out.runs.back() : out.runs.front();
    edge = Place{run.created_us, run.id};
  }
  if (edge) {
    CAIRN_TRY(scan(filter, edge, !cursor.backwards, 0, behind));
  }
  const bool after = cursor.backwards ? behind.more : found.more;
  const bool before = cursor.backwards ? found.more : behind.more;
  if (out.runs.empty()) {
    // Nothing on this side of the cursor: what is on the other begins at it.
    out.next = after && from ? cursor_text(from->created_us, from->id) : "";
    out.previous = before && from ? cursor_text(from->created_us, from->id) : "";
    return out;
  }
  out.next = after ? cursor_text(out.runs.back().created_us, out.runs.back().id) : "";
  out.previous = before ? cursor_text(out.runs.front().created_us, out.runs.front().id) : "";
  return out;
}

// Each document is read once, in the order in which they are stored, and the page keeps the first ones of its own.
Result<Page> RunStore::list_by_walk(const RunFilter& filter, engine::RunQuery query, const Cursor& cursor,
                                    size_t limit) {
  const Rest judge(filter);
  query.cursor = cursor.text;
  query.limit = limit;
  CAIRN_TRY_ASSIGN(auto page, engine::RunPage::make(query));
  CAIRN_TRY(store_.each_where([&judge](std::string_view stored) { return judge.may_fit(stored); },
                              [&](const engine::RunView& view) {
                                const engine::RunRecord& run = view.record;
                                if (page.takes(run) && page.matches(run) && judge.fits(run) && page.has_text(run)) {
                                  page.add(run, true);
                                }
                                return true;
                              }));
  Page out;
  bool more = false;
  std::string last;
  for (engine::RunPage::Entry& entry : page.take(more)) {
    engine::RunView view;
    view.orphaned = entry.record.is_orphaned(store_.session());
    view.record = std::move(entry.record);
    last = engine::encode_cursor(query, engine::position_of(query, view.record));
    CAIRN_TRY_ASSIGN(auto&& row, view_of(view, kMetadata));
    out.runs.push_back(std::move(row));
  }
  out.next = more ? last : "";
  return out;
}

// A cursor is the engine's own, as `cairn ls` has it.
Result<Page> RunStore::list_by_update_or_id(const RunFilter& filter, Order order, const Cursor& cursor, size_t limit) {
  if (cursor.backwards) {
    return Status(Code::kInvalidArgument, "this order of a listing does not go backwards");
  }
  engine::RunQuery query = query_of(filter, store_);
  const Rest judge(filter);
  query.order = order == Order::kId            ? engine::RunOrder::kId
                : order == Order::kOldestFirst ? engine::RunOrder::kOldestFirst
                                               : engine::RunOrder::kNewestFirst;
  query.cursor = cursor.text;
  query.limit = judge.is_empty() ? limit : std::max(limit, kScanned);
  Page out;
  std::string last;  // where the page goes on once it is full and a run that fits was seen behind it
  bool more = false;
  size_t scanned = 0;
  do {
    Status read;
    auto next = store_.list(query, [&](const engine::RunView& view) {
      if (!judge.fits(view.record)) {
        return true;
      }
      more = out.runs.size() == limit;
      if (more) {
        return false;
      }
      auto made = view_of(view, kMetadata);
      read = made.status();
      if (made.ok()) {
        out.runs.push_back(std::move(*made));
        if (out.runs.size() == limit) {
          last = engine::encode_cursor(query, engine::position_of(query, view.record));
        }
      }
      return read.ok();
    });
    CAIRN_TRY(next.status());
    CAIRN_TRY(read);
    query.cursor = std::move(*next);
    more = more || (judge.is_empty() && !query.cursor.empty());
    scanned += query.limit;
    if (!query.cursor.empty() && !more && scanned >= kScannedFirst && judge.reads_all()) {
      return list_by_walk(filter, query, cursor, limit);
    }
    query.limit = std::min(2 * query.limit, std::max(limit, kScannedMost));
  } while (!query.cursor.empty() && !more);
  out.next = more ? last : "";
  return out;
}

Result<Page> RunStore::list(const RunFilter& filter, Order order, const Cursor& cursor, size_t limit) {
  return order == Order::kCreatedNewestFirst ? list_by_creation(filter, cursor, limit)
                                             : list_by_update_or_id(filter, order, cursor, limit);
}

Result<Counts> RunStore::count(const RunFilter& filter) {
  engine::RunQuery query = query_of(filter, store_);
  const Rest judge(filter);
  query.order = engine::RunOrder::kId;
  Counts out;
  const auto add = [&](const engine::RunView& view) {
    const engine::RunRecord& run = view.record;
    if (!judge.fits(run)) {
      return true;
    }
    ++out.runs;
    out.foreign += run.foreign ? 1 : 0;
    out.orphaned += view.orphaned ? 1 : 0;
    if (!run.foreign) {
      ++out.by_status[run.status];
    }
    if (!run.task.empty()) {
      ++out.by_task[run.task];
    }
    for (const std::string& tag : run.tags) {
      ++out.by_tag[tag];
    }
    return true;
  };
  if (judge.reads_all()) {
    CAIRN_TRY_ASSIGN(const auto all, engine::RunPage::make(query));
    CAIRN_TRY(store_.each_where([&judge](std::string_view stored) { return judge.may_fit(stored); },
                                [&](const engine::RunView& view) {
                                  const bool asked = all.takes(view.record) && all.matches(view.record);
                                  return !asked || !all.has_text(view.record) || add(view);
                                }));
    return out;
  }
  query.limit = kScannedMost;
  do {
    CAIRN_TRY_ASSIGN(query.cursor, store_.list(query, add, !filter.metadata.empty()));
  } while (!query.cursor.empty());
  return out;
}

Result<uint64_t> RunStore::count_children(std::string_view id) {
  engine::RunQuery query;
  query.parent = id;
  uint64_t count = 0;
  const auto listed = store_.list(
      query,
      [&count](const engine::RunView&) {
        ++count;
        return true;
      },
      false);
  CAIRN_TRY(listed.status());
  return count;
}

}  // namespace cairn::server
