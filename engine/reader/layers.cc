#include "engine/reader/layers.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/base/error_detail.h"

namespace cairn::engine {

Status fail_unfit(const wal::RecordView& record, const Status& why) {
  return fail(why, "the log's record of LSN " + std::to_string(record.lsn) + " cannot be taken: " + why.what);
}

// Visits the records of the log that the snapshot does not have, oldest first.
Status Layers::each_logged(uint64_t behind, const FunctionRef<Status(const wal::RecordView&)>& visit) {
  // Skip what the snapshot has: it has nothing of an erased run, and folding older records would bring that run back.
  const uint64_t known = std::max(report_.applied_lsn, behind);
  return log_.each(snapshot_ ? std::optional(known) : std::nullopt, [&](const auto& record) {
    const Status s = visit(record);
    if (s.ok()) {
      return s;
    }
    if (leniency_.tolerant) {
      report_.unfit.push_back({record.lsn, s.what});
      return Status();
    }
    return leniency_.salvage && report_.owner.held  // the last attempt is tolerant
               ? Status(Code::kAgain)
               : fail_unfit(record, s);
  });
}

Status Layers::judge_gaps(std::vector<Gap> gaps) {
  report_.gaps = std::move(gaps);
  if (report_.gaps.empty() || leniency_.tolerant) {
    return {};
  }
  if (report_.owner.held) {
    return Code::kAgain;
  }
  found_damage_ = true;
  const Gap& gap = report_.gaps[0];
  return fail(Code::kCorrupt, "the log does not continue run " + gap.id + " at LSN " + std::to_string(gap.lsn));
}

Status Layers::fold_runs(const RunIds& only, uint64_t behind, std::unique_ptr<Replay>& replay) {
  const bool salvage = leniency_.salvage;
  replay = std::make_unique<Replay>(
      [&snapshot = snapshot_, salvage](std::string_view id) -> Result<std::optional<RunRecord>> {
        if (!snapshot) {
          return std::optional<RunRecord>();
        }
        auto found = snapshot->find(id);
        if (!found.ok() && salvage) {
          return std::optional<RunRecord>();
        }
        return found;
      });
  replay->only(only);
  CAIRN_TRY(each_logged(behind, [&replay](const wal::RecordView& record) { return replay->visit(record); }));
  CAIRN_TRY(judge_gaps(replay->gaps()));
  if (const Status s = replay->fold_staged(report_.staging.diffs, nullptr); !s.ok()) {
    return fail(s, "a staged diff cannot be applied");
  }
  report_.folded_runs = replay->states().size();
  return {};
}

}  // namespace cairn::engine
