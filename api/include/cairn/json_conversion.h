// Converts values of the caller to json and back: the part of value.h that needs all of nlohmann/json.
#ifndef CAIRN_JSON_CONVERSION_H
#define CAIRN_JSON_CONVERSION_H

#include <chrono>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "cairn/json.h"
#include "cairn/time.h"
#include "cairn/value.h"
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

/// nlohmann can convert it, and it is not a function or a pointer.
template <class T>
inline constexpr bool kIsJson = kIsJsonOf<json, T> || kIsJsonOf<nlohmann::json, T>;

template <class T>
inline constexpr bool kIsReadable =
    IsTimePoint<T>::value || IsReadableFrom<json, T>::value || IsReadableFrom<nlohmann::json, T>::value;

template <class T>
struct JsonConversion {
  static std::vector<uint8_t> to_msgpack(const T& value) {
    require_json();
    if constexpr (!kIsJson<T>) {
      return {};  // the assertion there has failed
    } else if constexpr (std::is_same_v<T, JsonToWrite<T>>) {
      return T::to_msgpack(value);
    } else {
      return JsonToWrite<T>::to_msgpack(JsonToWrite<T>(value));
    }
  }

  /// To json, whichever of nlohmann's two value types T's own functions take.
  static json to_value(const T& value) {
    require_json();
    if constexpr (!kIsJson<T>) {
      return {};  // the assertion there has failed
    } else if constexpr (std::is_same_v<JsonToWrite<T>, json>) {
      return json(value);
    } else {
      return json(nlohmann::json(value));
    }
  }

  static std::string to_text(const T& value) {
    if constexpr (std::is_same_v<T, json>) {
      return value.dump();
    } else {
      return to_value(value).dump();
    }
  }

  static cairn_status from_msgpack(const std::string& msgpack, [[maybe_unused]] const std::string& path, T& out) {
    static_assert(kIsReadable<T>,
                  "cairn: this type cannot be read from JSON. Give it a default constructor and a from_json function.");
    if constexpr (!kIsReadable<T>) {
      return CAIRN_INTERNAL;  // the assertion above has failed
    } else if constexpr (std::is_same_v<T, json> || std::is_same_v<T, nlohmann::json>) {
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

 private:
  static constexpr void require_json() {
    static_assert(
        kIsJson<T>,
        "cairn: this type is not JSON-serialisable. Give it a to_json function or NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE.");
  }
};

}  // namespace cairn::detail

#endif  // CAIRN_JSON_CONVERSION_H
