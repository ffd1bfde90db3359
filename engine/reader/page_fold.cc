#include "engine/reader/page_fold.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "engine/base/error_detail.h"

namespace cairn::engine {

void PageFold::begin(Tables::Snapshot* snapshot) {
  heads_.reset();
  page_.emplace(std::move(*RunPage::make(query_)));
  heads_.emplace(*page_, [snapshot](std::string_view id) {
    return snapshot != nullptr ? snapshot->find_head(id) : Result<std::optional<RunRecord>>(std::optional<RunRecord>());
  });
}

Status PageFold::fold(Layers& layers) {
  CAIRN_TRY(layers.judge_gaps(heads_->gaps()));
  CAIRN_TRY(heads_->fold_staged(layers.report().staging.diffs));
  layers.report().head_bytes = heads_->held_bytes();
  CAIRN_TRY(heads_->offer(*page_));
  if (Tables::Snapshot* const snapshot = layers.snapshot(); snapshot != nullptr) {
    const Status s = snapshot->select(*page_, [this](std::string_view id) { return heads_->has(id); });
    if (!s.ok()) {
      return fail_with_cause("the tables cannot be read", s);
    }
  }
  entries_ = page_->take(more_);
  return fold_newer(layers);
}

Status PageFold::fold_newer(Layers& layers) {
  RunIds newer;
  uint64_t first_lsn = UINT64_MAX;
  for (const RunPage::Entry& entry : entries_) {
    if (heads_->has(entry.record.id)) {
      first_lsn = std::min(first_lsn, heads_->first_lsn(entry.record.id));
      newer.insert(entry.record.id);
    }
  }
  heads_.reset();
  if (newer.empty()) {
    return {};
  }
  std::unique_ptr<Replay> replay;
  CAIRN_TRY(layers.fold_runs(newer, first_lsn - 1, replay));
  for (RunPage::Entry& entry : entries_) {
    if (newer.contains(entry.record.id)) {
      CAIRN_TRY_ASSIGN(auto&& state, replay->state(entry.record.id));
      if (!state->record) {
        return fail(Code::kInternal, "a run of the listing is not there: " + entry.record.id);
      }
      entry.record = std::move(*state->record);
      entry.whole = true;
    }
  }
  return {};
}

}  // namespace cairn::engine
