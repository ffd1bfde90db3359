// filter[metadata.PATH]=VALUE of a listing.
#pragma once

#include <string>

#include "engine/json/value.h"

namespace cairn::server {

/// `wanted` is a text as it stands, or a number, true, false or null as JSON. `path` is without "$.".
bool has_value(const engine::Value& document, const std::string& path, const std::string& wanted);

}  // namespace cairn::server
