// What a sync came to, for people and scripts.
#pragma once

#include <string>

#include "engine/store.h"
#include "tools/carrier.h"
#include "tools/command_line.h"

namespace cairn::tools {

/// `url` without user, password and query.
std::string without_secrets(const std::string& url);

/// `carrier` may be null.
void print_sync_report(const Globals& globals, const engine::Store::SyncState& state, const DriveResult& driven,
                       const Carrier* carrier, bool dry_run, bool stopped);

}  // namespace cairn::tools
