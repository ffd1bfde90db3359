#include "api/upstream/http_exchange.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "api/http_client/endpoint.h"
#include "cairn/cairn.h"

namespace cairn::upstream {

namespace {

// engine/sync/PROTOCOL.md: answers begin with CRNV or CRND, whatever the status.
bool is_answer(std::string_view body) { return body.starts_with("CRNV") || body.starts_with("CRND"); }

int32_t failure_of(long status) {
  switch (status) {
    case 401:
    case 403:
      return CAIRN_SYNC_DENIED;
    case 413:
      return CAIRN_SYNC_TOO_LARGE;
    case 408:
    case 425:
    case 429:
      return CAIRN_SYNC_TRANSIENT;
    default:
      return status >= 500 ? CAIRN_SYNC_TRANSIENT : CAIRN_SYNC_PROTOCOL;
  }
}

// https://HOST:PORT/PREFIX -> HOST:PORT
std::string host_of(const http_client::Endpoint& endpoint) {
  const size_t begin = endpoint.base.find("://") + 3;
  return endpoint.base.substr(begin, endpoint.base.find('/', begin) - begin);
}

}  // namespace

std::string HttpExchange::text_of(long status) const {
  std::string text = "HTTP " + std::to_string(status);
  switch (status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      return text + ": what answers there names another address, which is not followed: give that one as the upstream";
    case 401:
      return text + (has_token_ ? ": the upstream does not accept the token" + token_problem()
                                : ": the upstream asks for a token, and none was given");
    case 403:
      return text + ": what answers there forbids it; a `cairn serve` never does, a proxy before it may";
    case 404:
      return text + ": what answers there has no " + kSyncPath +
             ": it is not a `cairn serve`, or the URL lacks a prefix";
    case 421:
      return text + ": the `cairn serve` there does not know the name " + host_ +
             ": start it with --host and that name (a mapped port, a tunnel)";
    default:
      break;
  }
  switch (failure_of(status)) {
    case CAIRN_SYNC_TOO_LARGE:
      return text + ": the upstream takes less at once";
    case CAIRN_SYNC_PROTOCOL:
      return text + ": what answers there is not a `cairn serve`";
    default:
      return text;
  }
}

// Says why the token in the file is not tried, for the person who has replaced the file.
std::string HttpExchange::token_problem() const {
  if (token_status_.ok()) {
    return {};
  }
  std::string text = std::string(", and none is taken from its file: ") + token_status_.what;
  if (token_status_.cause != 0) {
    text += " (" + std::generic_category().message(token_status_.cause) + ")";
  }
  std::string file = token_file_;
  std::replace_if(
      file.begin(), file.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return text + ": " + file;
}

Outcome HttpExchange::outcome_of(http_client::Reply reply) {
  Outcome outcome;
  outcome.bytes_sent = reply.bytes_sent;
  outcome.bytes_received = reply.bytes_received;
  outcome.retry_after_ms = std::max<int64_t>(reply.retry_after_ms, 0);
  if (reply.answered() && is_answer(reply.body)) {
    outcome.answer = std::move(reply.body);
  } else if (reply.answered()) {
    outcome.failure = failure_of(reply.http_status);
    denied_status_ = outcome.failure == CAIRN_SYNC_DENIED ? reply.http_status : denied_status_;
    outcome.text = text_of(reply.http_status);
    outcome.lasts = outcome.failure == CAIRN_SYNC_DENIED || outcome.failure == CAIRN_SYNC_PROTOCOL;
  } else {
    outcome.failure = reply.failure == http_client::Failure::kProtocol ? CAIRN_SYNC_PROTOCOL : CAIRN_SYNC_TRANSIENT;
    outcome.text = std::move(reply.error);
    outcome.lasts = reply.failure != http_client::Failure::kTransient;
  }
  return outcome;
}

Result<std::unique_ptr<HttpExchange>> HttpExchange::open(http_client::Options options, std::string token_file) {
  const auto endpoint = http_client::parse_endpoint(options.url, true);
  const bool has_token = !options.token.empty();
  auto client = http_client::Client::open(std::move(options));
  CAIRN_TRY(client.status());
  return std::unique_ptr<HttpExchange>(
      new HttpExchange(std::move(*client), std::move(token_file), host_of(*endpoint), has_token));
}

Result<std::unique_ptr<HttpExchange>> HttpExchange::open(const Address& address) {
  http_client::Options options;
  options.url = address.url;
  options.ca_file = address.ca_file;
  options.timeout_ms = address.timeout_ms;
  options.connect_timeout_ms = std::min(options.connect_timeout_ms, options.timeout_ms);
  if (!address.token_file.empty() || !address.token_environment.empty()) {
    auto token = address.token_file.empty() ? Secret::from_environment(address.token_environment)
                                            : Secret::from_file(address.token_file);
    CAIRN_TRY(token.status());
    options.token = std::move(*token);
  }
  return open(std::move(options), address.token_file);
}

bool HttpExchange::renew_token() {
  if (token_file_.empty()) {
    return false;
  }
  auto token = Secret::from_file(token_file_);
  token_status_ = token.status();
  return token.ok() && client_->set_token(std::move(*token));
}

Status HttpExchange::send(std::string_view message) {
  return client_->send("POST", kSyncPath, message, kSyncContentType);
}

std::optional<Outcome> HttpExchange::poll(int64_t wait_ms) {
  std::optional<http_client::Reply> reply = client_->poll(wait_ms);
  if (!reply) {
    return std::nullopt;
  }
  return outcome_of(std::move(*reply));
}

}  // namespace cairn::upstream
