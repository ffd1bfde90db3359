// The changes of the last looks at the storage: what a client that comes back at once has missed is here, and the
// storage is not asked.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/server/run_storage.h"
#include "api/server/shape_columns.h"
#include "wal/mutex.h"

namespace cairn::server {

/// A run as it was after a change, and its text for all who get it; or that it was erased.
class ChangedRun {
 public:
  /// `at`: the number of the change, in the feed of all runs.
  ChangedRun(RunView run, uint64_t at, bool erased = false) : view(std::move(run)), number(at), is_erased(erased) {}

  const RunView view;
  const uint64_t number;
  const bool is_erased = false;  // then the view has the id only

  /// As change_text(); made once for each of the first sets of columns. Threads: any.
  [[nodiscard]] std::shared_ptr<const std::string> update_text(ColumnSet columns) const;

 private:
  mutable Mutex mutex_{LockRank::kRenderedChanges};
  mutable std::map<ColumnSet, std::shared_ptr<const std::string>> texts_ CAIRN_GUARDED_BY(mutex_);
};
using ChangedRunPtr = std::shared_ptr<const ChangedRun>;

/// The rows of `changes`, which are taken from it, and what was erased.
std::vector<ChangedRunPtr> changed_runs(Changes& changes);

/// Whether a run is one of these rows.
bool is_in_shape(const RunView& run, const Shape& shape);

/// Every change after from() and up to upto() is here, each run's last one at least. Threads: one at a time.
class RecentChanges {
 public:
  /// Nothing is known before `at`.
  void restart(Position at);
  void add(const std::vector<ChangedRunPtr>& rows, Position upto);

  [[nodiscard]] const Position& upto() const { return upto_; }
  [[nodiscard]] uint64_t from() const { return from_; }
  /// Whether all changes after `at` and up to upto() are here.
  [[nodiscard]] bool covers(const Position& at) const {
    return at.feed == upto_.feed && at.number >= from_ && at.number <= upto_.number;
  }
  /// Those after `after`, of runs of `shape`. A run may be there several times, in the order of its changes.
  [[nodiscard]] std::vector<ChangedRunPtr> of_shape(const Shape& shape, uint64_t after) const;
  /// The last one of this run; null: none is here.
  [[nodiscard]] ChangedRunPtr of_run(const std::string& id) const;

 private:
  Position upto_;
  uint64_t from_ = 0;
  size_t bytes_ = 0;
  std::deque<ChangedRunPtr> rows_;
  std::unordered_map<std::string, ChangedRunPtr> by_run_;
};

}  // namespace cairn::server
