// How a run is called where several slots are read as one.
//
// A run that one slot alone holds, or that one slot alone owns, is called by its id there. Where that would name two
// runs the slot stands before it: "slot-001/ID". The same id is in two slots if a worker wrote to a run of another
// one (its slot holds it as owned elsewhere), or if it was started twice.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cairn::tools {

class SlotNames {
 public:
  /// `slot` holds a run of this id.
  void add(const std::string& id, uint32_t slot, bool owned);
  void clear();
  [[nodiscard]] std::string shown(const std::string& id, uint32_t slot) const;

 private:
  struct Holder {
    uint32_t slot;
    bool owned;
  };
  std::unordered_map<std::string, Holder> first_;
  std::unordered_map<std::string, std::vector<Holder>> more_;  // of the few ids that several slots hold
};

/// "slot-001/ID".
std::string with_slot(uint32_t slot, const std::string& id);

}  // namespace cairn::tools
