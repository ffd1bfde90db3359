// Rows as text.
#pragma once

#include <string>

#include "bench/serve/measures.h"

namespace cairn::bench {

/// A number for people: 20,184 or 3.51.
std::string number_text(double value);
/// "MEDIAN (LOWEST to HIGHEST)"
std::string spread_text(const std::vector<double>& values);

/// "22.1 us of CPU each", of so many requests.
std::string cpu_text(double cpu_s, size_t requests);

/// The head of the table in Markdown, and a line of it.
std::string table_head();
std::string table_line(const Row& row);
nlohmann::json json_of(const Row& row);

}  // namespace cairn::bench
