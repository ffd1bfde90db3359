// The query of a listing, and its pages. This file knows no store: the caller walks stored and newer runs and offers
// each to a RunPage, in any order, and the page keeps the first ones of the listing's order.
//
// A page starts after a position in the order: (updated time, id), or the id alone. A run that does not change keeps
// its position, so pages neither skip it nor show it twice, whatever happens to others. A run that changes meanwhile
// moves to the newest end.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/records/home_store.h"
#include "engine/records/run_record.h"

namespace cairn::engine {

/// The values are stored in cursors; never renumbered. Those up to 2 are those of the C ABI: the orders by time are by
/// the last update, then by id. The orders by creation are for the store's owner only.
enum class RunOrder : uint8_t { kNewestFirst = 0, kId = 1, kOldestFirst = 2, kCreatedLast = 3, kCreatedFirst = 4 };
constexpr bool is_by_creation(RunOrder order) { return order >= RunOrder::kCreatedLast; }

constexpr uint32_t status_bit(RunStatus s) { return uint32_t{1} << static_cast<unsigned>(s); }
inline constexpr uint32_t kAllStatuses = 2 * status_bit(RunStatus::kTimedOut) - 1;
/// The bits of the statuses for which is_final() holds.
uint32_t final_statuses();

/// A run must match all fields that are set; empty and 0 match any run.
struct RunQuery {
  uint32_t statuses = 0;  // status_bit() of each status that matches
  std::string task;
  std::vector<std::string> tags;  // the run has all of them
  std::string parent;
  std::string root;
  std::optional<int64_t> updated_from_us;  // inclusive
  std::optional<int64_t> updated_to_us;    // exclusive
  std::optional<int64_t> created_from_us;  // inclusive; only in an order by creation
  std::optional<int64_t> created_to_us;    // exclusive; likewise
  std::string text;  // is in the id, the task, a tag or the JSON text of the document; A-Z equals a-z
  std::string from;  // name of a host, or the beginning of a store's id: the run came from there (home_store.h)
  std::vector<std::array<uint8_t, 16>> homes;  // with `from`: the stores on that host, which whoever lists looks up
  RunOrder order = RunOrder::kNewestFirst;
  size_t limit = 0;    // of the page; 0: no bound
  std::string cursor;  // of the page before; empty: from the start
};

/// The position of a run in a listing: the time of its order, and the id. In the order of ids the time does not count.
struct RunPosition {
  int64_t time_us = 0;
  std::string id;
};
RunPosition position_of(const RunQuery& query, const RunRecord& run);

/// A text that continues a query after `last`: at most kCursorBytesMax characters of A-Z a-z 0-9 _ -.
std::string encode_cursor(const RunQuery& query, const RunPosition& last);
inline constexpr size_t kCursorBytesMax = 2 + 16 + 2 * kRunIdBytesMax + 16;

class RunPage {
 public:
  /// kInvalidArgument: an unknown status or order, a malformed id, a time range that ends before it begins, a cursor
  /// that is damaged or of another query. A cursor is valid for the same filters and order; limit and time range may
  /// change.
  static Result<RunPage> make(RunQuery query);

  [[nodiscard]] const RunQuery& query() const { return query_; }
  /// The cursor's position: the page starts after it.
  [[nodiscard]] const std::optional<RunPosition>& after() const { return after_; }

  /// Applies all filters except text and those of takes(). Needs no document.
  [[nodiscard]] bool matches(const RunRecord& head) const {
    return matches_status(head.status, head.foreign) && matches_relatives(head.task, head.parent, head.root) &&
           matches_tags(head.tags) && matches_home(head.origin);
  }
  [[nodiscard]] bool matches_status(RunStatus status, bool foreign) const;
  [[nodiscard]] bool matches_relatives(std::string_view task, std::string_view parent, std::string_view root) const {
    return (query_.task.empty() || task == query_.task) && (query_.parent.empty() || parent == query_.parent) &&
           (query_.root.empty() || root == query_.root);
  }
  [[nodiscard]] bool matches_home(const Origin& origin) const {
    return query_.from.empty() || (origin.received() && (id_begins(origin.owner, query_.from) ||
                                                         std::find(query_.homes.begin(), query_.homes.end(),
                                                                   origin.owner) != query_.homes.end()));
  }
  template <class Tags>
  [[nodiscard]] bool matches_tags(const Tags& tags) const {
    return std::all_of(query_.tags.begin(), query_.tags.end(), [&tags](const std::string& tag) {
      return std::find(tags.begin(), tags.end(), tag) != tags.end();
    });
  }
  [[nodiscard]] bool has_text(const RunRecord& whole) const;
  [[nodiscard]] bool wants_text() const { return !text_.empty(); }
  /// A run at this position is in the time range, after the cursor, and before the last run that the page keeps.
  [[nodiscard]] bool takes(int64_t time_us, std::string_view id) const;
  [[nodiscard]] bool takes(const RunRecord& head) const { return takes(time_of(head), head.id); }
  /// By which the page is in order.
  [[nodiscard]] int64_t time_of(const RunRecord& head) const {
    return is_by_creation(query_.order) ? head.created_us : head.updated_us;
  }
  /// The page is full, and a run at this position comes after all of it: a walk in the order of the query can end.
  [[nodiscard]] bool ends_before(int64_t time_us, std::string_view id) const;

  /// Adds a run that matches, has the text and that takes() accepts; each run once. `whole`: with its document.
  void add(RunRecord record, bool whole);

  struct Entry {
    RunRecord record;
    bool whole = false;
  };
  /// Returns the page in its order and leaves it empty. `more`: there are runs after it.
  std::vector<Entry> take(bool& more);

 private:
  RunPage() = default;
  [[nodiscard]] bool before(int64_t a_us, std::string_view a, int64_t b_us, std::string_view b) const;
  [[nodiscard]] bool full() const { return query_.limit != 0 && kept_.size() > query_.limit; }

  RunQuery query_;
  std::string text_;  // lower case
  std::optional<RunPosition> after_;
  std::vector<Entry> kept_;  // a heap, the last in order on top; one more than the limit, to know whether more follow
};

}  // namespace cairn::engine
