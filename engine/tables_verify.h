// The walk behind Tables::verify. Private to tables*.cc.
#pragma once

#include <functional>

#include "engine/tables.h"
#include "engine/tables_environment.h"

namespace cairn::engine {

Status verify_tables(Environment& environment, const std::function<void(const TableDamage&)>& report);

}  // namespace cairn::engine
