// What a failed request means for the one who sent it.
#pragma once

#include <curl/curl.h>

#include <string_view>

#include "api/http_client/reply.h"

namespace cairn::http_client {

/// `text` is libcurl's own; it tells a handshake that was cut off from one that was refused, which have one code.
Failure failure_of(CURLcode code, std::string_view text);

}  // namespace cairn::http_client
