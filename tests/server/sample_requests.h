// A request for each route that takes one, and the places of its body: what tests change to see what a route makes of it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace cairn::tests {

struct SampleRequest {
  std::string method;
  std::string pattern;  // of its route
  std::string query;    // with each parameter that the route reads
  std::string body;     // with each member that the route reads, keys that count once as "@"; empty: it reads none
  /// The path. `run` and `batch` are what there is; `name` is that of a task or a key.
  [[nodiscard]] std::string path(const std::string& run, const std::string& batch, const std::string& name = "t") const;
};

/// Of the routes of runs and the realtime routes that are served, each at least once.
const std::vector<SampleRequest>& sample_requests();

/// Where a value stands in a JSON text, or in one of several lines.
struct JsonPlace {
  size_t from = 0;
  size_t to = 0;
  size_t member_from = 0;         // of a member, where its name begins; else `from`
  std::vector<std::string> path;  // names of members, from the outermost
};
/// Of each value within the first one's braces or brackets, those of all lines. `text` is valid, its names have no escapes.
std::vector<JsonPlace> places_of(const std::string& text);

/// Values that may not fit: of each type, at the ends of numbers, too deep, too long, not UTF-8.
const std::vector<std::string>& odd_values();
/// Whether a JSON reader refuses this one of them anywhere, because it is no JSON, too deep or no number that is kept.
bool is_never_read(const std::string& odd_value);

/// Texts that a parameter of a query may have, percent-encoded.
const std::vector<std::string>& odd_parameters();

}  // namespace cairn::tests
