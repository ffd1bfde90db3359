// Writes C++ values to a run's metadata and reads them. Numbers, bools and strings are passed directly; everything else
// is converted by nlohmann::ordered_json, as msgpack, which keeps integers and doubles apart.
#ifndef CAIRN_VALUE_H
#define CAIRN_VALUE_H

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "cairn/json.h"
#include "cairn/time.h"
#if defined(__cpp_exceptions)
#include "cairn/conversion.h"
#endif

// Time points inside other values. Define CAIRN_NO_TIME_POINT_JSON if your program has a conversion of its own.
#ifndef CAIRN_NO_TIME_POINT_JSON
namespace nlohmann {
template <class Duration>
struct adl_serializer<std::chrono::time_point<std::chrono::system_clock, Duration>> {
  using Point = std::chrono::time_point<std::chrono::system_clock, Duration>;
  template <class Json>
  static void to_json(Json& j, const Point& at) {
    j = cairn::to_iso8601(at);
  }
#if defined(__cpp_exceptions)
  template <class Json>
  static void from_json(const Json& j, Point& at) {
    const auto found = cairn::from_iso8601<Duration>(j.template get_ref<const std::string&>());
    if (!found) {
      throw cairn::detail::NotATime();
    }
    at = *found;
  }
#endif
};
}  // namespace nlohmann
#endif

namespace cairn::detail {

template <class T>
struct IsTimePoint : std::false_type {};
template <class D>
struct IsTimePoint<std::chrono::time_point<std::chrono::system_clock, D>> : std::true_type {};

template <class T>
inline constexpr bool kIsText = std::is_convertible_v<const T&, std::string_view> && !std::is_same_v<T, std::nullptr_t>;

/// nlohmann can convert it, and it is not a function or a pointer.
template <class T>
inline constexpr bool kIsJson = kIsJsonOf<json, T> || kIsJsonOf<nlohmann::json, T>;

template <class T>
inline constexpr bool kIsReadable =
    IsTimePoint<T>::value || IsReadableFrom<json, T>::value || IsReadableFrom<nlohmann::json, T>::value;

template <class T>
std::vector<uint8_t> to_msgpack(const T& value) {
  using Json = JsonToWrite<T>;
  if constexpr (std::is_same_v<T, Json>) {
    return Json::to_msgpack(value);
  } else {
    return Json::to_msgpack(Json(value));
  }
}

/// Converts to json, whichever of nlohmann's two value types T's own functions take.
template <class T>
json to_json_value(const T& value) {
  static_assert(
      kIsJson<T>,
      "cairn: this type is not JSON-serialisable. Give it a to_json function or NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE.");
  if constexpr (std::is_same_v<JsonToWrite<T>, json>) {
    return json(value);
  } else {
    return json(nlohmann::json(value));
  }
}

template <class T>
inline constexpr bool kIsWritable =
    std::is_arithmetic_v<T> || std::is_null_pointer_v<T> || kIsText<T> || IsTimePoint<T>::value || kIsJson<T>;

/// Passes `value` to the function of `to` that fits: boolean, int64, uint64, real, null, text, or msgpack.
template <class T, class To>
cairn_status write(const T& value, To&& to) {
  static_assert(
      kIsWritable<T>,
      "cairn: this type is not JSON-serialisable. Give it a to_json function or NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE.");
  if constexpr (std::is_same_v<T, bool>) {
    return to.boolean(value);
  } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
    return to.int64(static_cast<int64_t>(value));
  } else if constexpr (std::is_integral_v<T>) {
    return to.uint64(static_cast<uint64_t>(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    return to.real(static_cast<double>(value));
  } else if constexpr (std::is_null_pointer_v<T>) {
    return to.null();
  } else if constexpr (IsTimePoint<T>::value) {
    return to.text(to_iso8601(value));
  } else if constexpr (kIsText<T>) {
    return to.text(std::string_view(value));
  } else if constexpr (kIsWritable<T>) {
    return to.msgpack(to_msgpack(value));
  } else {
    return CAIRN_INTERNAL;  // the assertion above has failed
  }
}

/// Reads text or bytes of any length by call(buffer, capacity, &needed).
template <class Call>
cairn_status read_bytes(std::string& out, Call&& call) {
  char few[512];
  size_t needed = 0;
  cairn_status s = call(few, sizeof few, &needed);
  if (s == CAIRN_OK) {
    out.assign(few, needed);
    return s;
  }
  while (s == CAIRN_TOO_LARGE) {  // again, if it grew meanwhile
    out.resize(needed);
    s = call(out.data(), out.size(), &needed);
  }
  if (s == CAIRN_OK) {
    out.resize(needed);
  }
  return s;
}

/// Converts the msgpack of the value at `path`; "" is the whole metadata.
template <class T>
cairn_status from_msgpack(const std::string& msgpack, [[maybe_unused]] const std::string& path, T& out) {
  if constexpr (std::is_same_v<T, json> || std::is_same_v<T, nlohmann::json>) {
    out = T::from_msgpack(msgpack);
    return CAIRN_OK;
  } else {
#if defined(__cpp_exceptions)
    return convert(msgpack, path, out);
#else
    static_assert(std::is_same_v<T, json>,
                  "cairn: without exceptions only json, numbers, bools, strings and time points can be read");
    return CAIRN_INTERNAL;  // the assertion above has failed
#endif
  }
}

/// Reads a value through the functions of `from`: boolean, int64, uint64, real, text, msgpack.
template <class T, class From>
cairn_status read(T& value, std::string_view key, From&& from) {
  static_assert(kIsReadable<T>,
                "cairn: this type cannot be read from JSON. Give it a default constructor and a from_json function.");
  if constexpr (std::is_same_v<T, bool>) {
    int32_t b = 0;
    const cairn_status s = from.boolean(&b);
    value = b != 0;
    return s;
  } else if constexpr (std::is_integral_v<T>) {
    using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
    Wide wide = 0;
    cairn_status s;
    if constexpr (std::is_signed_v<T>) {
      s = from.int64(&wide);
    } else {
      s = from.uint64(&wide);
    }
    if (s == CAIRN_OK && (wide < std::numeric_limits<T>::min() || wide > std::numeric_limits<T>::max())) {
      return set_error(Code::kTypeMismatch, std::string(key),
                       std::string(key) + ": expected an integer of " + std::to_string(sizeof(T) * 8) +
                           " bits, found " + std::to_string(wide));
    }
    value = static_cast<T>(wide);
    return s;
  } else if constexpr (std::is_floating_point_v<T>) {
    double d = 0;
    const cairn_status s = from.real(&d);
    value = static_cast<T>(d);
    return s;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return read_bytes(
        value, [&](char* buffer, size_t capacity, size_t* needed) { return from.text(buffer, capacity, needed); });
  } else if constexpr (IsTimePoint<T>::value) {
    std::string text;
    const cairn_status s = read_bytes(
        text, [&](char* buffer, size_t capacity, size_t* needed) { return from.text(buffer, capacity, needed); });
    if (s != CAIRN_OK) {
      return s;
    }
    const std::optional<T> at = from_iso8601<typename T::duration>(text);
    if (!at) {
      return set_error(Code::kTypeMismatch, std::string(key),
                       std::string(key) + ": expected a time such as 2026-11-23T10:00:00.000Z, found \"" + text + "\"");
    }
    value = *at;
    return s;
  } else if constexpr (kIsReadable<T>) {
    std::string bytes;
    const cairn_status s = read_bytes(
        bytes, [&](char* buffer, size_t capacity, size_t* needed) { return from.msgpack(buffer, capacity, needed); });
    return s == CAIRN_OK ? from_msgpack(bytes, std::string(key), value) : s;
  } else {
    return CAIRN_INTERNAL;  // the assertion above has failed
  }
}

}  // namespace cairn::detail

#endif  // CAIRN_VALUE_H
