// Writes C++ values to a run's metadata and reads them. Numbers, bools, strings and time points are passed directly;
// everything else is converted by nlohmann::ordered_json (json_conversion.h), as msgpack, which keeps integers and
// doubles apart.
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
#include "cairn/json_fwd.h"
#include "cairn/time.h"

namespace cairn::detail {

template <class T>
struct IsTimePoint : std::false_type {};
template <class D>
struct IsTimePoint<std::chrono::time_point<std::chrono::system_clock, D>> : std::true_type {};

template <class T>
inline constexpr bool kIsText =  // not asked of json, which converts to anything, and may have no definition here
    std::conjunction_v<std::negation<std::is_same<T, json>>, std::negation<std::is_same<T, std::nullptr_t>>,
                       std::is_convertible<const T&, std::string_view>>;

/// What is written and read by calls of its own. All other types go through json.
template <class T>
inline constexpr bool kIsDirect = std::is_arithmetic_v<T> || std::is_same_v<T, std::string> || IsTimePoint<T>::value;

/// Converts a T to json and back. Defined in json_conversion.h, which cairn.hpp includes and light.hpp does not.
template <class T>
struct JsonConversion;

template <class T, class = void>
struct HasJsonConversion : std::false_type {};
template <class T>
struct HasJsonConversion<T, std::void_t<decltype(sizeof(JsonConversion<T>))>> : std::true_type {};

/// JsonConversion<T>, or the error that a file gets which includes too little for T.
struct NoConversion {};
template <class T>
struct ConversionOf {
  static_assert(HasJsonConversion<T>::value,
                "cairn: this type is not one of those that cairn/light.hpp is for: include cairn/cairn.hpp");
  using type = std::conditional_t<HasJsonConversion<T>::value, JsonConversion<T>, NoConversion>;
};

/// T as the result of a function that makes it from json, or that reads it in either way. Where T is json and not
/// defined, this is what fails: a std::optional of it would give many errors.
template <class T>
using FromJson = std::conditional_t<std::is_same_v<typename ConversionOf<T>::type, NoConversion>, NoConversion, T>;
template <class T, bool direct = kIsDirect<T>>
struct ReadableType {
  using type = FromJson<T>;
};
template <class T>
struct ReadableType<T, true> {
  using type = T;
};
template <class T>
using Readable = typename ReadableType<T>::type;

/// The msgpack of `value`.
template <class T>
std::vector<uint8_t> to_msgpack(const T& value) {
  using Conversion = typename ConversionOf<T>::type;
  if constexpr (std::is_same_v<Conversion, NoConversion>) {
    return {};  // the assertion there has failed
  } else {
    return Conversion::to_msgpack(value);
  }
}

/// The JSON text of `value`.
template <class T>
std::string to_json_text(const T& value) {
  using Conversion = typename ConversionOf<T>::type;
  if constexpr (std::is_same_v<Conversion, NoConversion>) {
    return {};  // the assertion there has failed
  } else {
    return Conversion::to_text(value);
  }
}

/// Converts the msgpack of the value at `path`; "" is the whole metadata.
template <class T>
cairn_status from_msgpack(const std::string& msgpack, const std::string& path, T& out) {
  if constexpr (std::is_same_v<T, NoConversion>) {
    return CAIRN_INTERNAL;  // an assertion has failed
  } else {
    return JsonConversion<T>::from_msgpack(msgpack, path, out);
  }
}

// The msgpack of what needs no json. A reader takes any length of a number.
inline constexpr uint8_t kMsgpackNull = 0xc0;
inline constexpr uint8_t kMsgpackFalse = 0xc2;
inline constexpr uint8_t kMsgpackTrue = 0xc3;
inline constexpr uint8_t kMsgpackDouble = 0xcb;
inline constexpr uint8_t kMsgpackUint64 = 0xcf;
inline constexpr uint8_t kMsgpackInt64 = 0xd3;
inline constexpr uint8_t kMsgpackText = 0xdb;

inline std::vector<uint8_t> msgpack_number(uint8_t type, uint64_t bits) {
  std::vector<uint8_t> bytes{type};
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<uint8_t>(bits >> shift));
  }
  return bytes;
}
inline std::vector<uint8_t> msgpack_text(std::string_view text) {
  std::vector<uint8_t> bytes{kMsgpackText};
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<uint8_t>(text.size() >> shift));
  }
  bytes.insert(bytes.end(), text.begin(), text.end());
  return bytes;
}

/// Passes `value` to the function of `to` that fits: boolean, int64, uint64, real, null, text, or msgpack.
template <class T, class To>
cairn_status write(const T& value, To&& to) {
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
  } else {
    return to.msgpack(detail::to_msgpack(value));
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

/// Reads a value through the functions of `from`: boolean, int64, uint64, real, text, msgpack.
template <class T, class From>
cairn_status read(T& value, std::string_view key, From&& from) {
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
  } else {
    std::string bytes;
    const cairn_status s = read_bytes(
        bytes, [&](char* buffer, size_t capacity, size_t* needed) { return from.msgpack(buffer, capacity, needed); });
    return s == CAIRN_OK ? detail::from_msgpack(bytes, std::string(key), value) : s;
  }
}

}  // namespace cairn::detail

#endif  // CAIRN_VALUE_H
