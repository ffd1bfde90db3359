// Slots: several stores under one directory, so that each process of a host has one of its own.
//
// Invariants:
// - a slot is a store in slot-000 to slot-255. There is no other state: its LOCK says whether it is free, and its files
//   which runs it holds. So a killed process leaves nothing to repair, and processes that open at the same time need no
//   other lock;
// - a slot is never removed, so its number means the same store for ever.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/store/store.h"

namespace cairn::engine {

inline constexpr uint32_t kSlotsMax = 256;

/// The store, beside the slots, of the relay that sends on what they have (`cairn sync --relay`). It is no slot.
inline constexpr const char* kRelayStore = "relay";

/// "slot-007".
std::string slot_name(uint32_t number);

/// The numbers of the slots that exist in `directory`, ascending. kNotAStore: no such directory. kIo.
Result<std::vector<uint32_t>> list_slots(const std::string& directory);

/// Opens a slot of `options.directory`, which is made if it is absent: the lowest that holds `run` (if it is not ""),
/// else the lowest that has no owner, else a new one. A free slot that is damaged or of a newer version is skipped with
/// a warning.
/// The relay of the directory opens a slot whose owner is gone for moments, to empty it. The call waits for that, at
/// most 60 s (10 s for a relay in another container), where the slot holds `run`, or no other is free or can be made.
/// Errors: kBusy (the run's slot has an owner, error_detail() says which; or all kSlotsMax slots have one), kNotAStore
/// (options.create is false and there is no slot), kInvalidArgument (a malformed run id; hooks.files, which are of one
/// store's directory; a directory that is a store itself). With `run` a slot that cannot be read is an error if no
/// other slot holds the run: it may hold it. Else those of Store::open.
Result<std::unique_ptr<Store>> open_slot(StoreOptions options, std::string_view run);

}  // namespace cairn::engine
