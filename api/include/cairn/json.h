// The dynamic value, and which of nlohmann's two value types (json, ordered_json) a type of the caller converts to.
#ifndef CAIRN_JSON_H
#define CAIRN_JSON_H

#if defined(__has_include)
#if __has_include(<nlohmann/json.hpp>)  // json_fwd.h says so if it is missing
#include <nlohmann/json.hpp>
#endif
#endif

#include <type_traits>
#include <utility>

#include "cairn/json_fwd.h"

namespace cairn::detail {

/// Which of nlohmann's two value types T's own functions take. NLOHMANN_DEFINE_TYPE_* of nlohmann 3.11 writes them for
/// nlohmann::json only.
template <class Json, class T, class = void>
struct IsReadableFrom : std::false_type {};
template <class Json, class T>
struct IsReadableFrom<Json, T, std::void_t<decltype(std::declval<const Json&>().template get<T>())>> : std::true_type {
};
template <class Json, class T>
inline constexpr bool kIsJsonOf = std::is_constructible_v<Json, const T&> && !std::is_pointer_v<std::decay_t<T>>;

template <class T>
using JsonToRead = std::conditional_t<IsReadableFrom<json, T>::value, json, nlohmann::json>;
template <class T>
using JsonToWrite = std::conditional_t<kIsJsonOf<json, T>, json, nlohmann::json>;

}  // namespace cairn::detail

#endif  // CAIRN_JSON_H
