#include "tools/output/outcome_text.h"

namespace cairn::tools {

using engine::OutcomeKind;

std::string outcome_text(const engine::Outcome& outcome) {
  switch (outcome.kind) {
    case OutcomeKind::kApplied:
      return "applied";
    case OutcomeKind::kUnchanged:
      return "unchanged";
    case OutcomeKind::kUnapplied:
      break;
  }
  return std::string("unapplied(") + engine::reason_text(outcome.reason) + ")";
}

}  // namespace cairn::tools
