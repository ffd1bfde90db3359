// What a sync came to, for people and scripts.
#pragma once

#include <string>

#include "engine/store/store.h"
#include "engine/store/upstream.h"
#include "tools/output/exit_code.h"
#include "tools/output/globals.h"
#include "tools/sync/carrier.h"

namespace cairn::tools {

/// `url` without user, password and query.
std::string without_secrets(const std::string& url);

/// How a command ends that sent so far.
Exit exit_of_sync(const engine::Upstream::State& state, const DriveResult& driven);

/// `carrier` may be null. `slot`: of a directory of slots which one it is; "": it is a store of its own.
void print_sync_report(const Globals& globals, const engine::Upstream::State& state, const DriveResult& driven,
                       const Carrier* carrier, bool dry_run, bool stopped, const std::string& slot = {});

}  // namespace cairn::tools
