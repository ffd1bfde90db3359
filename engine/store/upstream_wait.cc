#include "engine/store/upstream_wait.h"

#include <algorithm>

#include "engine/base/error_detail.h"
#include "engine/tables/tables.h"

namespace cairn::engine {

namespace {

// The clock of the host may not go with the machine's: those who wait look at it so often.
constexpr int64_t kLookMs = 250;

}  // namespace

Status UpstreamWait::for_everything(int64_t deadline_ms) {
  // What counts is what was updated before the call.
  CAIRN_TRY(flusher_.barrier());
  CAIRN_TRY(upstream_.control(Upstream::Control::kHurry));
  const uint64_t lsn = writer_.written_lsn();
  return wait(deadline_ms, "the upstream does not have everything yet: ", [&](sync::Outbox& outbox) -> Result<bool> {
    return outbox.queries().acknowledged_up_to(lsn) && runs_.tables()->applied_lsn() >= lsn;
  });
}

// Whatever ends it but the acknowledgement, the update is on the disk here and is sent later.
Status UpstreamWait::for_runs(uint64_t lsn, std::span<const std::string> ids) {
  const auto look = [&](sync::Outbox& outbox) -> Result<bool> {
    if (outbox.state().halt != sync::Halt::kNone) {
      return fail(Code::kTimeout,
                  "the update is on the disk here, and nothing is sent: the store's files were moved or copied; say "
                  "which (cairn sync --moved or --copied)");
    }
    bool all = runs_.tables()->applied_lsn() >= lsn;
    for (const std::string& id : ids) {
      auto where = all ? outbox.queries().arrived(id, lsn) : sync::Outbox::Arrived::kNo;
      CAIRN_TRY(where.status());
      if (*where == sync::Outbox::Arrived::kHeld) {
        return fail(Code::kTimeout,
                    "the update is on the disk here, and the upstream refused the run (cairn sync --dead says why)",
                    id);
      }
      all = all && *where == sync::Outbox::Arrived::kYes;
    }
    return all;
  };
  return wait(now_ms() + timeout_ms_, "the update is on the disk here, and is sent to the upstream later: ", look);
}

Status UpstreamWait::wait(int64_t deadline_ms, const char* not_yet,
                          const FunctionRef<Result<bool>(sync::Outbox& outbox)>& look) {
  while (true) {
    const uint64_t seen = sender_.changed().count();
    bool there = false;
    CAIRN_TRY(sender_.with_sender([&](sync::Sender& sender, sync::Outbox& outbox) -> Status {
      CAIRN_TRY_ASSIGN(there, look(outbox));
      if (!there) {
        sender.hurry();
      }
      return {};
    }));
    if (there) {
      return {};
    }
    const int64_t now = now_ms();
    if (now >= deadline_ms) {
      return fail(Code::kTimeout, not_yet + why_not_there());
    }
    (void)sender_.changed().wait(seen, std::min(kLookMs, deadline_ms - now));
  }
}

// What stands in the way, as far as this store knows.
std::string UpstreamWait::why_not_there() {
  Upstream::State found;
  if (!upstream_.state(found).ok()) {
    return "there is no upstream";
  }
  if (found.sender.halt == sync::Halt::kForked) {
    return "nothing is sent: another store sends under this one's name; say which this is (cairn sync --moved or "
           "--copied)";
  }
  if (found.sender.halt != sync::Halt::kNone) {
    return "nothing is sent: the store's files were moved or copied; say which (cairn sync --moved or --copied)";
  }
  if (found.paused) {
    return "sending is paused";
  }
  if (!found.last_error.empty()) {
    return found.last_error;
  }
  if (found.waiting.held > 0 && found.in_flight_entries == 0) {
    return "the upstream refused " + std::to_string(found.waiting.held) + (found.waiting.held == 1 ? " run" : " runs") +
           ", held here (cairn sync --dead says why)";
  }
  return found.under_way ? "no answer came yet" : "the time was too short for all of it";
}

}  // namespace cairn::engine
