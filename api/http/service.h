// What a server serves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/http/answer.h"
#include "api/http/refusal.h"
#include "api/http/request.h"

namespace cairn::http {

/// What is taken of a request.
struct Admission {
  Refusal refusal;
  std::string allow;          // of a 405: the methods that there are, for the header Allow
  size_t body_bytes_max = 0;  // a longer body is answered 413
  std::string_view route;     // a name of what answers, for Ended; lives as long as the service
  bool open = false;          // whoever asks gets it: the Authenticator is not asked
  int64_t body_ms = 30'000;   // for the body to come, else 408
};

/// Must live longer than the server, and than each Answer that it holds.
class Service {
 public:
  virtual ~Service() = default;
  /// Called for each request whose head is complete, before anything proves who sends it: `head` has neither body nor
  /// principal. Threads: the one of all connections, so it must be quick, and must not block.
  virtual Admission admit(const Request& head) = 0;
  /// Answers, or keeps `answer` and answers later from any thread. If it throws before it has answered, the client gets
  /// a 500 without the exception's text. Threads: several at once. It must return: Server::stop waits for it.
  virtual void serve(Request request, Answer answer) = 0;
  /// The server is being stopped: answers what is kept, and from now on keeps nothing. What is still kept at the end of
  /// the stop is closed before anything of a response is sent.
  virtual void let_go() noexcept {}
};

}  // namespace cairn::http
