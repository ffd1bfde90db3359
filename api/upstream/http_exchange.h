// Sends a store's messages to a `cairn serve` over HTTP, and returns the outcome of each.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/http_client/client.h"
#include "cairn/status.h"

namespace cairn::upstream {

inline constexpr const char* kSyncPath = "/v1/sync";
inline constexpr const char* kSyncContentType = "application/vnd.cairn.sync";

struct Address {
  std::string url;
  std::string token_file;
  std::string token_environment;  // name of the variable; not with a token_file
  std::string ca_file;
  int64_t timeout_ms = 30'000;
};

/// The outcome of a message, for the store: `answer` for cairn_sync_feed, else the rest for cairn_sync_failed.
struct Outcome {
  std::string answer;   // empty: no answer
  int32_t failure = 0;  // CAIRN_SYNC_*
  std::string text;     // for people; no token
  bool lasts = false;   // it fails again until the token, a certificate or the address is changed
  int64_t retry_after_ms = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;

  [[nodiscard]] bool answered() const { return !answer.empty(); }
};

/// Threads: any, one at a time.
class HttpExchange {
 public:
  /// Does not connect yet. `token_file`: only for renew_token. Errors: as http_client::Client::open.
  static Result<std::unique_ptr<HttpExchange>> open(http_client::Options options, std::string token_file = {});
  /// The same, and reads the token. Errors: also as Secret::from_file, Secret::from_environment.
  static Result<std::unique_ptr<HttpExchange>> open(const Address& address);

  /// Reads the token's file again. True: it has another token, which the next message uses. A file that is gone, or
  /// that has no valid token, changes nothing, because it may be being written; denial() says why it was not used.
  /// Cost: reading a small file; nothing without one.
  bool renew_token();
  /// Why the last message was denied, as Outcome::text, with what the last renew_token found.
  [[nodiscard]] std::string denial() const { return text_of(denied_status_); }

  /// Errors: as http_client::Client::send. Lifetime: copies the message.
  Status send(std::string_view message);
  [[nodiscard]] bool busy() const { return client_->busy(); }
  /// Waits at most wait_ms for the outcome of the message; 0 never waits.
  std::optional<Outcome> poll(int64_t wait_ms);
  /// Forgets the message in flight; it may have arrived.
  void cancel() { client_->cancel(); }

 private:
  HttpExchange(std::unique_ptr<http_client::Client> client, std::string token_file, std::string host, bool has_token)
      : client_(std::move(client)), token_file_(std::move(token_file)), host_(std::move(host)), has_token_(has_token) {}
  [[nodiscard]] Outcome outcome_of(http_client::Reply reply);
  [[nodiscard]] std::string text_of(long status) const;
  [[nodiscard]] std::string token_problem() const;

  std::unique_ptr<http_client::Client> client_;
  const std::string token_file_;
  const std::string host_;  // HOST[:PORT] of the URL, as in the Host header of requests
  const bool has_token_;
  Status token_status_;  // of the last renew_token
  long denied_status_ = 401;
};

}  // namespace cairn::upstream
