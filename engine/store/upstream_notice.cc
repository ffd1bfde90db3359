#include "engine/store/upstream_notice.h"

#include <algorithm>
#include <string>

namespace cairn::engine {

void UpstreamNotice::look(const sync::Sender& sender, const sync::SenderState& state) {
  const bool halted = state.halt != sync::Halt::kNone;
  const bool failed = !sender.last_error().empty();
  if (sender.under_way() || (failed && !halted && sender.last_failure() == sync::Failure::kTooLarge)) {
    return;  // nothing was learned, or it goes on in halves
  }
  const Told now = halted ? Told::kHalted : failed ? Told::kFailed : Told::kAnswers;
  if (now == told_ && (now != Told::kFailed || sender.last_failure() == told_failure_)) {
    return;
  }
  const bool again = told_ != Told::kNothing;
  told_ = now;
  told_failure_ = sender.last_failure();
  const std::string who = "the upstream " + state.upstream;
  if (now == Told::kAnswers) {
    write_log(hooks_, LogLevel::kInfo, Code::kOk, who + (again ? " answers again" : " answers"));
  } else if (halted) {
    write_log(hooks_, LogLevel::kError, Code::kAgain, who + ": nothing is sent: " + sender.last_error());
  } else {
    const int64_t at = hooks_.monotonic_ms(hooks_.context);
    const int64_t in_s = (std::max<int64_t>(0, sender.next_due(at) - at) + 999) / 1000;
    write_log(hooks_, LogLevel::kWarning, Code::kAgain,
              who + ": " + sender.last_error() + "; tried again in " + std::to_string(in_s) + " s");
  }
}

}  // namespace cairn::engine
