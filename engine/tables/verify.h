// The implementation of Tables::verify. Private to this folder.
#pragma once

#include "engine/tables/damage.h"
#include "engine/tables/environment.h"
#include "wal/function_ref.h"

namespace cairn::engine {

Status verify_tables(Environment& environment, const FunctionRef<void(const TableDamage&)>& report);

}  // namespace cairn::engine
