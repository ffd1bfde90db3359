#include "api/server/shape_request.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <map>
#include <vector>

#include "api/server/query.h"
#include "api/server/times.h"

namespace cairn::server {

namespace {

constexpr size_t kHandleBytesMax = 512;
constexpr std::optional<int64_t> kDefaultBoundUs = 86'400'000'000;
constexpr size_t kHashDigits = 16;
constexpr char kRestMark = '~';

using Query = std::map<std::string, std::string, std::less<>>;

std::string read_parameters(std::string_view text, Query& out) {
  auto pairs = read_query(text);
  if (!pairs) {
    return "the query has a % that two hexadecimal digits do not follow, or bytes that are not UTF-8";
  }
  for (auto& [name, value] : *pairs) {
    if (!out.emplace(name, std::move(value)).second) {
      return name + ": is there twice";
    }
  }
  return "";
}

template <class Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  return failed == std::errc() && end == text.data() + text.size() && !text.starts_with('-');
}

std::string read_offset(const std::string& text, std::optional<uint64_t>& out) {
  if (text == "-1") {
    return "";
  }
  const size_t mark = text.find('_');
  uint64_t number = 0;
  uint64_t second = 0;
  if (mark == std::string::npos || !read_number(std::string_view(text).substr(0, mark), number) ||
      !read_number(std::string_view(text).substr(mark + 1), second)) {
    return "offset: must be -1, or an electric-offset of this server";
  }
  out = number;
  return "";
}

std::string read_tags(const std::string& text, std::vector<std::string>& out) {
  out = split_list(text);
  const auto commas = static_cast<size_t>(std::count(text.begin(), text.end(), ','));
  const bool plain = std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '"' || c == '\\';
  });
  if (out.size() != commas + 1 || !plain) {
    return "tags: a tag must not be empty, nor have control characters, quotes or backslashes";
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return "";
}

/// Each is null if it is not there.
std::string read_set(const std::string* tags, const std::string* created, int64_t now_us, Shape& out) {
  if (tags != nullptr) {
    if (std::string wrong = read_tags(*tags, out.tags); !wrong.empty()) {
      return wrong;
    }
  }
  const auto bound_us = created == nullptr ? kDefaultBoundUs : parse_duration_us(*created);
  if (!bound_us) {
    return "createdAt: must be a duration such as \"30m\", \"24h\" or \"7d\"";
  }
  out.created_from_us = std::max<int64_t>((now_us - *bound_us) / 1000, 0) * 1000;
  return "";
}

/// Of what is asked for: another one is other rows, or other columns.
std::string hash_of(const Shape& shape, ColumnSet columns) {
  std::string text = std::to_string(static_cast<int>(shape.kind)) + " " + std::to_string(columns);
  const auto add = [&text](const std::string& part) { text += " " + std::to_string(part.size()) + " " + part; };
  add(shape.id);
  std::for_each(shape.tags.begin(), shape.tags.end(), add);
  std::array<char, kHashDigits + 1> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return digits.data();
}

/// Cuts "-TEXT" off the end of `handle`; none: there is no "-".
std::optional<std::string_view> cut_last(std::string_view& handle) {
  const size_t at = handle.rfind('-');
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view out = handle.substr(at + 1);
  handle = handle.substr(0, at);
  return out;
}

/// Sets what the handle says, if it is one of these rows.
void read_handle(std::string_view store, const std::string& hash, ShapeRequest& out) {
  const size_t whole = out.shape.kind == Shape::Kind::kRun ? std::string::npos : out.handle.find(kRestMark);
  std::string_view head = std::string_view(out.handle).substr(0, whole);
  uint64_t number = 0;
  std::optional<std::string_view> last = cut_last(head);
  if (out.shape.kind == Shape::Kind::kRun) {
    if (last && *last != hash && read_number(*last, number)) {
      last = cut_last(head);
    }
    if (last == hash && head.starts_with(store) && head.substr(store.size()).starts_with('-')) {
      out.feed = head.substr(store.size() + 1);
    }
    return;
  }
  int64_t from_ms = 0;
  if (!last || !read_number(*last, number) || cut_last(head) != hash) {
    return;
  }
  last = cut_last(head);
  if (last && read_number(*last, from_ms) && from_ms <= INT64_MAX / 1000) {
    out.shape.created_from_us = from_ms * 1000;
    out.feed = head;
    out.rest = whole == std::string::npos || !out.offset ? "" : out.handle.substr(whole + 1);
  }
}

}  // namespace

std::string read_shape_request(std::string_view query, std::string_view store, int64_t now_us, ShapeRequest& out) {
  Query given;
  if (std::string wrong = read_parameters(query, given); !wrong.empty()) {
    return wrong;
  }
  const auto take = [&given](std::string_view name) -> const std::string* {
    const auto found = given.find(name);
    return found == given.end() ? nullptr : &found->second;
  };
  if (const std::string* log = take("log"); log != nullptr && *log != "full") {
    return "log: must be \"full\"";
  }
  const std::string* offset = take("offset");
  if (offset == nullptr) {
    return "offset: is missing";
  }
  if (std::string wrong = read_offset(*offset, out.offset); !wrong.empty()) {
    return wrong;
  }
  if (const std::string* live = take("live"); live != nullptr) {
    if (*live != "true" && *live != "false") {
      return "live: must be \"true\" or \"false\"";
    }
    out.live = *live == "true";
  }
  if (const std::string* handle = take("handle"); handle != nullptr) {
    out.handle = *handle;
  }
  if (out.handle.size() > kHandleBytesMax) {
    return "handle: is longer than any of this server";
  }
  if (out.handle.empty() && out.offset) {
    return "handle: is missing; only offset=-1 goes without one";
  }
  if (out.live && !out.offset) {
    return "live: goes only with an offset that this server gave";
  }
  int64_t cursor_ms = 0;
  if (const std::string* cursor = take("cursor"); cursor != nullptr && read_number(*cursor, cursor_ms)) {
    out.cursor_ms = cursor_ms;
  }
  if (const std::string* names = take("skipColumns"); names != nullptr) {
    for (const std::string& name : split_list(*names)) {
      out.columns = leave_out(out.columns, name);
    }
  }
  if (out.shape.kind == Shape::Kind::kTags) {
    if (std::string wrong = read_set(take("tags"), take("createdAt"), now_us, out.shape); !wrong.empty()) {
      return wrong;
    }
  }
  read_handle(store, hash_of(out.shape, out.columns), out);
  return "";
}

std::string make_handle(const ShapeRequest& request, std::string_view store, const Position& at, bool anew) {
  const std::string hash = hash_of(request.shape, request.columns);
  std::string out;
  if (request.shape.kind == Shape::Kind::kRun) {
    out = std::string(store) + "-" + at.feed + "-" + hash;
    if (!anew || request.feed != at.feed) {
      return out;
    }
    // The run was set back: its life is the same, and what the client has is not.
  } else {
    out = at.feed + "-" + std::to_string(request.shape.created_from_us / 1000) + "-" + hash;
  }
  const std::string born = out + "-" + std::to_string(at.number);
  return anew && born == request.handle ? out + "-" + std::to_string(at.number + 1) : born;
}

std::string with_rest(std::string_view handle, const std::string& rest) {
  std::string out(handle.substr(0, handle.find(kRestMark)));
  return rest.empty() ? out : out + kRestMark + rest;
}

std::string offset_text(uint64_t number) { return std::to_string(number) + "_0"; }

}  // namespace cairn::server
