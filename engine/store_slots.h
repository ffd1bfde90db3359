// Slots: several stores under one directory, so that each process of a host has one of its own.
//
// Invariants:
// - a slot is a store in slot-000 to slot-255. Nothing else is kept: its LOCK says whether it is free, its files say
//   which runs it holds, so a killed process leaves nothing to mend, and processes that open at once need no other
//   lock;
// - a slot is never removed, so its number means the same store for ever.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/store.h"

namespace cairn::engine {

inline constexpr uint32_t kSlotsMax = 256;

/// "slot-007".
std::string slot_name(uint32_t number);

/// The numbers of the slots in `directory` that are there, ascending. kNotAStore: no such directory. kIo.
Result<std::vector<uint32_t>> list_slots(const std::string& directory);

/// Opens a slot of `options.directory`, which is made if it is absent: the lowest that holds `run` (if it is not ""),
/// else the lowest that has no owner, else a new one. A free slot that is damaged or of a newer version is left out
/// with a warning.
/// Errors: kBusy (the run's slot has an owner, error_detail() says whom; or all slots have, and there are kSlotsMax),
/// kNotAStore (options.create is false and there is none), kInvalidArgument (no run id; hooks.files, which are of one
/// store's directory; a directory that is a store itself). With `run` a slot that cannot be read is an error, if none
/// of the others holds the run: it may be in there. Else those of Store::open.
Result<std::unique_ptr<Store>> open_slot(StoreOptions options, std::string_view run);

}  // namespace cairn::engine
