// The page of a listing from the layers of a store: the runs that are newer than the tables are chosen by their heads
// while the log is checked; those that get into the page are then folded whole from their records.
#pragma once

#include <optional>
#include <vector>

#include "cairn/status.h"
#include "engine/reader/attempt.h"
#include "engine/reader/layers.h"
#include "engine/reader/run_heads.h"
#include "engine/records/run_query.h"
#include "engine/tables/tables.h"
#include "wal/reader.h"

namespace cairn::engine {

class PageFold final : public Fold {
 public:
  /// `query`: RunPage::make takes it. Gives the page's entries, those of the tables without their documents, and
  /// whether there are more.
  PageFold(const RunQuery& query, std::vector<RunPage::Entry>& entries, bool& more)
      : query_(query), entries_(entries), more_(more) {}

  void begin(Tables::Snapshot* snapshot) override;
  Status visit(const wal::RecordView& record) override { return heads_->visit(record); }
  Status fold(Layers& layers) override;

 private:
  Status fold_newer(Layers& layers);

  const RunQuery& query_;
  std::vector<RunPage::Entry>& entries_;
  bool& more_;
  std::optional<RunPage> page_;
  std::optional<RunHeads> heads_;
};

}  // namespace cairn::engine
