// What a repair keeps of the tables of sync.
#pragma once

#include <vector>

#include "engine/base/hooks.h"
#include "engine/salvage/tables_salvage.h"
#include "engine/tables/tables.h"

namespace cairn::engine::sync {

/// The repaired store has no upstream, and may be older than what an upstream has of it: when it is attached again, it
/// first asks for what is newer there. The cursors of received streams are kept: `cursors` are those of the log,
/// `tables` has the others. kVersion: a newer version wrote the state.
Result<std::vector<TablesSalvage::Kept>> repaired_sync(const TablesSalvage& tables,
                                                       const std::vector<Tables::CursorChange>& cursors,
                                                       const Hooks& hooks);

}  // namespace cairn::engine::sync
