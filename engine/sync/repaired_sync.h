// What of sync a repair keeps.
#pragma once

#include <vector>

#include "engine/hooks.h"
#include "engine/tables.h"
#include "engine/tables_salvage.h"

namespace cairn::engine::sync {

/// The repaired store has no upstream, and may be behind what an upstream has of it: attached again it first asks for
/// what is newer there. What came in before stays known: `cursors` are those of the log, `tables` has the others.
/// kVersion: a newer version wrote the state.
Result<std::vector<TablesSalvage::Kept>> repaired_sync(const TablesSalvage& tables,
                                                       const std::vector<Tables::CursorChange>& cursors,
                                                       const Hooks& hooks);

}  // namespace cairn::engine::sync
