#include "engine/store/durability.h"

#include "engine/base/error_detail.h"
#include "engine/store/upstream_wait.h"

namespace cairn::engine {

Status DurabilityWait::check(Durability d) const {
  return class_of(d) != Durability::kUpstream || facts_.attached ? Status() : fail_not_attached();
}

Status DurabilityWait::wait(Durability d, uint64_t lsn, std::span<const std::string> ids) {
  if (!wants_power(d)) {
    return {};
  }
  CAIRN_TRY(run_log_.sync(lsn));
  return class_of(d) == Durability::kUpstream ? upstream_.for_runs(lsn, ids) : Status();
}

}  // namespace cairn::engine
