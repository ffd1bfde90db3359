// One look at a store, while its owner may go on: staging first, then one snapshot of the tables, then the log after
// that, in which everything is that left staging meanwhile.
#pragma once

#include <memory>

#include "cairn/status.h"
#include "engine/reader/layers.h"
#include "engine/reader/lost_staging_notice.h"
#include "engine/reader/opened_store.h"
#include "engine/reader/read_report.h"
#include "engine/replay/logged_records.h"
#include "engine/tables/life.h"
#include "engine/tables/tables.h"
#include "wal/reader.h"

namespace cairn::engine {

/// What a read makes of the layers.
class Fold {
 public:
  virtual ~Fold() = default;
  virtual void begin(Tables::Snapshot* /*snapshot*/) {}  // it was taken; null: there are no tables
  /// A record of the log that the snapshot does not have, in order, while the log is checked.
  virtual Status visit(const wal::RecordView& /*record*/) { return {}; }
  virtual Status fold(Layers& layers) = 0;  // the log was checked
};

class Attempt {
 public:
  /// What it finds.
  struct Found {
    std::unique_ptr<Tables::Snapshot>& snapshot;
    Life& life;  // of the last open for writing
    ReadReport& report;
    LostStagingNotice& lost_staging;
  };
  /// `only`: the runs that are read; empty: all. `last`: there is no time for another one.
  Attempt(const OpenedStore& store, const RunIds& only, bool last, Found found);

  /// kAgain: what was read does not fit together, because the owner went on meanwhile. The report changes only if the
  /// look counts: it worked, or found damage.
  Status run(Fold& fold);

 private:
  // In this order.
  Status look_at_owner();
  Status read_staging();
  Status take_snapshot();
  Status read_log(Fold& fold);
  Status read_life();
  Status judge_log();
  Status fold_layers(Fold& fold);

  const OpenedStore& store_;
  const RunIds& only_;
  const bool last_;
  const bool tolerant_;  // takes what can be read
  Found found_;
  ReadReport report_;
  LoggedRecords log_;
  Status visited_;  // what the fold said about the records
  bool found_damage_ = false;
};

}  // namespace cairn::engine
