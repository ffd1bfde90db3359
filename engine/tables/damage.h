// One fault that a check of the tables found in an entry.
#pragma once

#include <string>

namespace cairn::engine {

struct TableDamage {
  std::string table;
  std::string key;
  std::string what;
};

}  // namespace cairn::engine
