#include "engine/document/path.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <limits>
#include <utility>

#include "engine/json/json.h"

namespace cairn::engine {
namespace {

constexpr Status kRefused{Code::kKeyRefused, "a path must not lead through __proto__, constructor or prototype"};

/// Names that Trigger.dev's server refuses, also between brackets, quotes and backslashes: `$.a[constructor]`.
bool names_a_prototype(std::string_view segment) {
  constexpr std::string_view kBorders = "[]'\"\\.";
  for (size_t at = 0; at < segment.size();) {
    const size_t end = std::min(segment.find_first_of(kBorders, at), segment.size());
    const std::string_view name = segment.substr(at, end - at);
    if (name == kProtoKey || name == "constructor" || name == "prototype") {
      return true;
    }
    at = end + 1;
  }
  return false;
}

/// The next segment from `at` on as it is written, with its escapes; false at the end. Empty ones are skipped.
bool next_segment(std::string_view key, size_t& at, std::string_view& segment) {
  while (at < key.size() && key[at] == '.') {
    ++at;
  }
  const size_t begin = at;
  while (at < key.size() && key[at] != '.') {
    at += key[at] == '\\' && at + 1 < key.size() ? 2 : 1;
  }
  segment = key.substr(begin, at - begin);
  return !segment.empty();
}

std::string unescaped(std::string_view segment) {
  std::string name;
  name.reserve(segment.size());
  for (size_t at = 0; at < segment.size(); ++at) {
    if (segment[at] == '\\' && at + 1 < segment.size() && (segment[at + 1] == '.' || segment[at + 1] == '\\')) {
      ++at;
    }
    name += segment[at];
  }
  return name;
}

/// -?[0-9]+, held within int64.
bool parse_bound(std::string_view text, int64_t& bound) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, bound);
  if (result.ec == std::errc::invalid_argument || result.ptr != end) {
    return false;
  }
  if (result.ec == std::errc::result_out_of_range) {
    bound = text[0] == '-' ? -std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::max();
  }
  return true;
}

bool parse_slice(std::string_view text, Segment& segment) {
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') {
    return false;
  }
  const std::string_view inner = text.substr(1, text.size() - 2);
  const size_t colon = inner.find(':');
  if (colon == std::string_view::npos) {
    return false;
  }
  const std::string_view begin = inner.substr(0, colon);
  const std::string_view end = inner.substr(colon + 1);
  if ((!begin.empty() && !parse_bound(begin, segment.begin)) || (!end.empty() && !parse_bound(end, segment.end))) {
    return false;
  }
  segment.has_begin = !begin.empty();
  segment.has_end = !end.empty();
  segment.kind = Segment::Kind::kSlice;
  return true;
}

Segment segment_of(std::string_view text) {
  Segment segment;
  if (text == "*") {
    segment.kind = Segment::Kind::kAll;
  } else if (!parse_slice(text, segment)) {
    segment = Segment();
    segment.name = unescaped(text);
  }
  return segment;
}

using Segments = std::vector<Segment>;

}  // namespace

Status check_path(std::string_view key) {
  assert(is_path(key));
  size_t at = 2;
  std::string_view segment;
  while (next_segment(key, at, segment)) {
    if (names_a_prototype(segment)) {
      return kRefused;
    }
  }
  return {};
}

Result<Segments> parse_path(std::string_view key) {
  assert(is_path(key));
  Segments segments;
  size_t at = 2;
  std::string_view segment;
  while (next_segment(key, at, segment)) {
    if (names_a_prototype(segment)) {
      return kRefused;
    }
    segments.push_back(segment_of(segment));
  }
  return segments;
}

std::string wire_key(std::string_view name) {
  if (!is_path(name)) {
    return std::string(name);
  }
  std::string path = "$.";
  for (const char c : name) {
    if (c == '.' || c == '\\') {
      path += '\\';
    }
    path += c;
  }
  return path;
}

}  // namespace cairn::engine
