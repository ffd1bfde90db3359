// Payloads and outputs as requests give them.
#pragma once

#include <string>
#include <string_view>

#include "api/server/run_storage.h"
#include "engine/json/value.h"

namespace cairn::server {

/// Its members are those of JSON: what clients parse.
bool is_json_type(std::string_view type);

/// Why the text is not of its type; "": it is, as far as is known here. What a client cannot parse would end its
/// subscription, and with it the other runs of that.
std::string why_not_of_type(const TypedText& typed);

/// As JSON: what the text stands for. One that is not of its type is a string.
engine::Value decode_typed(const TypedText& typed);

}  // namespace cairn::server
