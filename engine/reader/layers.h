// The layers of one look at a store, newest last: a snapshot of the tables, the log after it, what is staged; and how
// runs are folded from them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/reader/read_report.h"
#include "engine/replay/logged_records.h"
#include "engine/replay/replay.h"
#include "engine/tables/tables.h"
#include "wal/function_ref.h"
#include "wal/reader.h"

namespace cairn::engine {

using RunIds = std::set<std::string, std::less<>>;

/// What a record of the log that cannot be taken ends a read with.
Status fail_unfit(const wal::RecordView& record, const Status& why);

class Layers {
 public:
  struct Leniency {
    bool salvage = false;   // the store may be damaged
    bool tolerant = false;  // and this is the last attempt: what cannot be read is left out
  };
  /// `snapshot`: null without tables. It lives as long as what is folded is asked for runs. `report`: with the staged
  /// diffs.
  Layers(const LoggedRecords& log, const std::unique_ptr<Tables::Snapshot>& snapshot, Leniency leniency,
         ReadReport& report)
      : log_(log), snapshot_(snapshot), leniency_(leniency), report_(report) {}

  [[nodiscard]] Tables::Snapshot* snapshot() const { return snapshot_.get(); }
  [[nodiscard]] ReadReport& report() { return report_; }
  /// Folds the runs `only`; empty: all. `behind`: up to this LSN the snapshot has everything that the log has of them.
  Status fold_runs(const RunIds& only, uint64_t behind, std::unique_ptr<Replay>& replay);
  /// Of a fold of the log.
  Status judge_gaps(std::vector<Gap> gaps);
  /// What ended this look is damage of the store: it counts, and the report says more.
  [[nodiscard]] bool found_damage() const { return found_damage_; }

 private:
  Status each_logged(uint64_t behind, const FunctionRef<Status(const wal::RecordView&)>& visit);

  const LoggedRecords& log_;
  const std::unique_ptr<Tables::Snapshot>& snapshot_;
  const Leniency leniency_;
  ReadReport& report_;
  bool found_damage_ = false;
};

}  // namespace cairn::engine
