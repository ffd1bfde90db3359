// A store that a live process has open: it sends by itself, and `cairn sync` only says how far it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/output/exit_code.h"
#include "tools/output/globals.h"

namespace cairn::tools {

/// If a live process owns the store in `directory` and sends to an upstream: says so, and how `cairn sync` ends, by what
/// waits. `slot`: of a directory of slots which one it is; "": it is a store of its own. Nothing: it must be sent from
/// here, or the owner has no upstream.
std::optional<Exit> report_live_owner(const Globals& globals, const std::string& directory, const std::string& slot);

/// If a relay runs for these `slots` of a directory: says how far it is, and what of theirs is not with it yet, and how
/// `cairn sync` ends. Nothing: there is none.
std::optional<Exit> report_relay(const Globals& globals, const std::string& slots,
                                 const std::vector<uint32_t>& numbers);

}  // namespace cairn::tools
