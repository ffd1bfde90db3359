// The walk behind Tables::verify. Private to tables*.cc.
#pragma once

#include "engine/tables.h"
#include "engine/tables_environment.h"
#include "wal/function_ref.h"

namespace cairn::engine {

Status verify_tables(Environment& environment, const FunctionRef<void(const TableDamage&)>& report);

}  // namespace cairn::engine
