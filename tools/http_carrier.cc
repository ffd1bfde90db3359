// Messages go to a `cairn serve` by HTTP.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "api/upstream/http_exchange.h"
#include "engine/error_detail.h"
#include "tools/carrier.h"
#include "tools/interrupt.h"

namespace cairn::tools {

namespace {

using engine::sync::Failure;

constexpr const char* kTokenVariable = "CAIRN_TOKEN";

class HttpCarrier final : public Carrier {
 public:
  explicit HttpCarrier(std::unique_ptr<upstream::HttpExchange> exchange) : exchange_(std::move(exchange)) {}

  Status carry(engine::Store& store, const std::string& message, int64_t until_ms, Went& went) override {
    CAIRN_TRY(exchange_->send(message));
    std::optional<upstream::Outcome> outcome;
    while (!outcome) {
      const int64_t left = until_ms - monotonic_ms();
      if (interrupted() || left <= 0) {
        exchange_->cancel();
        went = interrupted() ? Went::kInterrupted : Went::kFailed;
        return store.sync_failed(Failure::kTransient, "no answer in time");
      }
      outcome = exchange_->poll(std::min<int64_t>(left, 200));
    }
    bytes_sent += outcome->bytes_sent;
    bytes_received += outcome->bytes_received;
    went = outcome->answered() ? Went::kAnswered : Went::kFailed;
    return outcome->answered()
               ? store.sync_feed(outcome->answer)
               : store.sync_failed(static_cast<Failure>(outcome->failure), outcome->text, outcome->retry_after_ms);
  }

 private:
  std::unique_ptr<upstream::HttpExchange> exchange_;
};

}  // namespace

Result<std::unique_ptr<Carrier>> make_http_carrier(const HttpUpstream& upstream) {
  http_client::Options options;
  options.url = upstream.url;
  options.ca_file = upstream.ca_file;
  options.timeout_ms = upstream.timeout_ms;
  if (!upstream.token_file.empty()) {
    auto token = http_client::Secret::from_file(upstream.token_file);
    if (!token.ok()) {
      return engine::fail(token.status(), token.status().what, upstream.token_file);
    }
    options.token = std::move(*token);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): only a setenv beside it would race, and nothing here calls it
  } else if (std::getenv(kTokenVariable) != nullptr) {
    auto token = http_client::Secret::from_environment(kTokenVariable);
    if (!token.ok()) {
      return engine::fail(token.status(), token.status().what, kTokenVariable);
    }
    options.token = std::move(*token);
  }
  auto exchange = upstream::HttpExchange::open(std::move(options));
  if (!exchange.ok()) {
    return exchange.status();
  }
  return std::unique_ptr<Carrier>(std::make_unique<HttpCarrier>(std::move(*exchange)));
}

}  // namespace cairn::tools
