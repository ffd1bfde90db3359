// Classifies failed requests for the caller.
#pragma once

#include <curl/curl.h>

#include <string_view>

#include "api/http_client/reply.h"

namespace cairn::http_client {

/// `text` is libcurl's; by it a handshake that was cut off is told from one that was refused: both have the same code.
Failure failure_of(CURLcode code, std::string_view text);

}  // namespace cairn::http_client
