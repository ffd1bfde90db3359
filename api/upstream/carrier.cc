#include "api/upstream/carrier.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

namespace cairn::upstream {

Result<std::unique_ptr<HttpExchange>> open_exchange(const Address& address) {
  http_client::Options options;
  options.url = address.url;
  options.ca_file = address.ca_file;
  options.timeout_ms = address.timeout_ms;
  options.connect_timeout_ms = std::min(options.connect_timeout_ms, options.timeout_ms);
  if (!address.token_file.empty() || !address.token_environment.empty()) {
    auto token = address.token_file.empty() ? http_client::Secret::from_environment(address.token_environment)
                                            : http_client::Secret::from_file(address.token_file);
    CAIRN_TRY(token.status());
    options.token = std::move(*token);
  }
  return HttpExchange::open(std::move(options));
}

cairn_status Carrier::step(int64_t wait_ms, int64_t* in_ms) noexcept {
  *in_ms = kRecheckMs;
  try {
    if (!in_flight_) {
      const cairn_status s = start(in_ms);
      if (CAIRN_FAILED(s) || !in_flight_) {
        return s;
      }
    }
    const std::optional<Outcome> outcome = exchange_->poll(std::max<int64_t>(0, wait_ms));
    if (!outcome) {
      *in_ms = wait_ms > 0 ? 0 : kPollMs;
      return CAIRN_OK;
    }
    const cairn_status s = take(*outcome);
    *in_ms = CAIRN_FAILED(s) ? kRecheckMs : 0;
    return s;
  } catch (const std::bad_alloc&) {
    exchange_->cancel();
    if (in_flight_) {
      (void)failed(CAIRN_SYNC_TRANSIENT, "no memory to carry the message");
    }
    return CAIRN_NO_MEMORY;
  }
}

// Asks the store for a message, and sends it.
cairn_status Carrier::start(int64_t* in_ms) {
  struct Given {
    Carrier* carrier;
    Status sent;
  } given = {this, {}};
  int64_t due_ms = -1;
  const cairn_status s = cairn_sync_next(
      store_,
      [](void* context, const void* bytes, size_t count) {
        auto* const to = static_cast<Given*>(context);
        to->carrier->in_flight_ = true;
        try {
          to->sent = to->carrier->send({static_cast<const char*>(bytes), count});
        } catch (const std::bad_alloc&) {
          to->sent = {Code::kNoMemory, "no memory to send the message"};
        }
      },
      &given, &due_ms);
  if (CAIRN_FAILED(s)) {
    return s;
  }
  if (!in_flight_) {
    // Due, and yet there was nothing: not again at once.
    *in_ms = due_ms < 0 ? due_ms : std::max(due_ms, kPollMs);
    return CAIRN_OK;
  }
  if (!given.sent.ok()) {
    *in_ms = kPollMs;
    return failed(denied_ ? CAIRN_SYNC_DENIED : CAIRN_SYNC_TRANSIENT, given.sent.what);
  }
  return CAIRN_OK;
}

Status Carrier::send(std::string_view message) {
  // A token that was replaced is read when the store tries again.
  if (denied_ && !address_.token_file.empty()) {
    auto renewed = open_exchange(address_);
    CAIRN_TRY(renewed.status());
    exchange_ = std::move(*renewed);
  }
  denied_ = false;
  CAIRN_TRY(exchange_->send(message));
  const std::lock_guard lock(mutex_);
  ++carried_.messages;
  return {};
}

cairn_status Carrier::take(const Outcome& outcome) {
  denied_ = !outcome.answered() && outcome.failure == CAIRN_SYNC_DENIED;
  {
    const std::lock_guard lock(mutex_);
    carried_.answers += outcome.answered() ? 1 : 0;
    carried_.bytes_sent += outcome.bytes_sent;
    carried_.bytes_received += outcome.bytes_received;
  }
  if (!outcome.answered()) {
    return failed(outcome.failure, outcome.text.c_str(), outcome.retry_after_ms);
  }
  in_flight_ = false;
  return cairn_sync_feed(store_, outcome.answer.data(), outcome.answer.size());
}

cairn_status Carrier::failed(int32_t why, const char* text, int64_t retry_after_ms) noexcept {
  in_flight_ = false;
  return cairn_sync_failed(store_, why, text, retry_after_ms);
}

void Carrier::give_up(const char* why) noexcept {
  if (in_flight_) {
    exchange_->cancel();
    (void)failed(CAIRN_SYNC_TRANSIENT, why);
  }
}

Carried Carrier::carried() const {
  const std::lock_guard lock(mutex_);
  return carried_;
}

}  // namespace cairn::upstream
