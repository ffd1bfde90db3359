#include "api/upstream/carrier.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

namespace cairn::upstream {

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
  if (const cairn_status s = try_another_token(); CAIRN_FAILED(s)) {
    return s;
  }
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
    // It was due, but there was no message: do not call again at once.
    *in_ms = due_ms < 0 ? due_ms : std::max(due_ms, kPollMs);
    *in_ms = denied_ && *in_ms > kTokenMs ? kTokenMs : *in_ms;
    return CAIRN_OK;
  }
  if (!given.sent.ok()) {
    *in_ms = kPollMs;
    return failed(CAIRN_SYNC_TRANSIENT, given.sent.what);
  }
  return CAIRN_OK;
}

// The store waits after a denial, longer each time. If the token was replaced, this ends the wait.
cairn_status Carrier::try_another_token() {
  if (!denied_) {
    return CAIRN_OK;
  }
  cairn_sync_state state = {};
  state.struct_bytes = sizeof state;
  if (const cairn_status s = cairn_sync_get_state(store_, nullptr, &state); CAIRN_FAILED(s)) {
    return s;
  }
  // CAIRN_SYNC_RESUME would also end a pause that the host asked for.
  if ((state.flags & CAIRN_SYNC_STATE_PAUSED) != 0) {
    return CAIRN_OK;
  }
  if (!exchange_->renew_token()) {
    return cairn_sync_failed(store_, CAIRN_SYNC_DENIED, exchange_->denial().c_str(), 0);
  }
  denied_ = false;
  return cairn_sync_control(store_, CAIRN_SYNC_RESUME);
}

Status Carrier::send(std::string_view message) {
  CAIRN_TRY(exchange_->send(message));
  const MutexLock lock(mutex_);
  ++carried_.messages;
  return {};
}

cairn_status Carrier::take(const Outcome& outcome) {
  denied_ = !outcome.answered() && outcome.failure == CAIRN_SYNC_DENIED;
  {
    const MutexLock lock(mutex_);
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
  const MutexLock lock(mutex_);
  return carried_;
}

}  // namespace cairn::upstream
