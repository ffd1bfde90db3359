// Converts a JSON value to a type of the caller, and finds where in the value that failed. nlohmann says "type must be
// number, but is string" but not at which path. JSON_DIAGNOSTICS would say it, but that is a choice for the whole
// program. So the path is found by experiment: a conversion reads fields in a fixed order and stops at the first that
// does not fit, so removing fields shows which one it read last. That is slow, and happens only after a failure.
#ifndef CAIRN_CONVERSION_H
#define CAIRN_CONVERSION_H

#if !defined(__cpp_exceptions)
#error "cairn/conversion.h needs exceptions: nlohmann throws if a value does not fit. Read cairn::json, or use cairn.h"
#endif

#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "cairn/error.h"
#include "cairn/json.h"

namespace cairn {

namespace detail {

struct NotATime : std::exception {
  [[nodiscard]] const char* what() const noexcept override { return "not a time such as 2026-11-23T10:00:00.000Z"; }
};

/// The error of converting `value`; nullopt if it works.
template <class T, class Json>
std::optional<std::string> failure_of(const Json& value) {
  try {
    (void)value.template get<T>();
    return std::nullopt;
  } catch (const std::exception& e) {
    const std::string text(e.what());
    const size_t prefix = text.find("] ");
    return text[0] == '[' && prefix != std::string::npos ? text.substr(prefix + 2) : text;
  }
}

inline std::string missing_text(const std::string& key) { return "key '" + key + "' not found"; }

/// The name in "key 'NAME' not found".
inline std::optional<std::string> missing_name(const std::string& failure) {
  constexpr size_t kBefore = 5;
  constexpr size_t kAfter = 11;
  if (failure.size() < kBefore + kAfter || failure.compare(0, kBefore, "key '") != 0) {
    return std::nullopt;
  }
  return failure.substr(kBefore, failure.size() - kBefore - kAfter);
}

/// The type in "type must be X, but is Y": Y.
inline std::string found_type(const std::string& failure) {
  for (const char* before : {"but is ", "cannot use at() with "}) {
    if (const size_t at = failure.rfind(before); at != std::string::npos) {
      return failure.substr(at + std::string_view(before).size());
    }
  }
  return {};
}

/// Searches below `at`, a place in `root`, for the value that makes the conversion fail with `failure`. Returns its
/// path, which continues `path`.
template <class T, class Json>
std::string locate(Json& root, const typename Json::json_pointer& at, const std::string& path,
                   const std::string& failure) {
  const Json here = root.at(at);
  const auto fails_as = [&](const std::string& text) { return failure_of<T>(root) == text; };
  if (here.is_object()) {
    if (const auto name = missing_name(failure); name && !here.contains(*name)) {
      root[at][*name] = nullptr;
      const bool mine = !fails_as(failure);
      root[at] = here;
      if (mine) {
        return path + "." + *name;
      }
    }
    // Find the field that was read last: if two fields are removed, the error names the one that is read first.
    std::optional<std::string> last;
    for (const auto& item : here.items()) {
      root[at] = here;
      root[at].erase(item.key());
      if (!fails_as(missing_text(item.key()))) {
        continue;  // never read, or only after the failure
      }
      if (last) {
        root[at].erase(*last);
        if (fails_as(missing_text(item.key()))) {
          continue;
        }
      }
      last = item.key();
    }
    root[at] = here;
    if (last) {
      const Json& field = here.at(*last);
      const std::string deeper = locate<T>(root, at / *last, path + "." + *last, failure);
      // If this field has the right type and nothing below it fails, it was read well: then the failure is elsewhere.
      const std::string found = found_type(failure);
      const bool plausible = deeper != path + "." + *last || found.empty() || found == field.type_name();
      return plausible ? deeper : path;
    }
  } else if (here.is_array()) {
    Json shorter = Json::array();
    for (size_t i = 0; i < here.size(); ++i) {
      shorter.push_back(here[i]);
      root[at] = shorter;
      const bool enough = fails_as(failure);
      root[at] = here;
      if (enough) {
        const std::string element = path + "." + std::to_string(i);
        return locate<T>(root, at / i, element, failure);
      }
    }
  }
  return path;
}

/// "type must be number, but is string" -> "expected number, found string".
inline std::string expectation(const std::string& failure) {
  constexpr const char* kMust = "type must be ";
  const size_t comma = failure.rfind(", but is ");
  if (failure.rfind(kMust, 0) == 0 && comma != std::string::npos) {
    return "expected " + failure.substr(13, comma - 13) + ", found " + failure.substr(comma + 9);
  }
  constexpr const char* kNoFields = "cannot use at() with ";
  if (failure.rfind(kNoFields, 0) == 0) {
    return "expected object, found " + failure.substr(21);
  }
  return missing_name(failure) ? "expected a value, found nothing" : failure;
}

/// Converts the value in `msgpack`, or reports kTypeMismatch with its path, what was expected and what was found.
/// `path` "" is the whole metadata.
template <class T>
cairn_status convert(const std::string& msgpack, const std::string& path, T& out) {
  using Json = JsonToRead<T>;
  Json value = Json::from_msgpack(msgpack);
  try {
    out = value.template get<T>();
    return CAIRN_OK;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    const std::string failure = failure_of<T>(value).value_or("the conversion failed, then worked");
    std::string where = locate<T>(value, typename Json::json_pointer(), path, failure);
    if (path.empty() && !where.empty()) {
      where.erase(0, 1);  // no dot before the first name
    }
    const std::string shown = where.empty() ? "the metadata" : where;
    return set_error(Code::kTypeMismatch, where, shown + ": " + expectation(failure));
  }
}

}  // namespace detail
}  // namespace cairn

#endif  // CAIRN_CONVERSION_H
