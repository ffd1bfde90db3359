#include "api/server/remembered_counts.h"

#include <utility>

namespace cairn::server {

Result<std::shared_ptr<const RememberedCounts::Counted>> RememberedCounts::get(RunStorage& storage,
                                                                               const std::string& name,
                                                                               const RunFilter& filter,
                                                                               int64_t now_us) {
  return remembered_.get(name, kRemembered, [&]() -> Result<Counted> {
    CAIRN_TRY_ASSIGN(Counts counts, storage.count(filter));
    return Counted{std::move(counts), now_us};
  });
}

}  // namespace cairn::server
