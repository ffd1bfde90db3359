// The bytes of a response's head.
#pragma once

#include <ctime>
#include <string>

#include "api/http/refusal.h"
#include "api/http/server.h"

namespace cairn::http {

struct Framing {
  bool keep_alive = false;
  unsigned version = 11;  // of the request
};

/// False: a header, a status or a content type of the handler's cannot be sent: it is no such thing, would split the
/// response, or is the listener's own to set (Content-Length, Transfer-Encoding, Connection, Date).
bool is_sendable(const Response& response);

/// Status line to empty line, for a response that is_sendable(). `now`: for Date.
std::string response_head(const Response& response, Framing framing, std::time_t now);

Response response_to(const Refusal& refusal);

/// True if a response of this status has no body whatever the handler says.
bool has_no_body(unsigned status);

}  // namespace cairn::http
