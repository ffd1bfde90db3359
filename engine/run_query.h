// What a listing asks for, and its pages. No store in here: whoever walks stored and newer runs offers each to a
// RunPage, in any order, and it keeps the best.
//
// A page starts behind a position in the order: (updated time, id), or the id alone. A run that does not change keeps
// its position, so pages neither skip it nor show it twice, whatever happens to others. One that changes meanwhile
// moves to the newest end.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/run_record.h"

namespace cairn::engine {

/// Values are the C ABI's, and stand in cursors; never renumbered. By time means: of the last update, then by id.
enum class RunOrder : uint8_t { kNewestFirst = 0, kId = 1, kOldestFirst = 2 };

constexpr uint32_t status_bit(RunStatus s) { return uint32_t{1} << static_cast<unsigned>(s); }
inline constexpr uint32_t kAllStatuses = 2 * status_bit(RunStatus::kTimedOut) - 1;
/// Those of is_final().
uint32_t final_statuses();

/// All that are set must hold; empty and 0 mean any.
struct RunQuery {
  uint32_t statuses = 0;  // status_bit() of each
  std::string task;
  std::vector<std::string> tags;  // all of them
  std::string parent;
  std::string root;
  std::optional<int64_t> updated_from_us;  // inclusive
  std::optional<int64_t> updated_to_us;    // exclusive
  std::string text;  // somewhere in the id, the task, a tag or the JSON text of the document; A-Z as a-z
  RunOrder order = RunOrder::kNewestFirst;
  size_t limit = 0;    // of the page; 0: no bound
  std::string cursor;  // of the page before; empty: from the start
};

/// Where a run stands in a listing. In the order of ids the time does not count.
struct RunPosition {
  int64_t updated_us = 0;
  std::string id;
};

/// Text that continues a query behind `last`: at most kCursorBytesMax characters of A-Z a-z 0-9 _ -.
std::string encode_cursor(const RunQuery& query, const RunPosition& last);
inline constexpr size_t kCursorBytesMax = 2 + 16 + 2 * kRunIdBytesMax + 16;

class RunPage {
 public:
  /// kInvalidArgument: a status, order or id that is none, a time range that ends before it begins, a cursor that is
  /// damaged or of another query. A cursor fits the same filters and order; limit and time range may change.
  static Result<RunPage> make(RunQuery query);

  [[nodiscard]] const RunQuery& query() const { return query_; }
  /// Of the cursor.
  [[nodiscard]] const std::optional<RunPosition>& after() const { return after_; }

  /// The filters but those of takes() and text. Needs no document.
  [[nodiscard]] bool suits(const RunRecord& head) const {
    return suits_status(head.status, head.foreign) && suits_relatives(head.task, head.parent, head.root) &&
           suits_tags(head.tags);
  }
  [[nodiscard]] bool suits_status(RunStatus status, bool foreign) const;
  [[nodiscard]] bool suits_relatives(std::string_view task, std::string_view parent, std::string_view root) const {
    return (query_.task.empty() || task == query_.task) && (query_.parent.empty() || parent == query_.parent) &&
           (query_.root.empty() || root == query_.root);
  }
  template <class Tags>
  [[nodiscard]] bool suits_tags(const Tags& tags) const {
    return std::all_of(query_.tags.begin(), query_.tags.end(), [&tags](const std::string& tag) {
      return std::find(tags.begin(), tags.end(), tag) != tags.end();
    });
  }
  [[nodiscard]] bool has_text(const RunRecord& whole) const;
  [[nodiscard]] bool wants_text() const { return !text_.empty(); }
  /// A run there is in the time range, behind the cursor, and better than the worst that is kept.
  [[nodiscard]] bool takes(int64_t updated_us, std::string_view id) const;
  /// The page is full, and a run there is worse than all of it: ends a walk in the order of the query.
  [[nodiscard]] bool ends_before(int64_t updated_us, std::string_view id) const;

  /// One that suits, has the text and is taken; each run once. `whole`: with its document.
  void add(RunRecord record, bool whole);

  struct Entry {
    RunRecord record;
    bool whole = false;
  };
  /// The page in its order. `more`: there are runs behind it. The page is empty then.
  std::vector<Entry> take(bool& more);

 private:
  RunPage() = default;
  [[nodiscard]] bool before(int64_t a_us, std::string_view a, int64_t b_us, std::string_view b) const;
  [[nodiscard]] bool full() const { return query_.limit != 0 && kept_.size() > query_.limit; }

  RunQuery query_;
  std::string text_;  // lower case
  std::optional<RunPosition> after_;
  std::vector<Entry> kept_;  // a heap, the worst on top: one more than the limit, which tells whether more follow
};

}  // namespace cairn::engine
