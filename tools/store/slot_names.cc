#include "tools/store/slot_names.h"

#include <algorithm>

#include "engine/maintenance/slots.h"

namespace cairn::tools {

void SlotNames::add(const std::string& id, uint32_t slot, bool owned) {
  const auto [first, fresh] = first_.try_emplace(id, Holder{slot, owned});
  if (fresh || first->second.slot == slot) {
    first->second.owned = owned;
    return;
  }
  std::vector<Holder>& more = more_[id];
  const auto at = std::find_if(more.begin(), more.end(), [slot](const Holder& h) { return h.slot == slot; });
  if (at == more.end()) {
    more.push_back({slot, owned});
  } else {
    at->owned = owned;
  }
}

void SlotNames::clear() {
  first_.clear();
  more_.clear();
}

std::string SlotNames::shown(const std::string& id, uint32_t slot) const {
  const auto more = more_.find(id);
  if (more == more_.end()) {
    return id;
  }
  const Holder first = first_.at(id);
  size_t owners = first.owned ? 1 : 0;
  bool owned_here = first.slot == slot && first.owned;
  for (const Holder& holder : more->second) {
    owners += holder.owned ? 1 : 0;
    owned_here = owned_here || (holder.slot == slot && holder.owned);
  }
  return owners == 1 && owned_here ? id : with_slot(slot, id);
}

std::string with_slot(uint32_t slot, const std::string& id) { return engine::slot_name(slot) + "/" + id; }

}  // namespace cairn::tools
