// The name of the dynamic value. What it is costs most of the time that including cairn.hpp takes: see json.h.
#ifndef CAIRN_JSON_FWD_H
#define CAIRN_JSON_FWD_H

#if defined(__has_include)
#if !__has_include(<nlohmann/json.hpp>)
#error "cairn's C++ headers need nlohmann/json 3.11 (Debian: nlohmann-json3-dev); cairn/cairn.h needs nothing"
#endif
#endif

// After json.hpp the other header is not needed, and may be of another copy.
#ifndef INCLUDE_NLOHMANN_JSON_HPP_
#if __has_include(<nlohmann/json_fwd.hpp>)
#include <nlohmann/json_fwd.hpp>
#else  // nlohmann's json.hpp was copied without the other
#include <nlohmann/json.hpp>
#endif
#endif

namespace cairn {

/// The dynamic value: keeps the order of keys.
using json = nlohmann::ordered_json;

}  // namespace cairn

#endif  // CAIRN_JSON_FWD_H
