// The query of a request: names and values, decoded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn::server {

/// In their order: "page%5Bsize%5D=10" is {"page[size]", "10"}; "+" is a blank. nullopt: a "%" without two hexadecimal
/// digits behind it, or bytes that are not UTF-8.
std::optional<std::vector<std::pair<std::string, std::string>>> read_query(std::string_view query);

/// The parts between commas that are not empty.
std::vector<std::string> split_list(std::string_view text);

}  // namespace cairn::server
