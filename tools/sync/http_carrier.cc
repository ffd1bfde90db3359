// Messages go to a `cairn serve` by HTTP.
#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "api/secret/secret_file.h"
#include "api/upstream/http_exchange.h"
#include "engine/base/error_detail.h"
#include "engine/store/upstream.h"
#include "tools/process/interrupt.h"
#include "tools/sync/carrier.h"

namespace cairn::tools {

namespace {

using engine::sync::Failure;

constexpr const char* kTokenVariable = "CAIRN_TOKEN";

/// What an error of opening is about, for people; never the address, which may be what was wrong.
std::string subject_of(std::string_view error, const upstream::Address& address) {
  if (error.find("CA certificates") != std::string_view::npos) {
    return address.ca_file;
  }
  if (error.find("token") == std::string_view::npos || error.find("URL") != std::string_view::npos) {
    return {};
  }
  return address.token_file.empty() ? address.token_environment : address.token_file;
}

class HttpCarrier final : public Carrier {
 public:
  explicit HttpCarrier(std::unique_ptr<upstream::HttpExchange> exchange) : exchange_(std::move(exchange)) {}

  Status carry(engine::Store& store, const std::string& message, int64_t until_ms, Went& went) override {
    std::optional<upstream::Outcome> outcome;
    CAIRN_TRY(exchange(message, until_ms, outcome));
    if (outcome && is_denied(*outcome)) {
      if (exchange_->renew_token()) {
        CAIRN_TRY(exchange(message, until_ms, outcome));
      } else {
        outcome->text = exchange_->denial();
      }
    }
    if (!outcome && interrupted()) {
      went = Went::kInterrupted;
      return {};  // nothing failed: the next process sends it again
    }
    if (!outcome) {
      went = Went::kFailed;
      return store.upstream().failed(Failure::kTransient, "no answer in time");
    }
    denied_ = is_denied(*outcome);
    failed_for_good = outcome->lasts;
    went = outcome->answered() ? Went::kAnswered : Went::kFailed;
    return outcome->answered() ? store.upstream().feed(outcome->answer)
                               : store.upstream().failed(static_cast<Failure>(outcome->failure), outcome->text,
                                                         outcome->retry_after_ms);
  }

  Status try_another_token(engine::Store& store) override {
    const int64_t now = monotonic_ms();
    if (!denied_ || now - looked_ms_ < kTokenMs) {
      return {};
    }
    looked_ms_ = now;
    denied_ = !exchange_->renew_token();
    return denied_ ? store.upstream().failed(Failure::kDenied, exchange_->denial())
                   : store.upstream().control(engine::Upstream::Control::kResume);
  }

 private:
  static constexpr int64_t kTokenMs = 1000;

  static bool is_denied(const upstream::Outcome& outcome) {
    return !outcome.answered() && outcome.failure == static_cast<int32_t>(Failure::kDenied);
  }

  /// `outcome` stays empty where the time was over, or somebody interrupted.
  Status exchange(const std::string& message, int64_t until_ms, std::optional<upstream::Outcome>& outcome) {
    outcome.reset();
    CAIRN_TRY(exchange_->send(message));
    ++messages;
    while (!outcome) {
      const int64_t left = until_ms - monotonic_ms();
      if (interrupted() || left <= 0) {
        exchange_->cancel();
        return {};
      }
      outcome = exchange_->poll(std::min<int64_t>(left, 200));
    }
    bytes_sent += outcome->bytes_sent;
    bytes_received += outcome->bytes_received;
    return {};
  }

  std::unique_ptr<upstream::HttpExchange> exchange_;
  bool denied_ = false;  // the last message
  int64_t looked_ms_ = 0;
};

}  // namespace

Result<std::unique_ptr<Carrier>> make_http_carrier(const HttpUpstream& upstream) {
  upstream::Address address;
  address.url = upstream.url;
  address.token_file = upstream.token_file;
  address.ca_file = upstream.ca_file;
  address.timeout_ms = upstream.timeout_ms;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): only a setenv beside it would race, and nothing here calls it
  if (address.token_file.empty() && std::getenv(kTokenVariable) != nullptr) {
    address.token_environment = kTokenVariable;
  } else if (address.token_file.empty()) {
    address.token_file = upstream.remembered_token_file;
  }
  auto exchange = upstream::HttpExchange::open(address);
  if (!exchange.ok()) {
    const std::string what = exchange.status().what;
    return engine::fail(exchange.status(), what, subject_of(what, address));
  }
  std::unique_ptr<Carrier> carrier = std::make_unique<HttpCarrier>(std::move(*exchange));
  if (!address.token_file.empty()) {
    carrier->warning = secret_file_warning(address.token_file, SecretKind::kToken);
    carrier->warning += carrier->warning.empty() ? "" : ": " + address.token_file;
  }
  return carrier;
}

}  // namespace cairn::tools
