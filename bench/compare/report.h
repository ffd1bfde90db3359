// From the results of all cases to tables, JSON and the data of charts.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace cairn::bench {

/// The median, lowest and highest of each figure over the repetitions of one case.
nlohmann::json summary(const std::vector<nlohmann::json>& repetitions);

/// Markdown: a table for each workload, the fastest first, and what the proofs found.
std::string tables(const nlohmann::json& results);

/// Writes results.json, tables.md and, for each workload, NAME.dat (engine, updates per second) into `directory`.
void write_report(const nlohmann::json& results, const std::string& directory);

}  // namespace cairn::bench
