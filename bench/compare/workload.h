// What is measured of one contender: a case, run once in a process of its own.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/compare/contenders.h"

namespace cairn::bench {

struct Workload {
  std::string name;   // "W1 point", "power 64"
  std::string title;  // for people
  Survives survives = Survives::kProcess;
  Shape shape;
  int threads = 1;
  int batch = 1;          // updates of a transaction
  int reads_percent = 0;  // of all calls
};

std::vector<Workload> all_workloads();

/// Not every contender takes part everywhere: memory only and class `process` have no place among `power`.
bool takes_part(const Contender& contender, const Workload& workload);

/// Measures for `seconds` below `directory`, which is empty, then reads each run's last value back. In this process: it
/// ends with a message when something fails.
nlohmann::json measure(const Contender& contender, const Workload& workload, const std::string& directory,
                       double seconds);

}  // namespace cairn::bench
