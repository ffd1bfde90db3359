#include "api/server/recent_changes.h"

#include <algorithm>
#include <utility>

namespace cairn::server {

namespace {

constexpr size_t kRecentRowsMax = 2000;
constexpr size_t kRecentBytesMax = 8u << 20;
constexpr size_t kTextsMax = 4;  // of a row: clients choose the columns

size_t bytes_of(const RunView& run) { return sizeof run + bytes_of_texts(run, kMetadata | kPayload | kOutput); }

}  // namespace

std::shared_ptr<const std::string> ChangedRun::update_text(ColumnSet columns) const {
  const MutexLock lock(mutex_);
  const auto made = texts_.find(columns);
  if (made != texts_.end()) {
    return made->second;
  }
  auto text = std::make_shared<const std::string>(change_text(view, columns, RowOperation::kUpdate));
  if (texts_.size() < kTextsMax) {
    texts_.emplace(columns, text);
  }
  return text;
}

std::vector<ChangedRunPtr> changed_runs(Changes& changes) {
  std::vector<ChangedRunPtr> out;
  for (size_t i = 0; i < changes.rows.size(); ++i) {
    // One that changed after what was told is told once more.
    const uint64_t number =
        i < changes.numbers.size() ? std::min(changes.numbers[i], changes.next.number) : changes.next.number;
    out.push_back(std::make_shared<const ChangedRun>(std::move(changes.rows[i]), number));
  }
  for (auto& [id, number] : changes.erased) {
    RunView run;
    run.id = std::move(id);
    out.push_back(std::make_shared<const ChangedRun>(std::move(run), number, true));
  }
  return out;
}

bool is_in_shape(const RunView& run, const Shape& shape) {
  switch (shape.kind) {
    case Shape::Kind::kAll:
      return true;
    case Shape::Kind::kRun:
      return run.id == shape.id;
    case Shape::Kind::kBatch:
      return run.batch == shape.id;
    case Shape::Kind::kTags:
      return run.created_us >= shape.created_from_us &&
             std::all_of(shape.tags.begin(), shape.tags.end(), [&run](const std::string& tag) {
               return std::find(run.tags.begin(), run.tags.end(), tag) != run.tags.end();
             });
  }
  return false;
}

void RecentChanges::restart(Position at) {
  rows_.clear();
  by_run_.clear();
  bytes_ = 0;
  from_ = at.number;
  upto_ = std::move(at);
}

void RecentChanges::add(const std::vector<ChangedRunPtr>& rows, Position upto) {
  for (const ChangedRunPtr& row : rows) {
    rows_.push_back(row);
    by_run_[row->view.id] = row;
    bytes_ += bytes_of(row->view);
  }
  while (!rows_.empty() && (rows_.size() > kRecentRowsMax || bytes_ > kRecentBytesMax)) {
    const ChangedRunPtr gone = std::move(rows_.front());
    rows_.pop_front();
    bytes_ -= bytes_of(gone->view);
    from_ = std::max(from_, gone->number);
    if (const auto at = by_run_.find(gone->view.id); at != by_run_.end() && at->second == gone) {
      by_run_.erase(at);
    }
  }
  upto_ = std::move(upto);
}

std::vector<ChangedRunPtr> RecentChanges::of_shape(const Shape& shape, uint64_t after) const {
  std::vector<ChangedRunPtr> out;
  if (shape.kind == Shape::Kind::kRun) {
    if (ChangedRunPtr row = of_run(shape.id); row != nullptr && row->number > after) {
      out.push_back(std::move(row));
    }
    return out;
  }
  for (const ChangedRunPtr& row : rows_) {
    if (row->number > after && is_in_shape(row->view, shape)) {
      out.push_back(row);
    }
  }
  return out;
}

ChangedRunPtr RecentChanges::of_run(const std::string& id) const {
  const auto found = by_run_.find(id);
  return found == by_run_.end() ? nullptr : found->second;
}

}  // namespace cairn::server
