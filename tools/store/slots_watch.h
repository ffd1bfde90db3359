// Watches the runs of a directory of slots.
//
// A token is the tokens of the slots, each with its slot before it: "slot-000/w1-...,slot-001/w1-...".
#pragma once

#include <memory>
#include <string>

#include "tools/store/run_source.h"
#include "tools/store/slot_stores.h"

namespace cairn::tools {

/// All runs of all slots, also of those that appear later. A run keeps the name under which the watch showed it first.
/// A slot that cannot be read any more is named on stderr and left out; if none is left the watch ends. `stores`
/// outlives the watch.
Result<std::unique_ptr<RunWatch>> watch_slots(SlotStores& stores, const WatchRequest& request);

/// One run, which is `id` in its slot and `shown` to the user.
Result<std::unique_ptr<RunWatch>> watch_run_of_slot(SlotStores::Slot& slot, const std::string& id,
                                                    const std::string& shown, const WatchRequest& request);

}  // namespace cairn::tools
