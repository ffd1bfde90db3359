// The bytes of a response's head.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "api/http/options.h"
#include "api/http/refusal.h"
#include "api/http/request.h"

namespace cairn::http {

struct Framing {
  bool keep_alive = false;
  unsigned version = 11;  // of the request
  enum class Body : uint8_t { kWhole, kChunked, kUntilClose };
  Body body = Body::kWhole;
  std::string_view page = {};  // the origin of another site's page that may read the response; "": none
};

/// False: a header, a status or a content type of the handler cannot be sent: it is malformed, would split the
///        response,
/// or only the listener may set it (Content-Length, Transfer-Encoding, Connection, Date).
bool is_sendable(const Response& response);

/// Status line to empty line, for a response that is_sendable(). `now`: for Date.
std::string response_head(const Response& response, const Framing& framing, const Cors& cors, std::time_t now);

/// The answer to a preflight of an allowed page, which asks for `headers`.
Response preflight_response(const Cors& cors, std::string_view headers);

Response response_to(const Refusal& refusal);

/// True if a response of this status never has a body.
bool has_no_body(unsigned status);

}  // namespace cairn::http
