// Whole-store measures, each through the C interface, each against the target of its row.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace cairn::bench {

struct Scale {
  std::string directory;
  double seconds = 6;  // of what is timed
  uint64_t updates = 10'000'000;
  uint32_t runs = 100'000;  // of the store that is opened
  uint32_t log_bytes = 64U << 20;
  int idle_stores = 500;
};

/// A row: {"name", "what", "values": {name: number}, "target": text, "met": bool or null}.
struct Measure {
  const char* name;
  const char* what;
  nlohmann::json (*run)(const Scale& scale);
};

std::vector<Measure> time_measures();
std::vector<Measure> space_measures();
std::vector<Measure> sync_measures();  // where there is an HTTP client

}  // namespace cairn::bench
