// Directories of slots: what is one.
#pragma once

#include <string>

namespace cairn::tools {

/// There is a store in this directory. True also if it cannot be looked at.
bool is_store(const std::string& directory);

/// It is no store itself, and slots are in it.
bool is_directory_of_slots(const std::string& directory);

}  // namespace cairn::tools
