// What became of an operation, as text: "applied", "unchanged", "unapplied(no such key)".
#pragma once

#include <string>

#include "engine/document/operation.h"

namespace cairn::tools {

std::string outcome_text(const engine::Outcome& outcome);

}  // namespace cairn::tools
