// A `cairn serve` as the commands reach it: one request after the other, and what went wrong in words.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/json/value.h"
#include "tools/output/globals.h"

namespace cairn::http_client {
class Client;
struct Reply;
}  // namespace cairn::http_client

namespace cairn::tools {

/// Whether --store names a server: http://, https:// or unix:.
bool is_server(const std::string& store);

class ServerLink {
 public:
  /// What a server said.
  struct Answer {
    long status = 0;
    engine::Object body;
    [[nodiscard]] bool is_done() const { return status >= 200 && status < 300; }
  };

  /// The server of --store, with its token: --token-file, else the file that CAIRN_TOKEN_FILE names, else CAIRN_TOKEN.
  /// Does not connect yet. Errors: as http_client::Client::open and Secret's, for report_error().
  /// `with_token`: else none is read or sent, for a server that knows its user by the socket.
  static Result<std::unique_ptr<ServerLink>> open(const Globals& globals, bool with_token = true);
  ~ServerLink();
  ServerLink(const ServerLink&) = delete;
  ServerLink& operator=(const ServerLink&) = delete;

  /// `path`: below /cairn/v1, "/runs?limit=1".
  Result<Answer> get(const std::string& path);
  /// Sends it again if the connection breaks: it has its effect once, by a key of its own.
  Result<Answer> write(const std::string& method, const std::string& path, const std::string& body);
  // Errors of both: what keeps from the server. kAgain: no connection, or it is busy; kUnsafe: the token, a certificate,
  // or what answers is no `cairn serve`; kTimeout: interrupted. What a server refuses is an Answer.

  /// Of an answer that is not is_done(): what the server said, as the engine would have said it here.
  static Status failure_of(const Answer& answer);

 private:
  ServerLink(std::unique_ptr<http_client::Client> client, std::string shown, bool has_token);
  Result<Answer> exchange(const std::string& method, const std::string& path, const std::string& body,
                          const std::string& header, bool& may_repeat);
  Result<Answer> answer_of(const http_client::Reply& reply) const;

  const std::unique_ptr<http_client::Client> client_;
  const std::string shown_;  // for people; no secret
  const bool has_token_;
};

}  // namespace cairn::tools
