#include "tools/output/run_row.h"

#include "tools/output/run_text.h"
#include "tools/output/terminal_text.h"

namespace cairn::tools {

RunRow run_head() { return {"ID", "STATUS", "TASK", "PROGRESS", "UPDATED"}; }

RunRow run_row(const engine::RunView& run, int64_t now_us) {
  const auto share = progress_of(run);
  return {run.record.id, status_text(run), printable(run.record.task), share ? bar_text(*share, 10) : "",
          age_text(run.record.updated_us, now_us)};
}

const char* status_colour(const engine::RunView& run) {
  constexpr const char* kGreen = "32";
  constexpr const char* kYellow = "33";
  constexpr const char* kRed = "31";
  constexpr const char* kCyan = "36";
  if (run.record.foreign) {
    return "";
  }
  if (run.orphaned || run.home_is_silent()) {
    return kYellow;
  }
  switch (run.record.status) {
    case engine::RunStatus::kExecuting:
      return kCyan;
    case engine::RunStatus::kCompleted:
      return kGreen;
    case engine::RunStatus::kCanceled:
      return kYellow;
    default:
      return is_final(run.record.status) ? kRed : "";
  }
}

}  // namespace cairn::tools
