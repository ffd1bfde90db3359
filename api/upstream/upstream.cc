// The C ABI of cairn/upstream.h: checks, the background thread, and waiting.
#include "cairn/upstream.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <new>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "api/upstream/carrier.h"
#include "wal/mutex.h"
#include "wal/signals_blocked.h"

using cairn::Code;
using cairn::MutexLock;
using cairn::Status;
using cairn::upstream::Address;
using cairn::upstream::Carried;
using cairn::upstream::Carrier;
using cairn::upstream::HttpExchange;

struct cairn_upstream {
  cairn_upstream(cairn_store* of, std::unique_ptr<HttpExchange> exchange)
      : store(of), carrier(of, std::move(exchange)) {}

  // Constant after cairn_upstream_open.
  const pid_t process = getpid();
  cairn_store* const store;
  bool background = false;

  // Held during a step; only the thread that steps waits for it.
  cairn::Mutex stepping{cairn::LockRank::kUpstreamStepping};
  Carrier carrier;  // used under `stepping`, but for carried()

  cairn::Mutex mutex{cairn::LockRank::kUpstreamState};
  cairn::CondVar changed;
  bool stops CAIRN_GUARDED_BY(mutex) = false;
  bool wakes CAIRN_GUARDED_BY(mutex) = false;  // the thread must step at once
  cairn_status status CAIRN_GUARDED_BY(mutex) = CAIRN_OK;
  std::array<char, sizeof cairn_upstream_state::error> error CAIRN_GUARDED_BY(mutex){};

  std::thread thread;
};

namespace {

constexpr int64_t kDefaultTimeoutMs = 30'000;
constexpr int64_t kSliceMs = 100;  // how long close waits for a thread that waits for the network
constexpr int64_t kFlushPauseMs = 20;

using Clock = std::chrono::steady_clock;

int64_t left_ms(Clock::time_point end) {
  return std::max<int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count());
}

Clock::time_point in(int64_t ms) {
  constexpr int64_t kForeverMs = int64_t{1000} * 365 * 86'400'000;
  return Clock::now() + std::chrono::milliseconds(std::clamp<int64_t>(ms, 0, kForeverMs));
}

cairn_status fail(const Status& status) noexcept {
  cairn_error e = {};
  e.struct_bytes = sizeof e;
  e.code = static_cast<int32_t>(status.code);
  e.os_errno = status.cause;
  std::strncpy(e.message, status.what, sizeof e.message - 1);
  return cairn_set_last_error(&e);
}

cairn_status invalid(const char* what) noexcept { return fail({Code::kInvalidArgument, what}); }

cairn_status check(const cairn_upstream* upstream) noexcept {
  if (upstream == nullptr) {
    return invalid("upstream: a null pointer");
  }
  return upstream->process == getpid() ? CAIRN_OK
                                       : fail({Code::kForked, "a forked child cannot use its parent's upstream"});
}

template <class Call>
cairn_status guarded(const Call& call) noexcept {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return fail({Code::kNoMemory, "no memory"});
  } catch (const std::system_error& e) {
    return fail({Code::kAgain, "no thread could be started", e.code().value()});
  } catch (...) {
    return fail({Code::kInternal, "an unexpected exception: a bug in Cairn"});
  }
}

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

// As for every struct of cairn.h, bytes that the library does not know must be zero.
bool read_options(const cairn_upstream_options* theirs, cairn_upstream_options& ours) {
  const size_t count = theirs == nullptr ? 0 : theirs->struct_bytes;
  if (count < sizeof theirs->struct_bytes) {
    return false;
  }
  const auto* const bytes = reinterpret_cast<const unsigned char*>(theirs);
  const size_t known = std::min(count, sizeof ours);
  std::memcpy(&ours, theirs, known);
  return std::all_of(bytes + known, bytes + count, [](unsigned char c) { return c == 0; });
}

cairn_status step(cairn_upstream* upstream, int64_t wait_ms, int64_t* in_ms) CAIRN_REQUIRES(upstream->stepping) {
  const cairn_status s = upstream->carrier.step(wait_ms, in_ms);
  cairn_error e = {};
  if (CAIRN_FAILED(s)) {
    e.struct_bytes = sizeof e;
    (void)cairn_last_error(&e);
  }
  const MutexLock lock(upstream->mutex);
  upstream->status = CAIRN_FAILED(s) ? s : CAIRN_OK;
  std::memset(upstream->error.data(), 0, upstream->error.size());
  std::string_view(e.message).copy(upstream->error.data(), upstream->error.size() - 1);
  return s;
}

void carry(cairn_upstream* upstream) {
  cairn::ReleasableMutexLock lock(upstream->mutex);
  while (!upstream->stops) {
    upstream->wakes = false;
    lock.unlock();
    int64_t in_ms = 0;
    {
      const MutexLock stepping(upstream->stepping);
      (void)step(upstream, kSliceMs, &in_ms);
    }
    lock.lock();
    if (in_ms != 0) {
      // Other threads tell the store to hurry or to resume, but do not wake this one.
      const int64_t ms = in_ms < 0 ? Carrier::kRecheckMs : std::min(in_ms, Carrier::kRecheckMs);
      const Clock::time_point end = in(ms);
      bool in_time = true;
      while (!upstream->stops && !upstream->wakes && in_time) {
        in_time = upstream->changed.wait_until(upstream->mutex, end);
      }
    }
  }
}

void start_thread(cairn_upstream* upstream) {
  const cairn::SignalsBlocked blocked;
  upstream->background = true;
  upstream->thread = std::thread(carry, upstream);
  pthread_setname_np(upstream->thread.native_handle(), "cairn-upstream");
}

cairn_status open(cairn_store* store, const cairn_upstream_options& options, cairn_upstream** out) {
  if (options.url == nullptr) {
    return invalid("cairn_upstream_options: url: a null pointer");
  }
  if (options.token_file != nullptr && options.token_environment != nullptr) {
    return invalid("cairn_upstream_options: token_file and token_environment: only one of them");
  }
  Address address;
  address.url = options.url;
  address.token_file = text_of(options.token_file);
  address.token_environment = text_of(options.token_environment);
  address.ca_file = text_of(options.ca_file);
  address.timeout_ms = options.timeout_ms == 0 ? kDefaultTimeoutMs : options.timeout_ms;
  auto exchange = HttpExchange::open(address);
  if (!exchange.ok()) {
    return fail(exchange.status());
  }
  const std::string name = options.name != nullptr ? options.name : address.url;  // a url has no user and no query
  auto upstream = std::make_unique<cairn_upstream>(store, std::move(*exchange));
  if (const cairn_status s = cairn_sync_attach(store, name.c_str(), options.sync); CAIRN_FAILED(s)) {
    return s;
  }
  if (options.background != 0) {
    start_thread(upstream.get());
  }
  *out = upstream.release();
  return CAIRN_OK;
}

// Whether the upstream has everything, and nothing is left to send.
cairn_status all_acknowledged(cairn_store* store, bool* done) {
  cairn_sync_state state = {};
  state.struct_bytes = sizeof state;
  const cairn_status s = cairn_sync_get_state(store, nullptr, &state);
  *done = (state.flags & CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED) != 0;
  return s;
}

cairn_status step_until_acknowledged(cairn_upstream* upstream, Clock::time_point end) {
  while (true) {
    bool done = false;
    if (const cairn_status s = all_acknowledged(upstream->store, &done); CAIRN_FAILED(s) || done) {
      return s;
    }
    const int64_t left = left_ms(end);
    if (left == 0) {
      return cairn_sync_wait(upstream->store, 0);  // says why
    }
    int64_t in_ms = kFlushPauseMs;  // another thread steps
    if (upstream->stepping.try_lock()) {
      const MutexLock stepping(upstream->stepping, std::adopt_lock);
      if (const cairn_status s = step(upstream, std::min(left, kSliceMs), &in_ms); CAIRN_FAILED(s)) {
        return s;
      }
    }
    if (in_ms != 0) {
      const int64_t ms = in_ms < 0 ? kFlushPauseMs : std::min({in_ms, left, kFlushPauseMs});
      std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    }
  }
}

}  // namespace

extern "C" {

cairn_status cairn_upstream_open(cairn_store* store, const cairn_upstream_options* options,
                                 cairn_upstream** upstream) noexcept {
  if (upstream == nullptr) {
    return invalid("upstream: a null pointer");
  }
  *upstream = nullptr;
  cairn_upstream_options given = {};
  if (!read_options(options, given)) {
    return invalid("cairn_upstream_options: a null pointer, or struct_bytes does not fit");
  }
  return guarded([&] { return open(store, given, upstream); });
}

cairn_status cairn_upstream_step(cairn_upstream* upstream, int64_t wait_ms, int64_t* in_ms) noexcept {
  if (const cairn_status s = check(upstream); s != CAIRN_OK) {
    return s;
  }
  if (upstream->background) {
    return invalid("this upstream has a thread that steps it");
  }
  return guarded([&] {
    if (!upstream->stepping.try_lock()) {
      return fail({Code::kAgain, "another thread is in this call"});
    }
    const MutexLock stepping(upstream->stepping, std::adopt_lock);
    int64_t due_ms = 0;
    const cairn_status s = step(upstream, wait_ms, &due_ms);
    if (in_ms != nullptr) {
      *in_ms = due_ms;
    }
    return s;
  });
}

cairn_status cairn_upstream_flush(cairn_upstream* upstream, int64_t timeout_ms) noexcept {
  if (const cairn_status s = check(upstream); s != CAIRN_OK) {
    return s;
  }
  return guarded([&] {
    const Clock::time_point end = in(timeout_ms);
    if (const cairn_status s = cairn_store_barrier(upstream->store); CAIRN_FAILED(s)) {
      return s;
    }
    if (const cairn_status s = cairn_sync_control(upstream->store, CAIRN_SYNC_HURRY); CAIRN_FAILED(s)) {
      return s;
    }
    if (!upstream->background) {
      return step_until_acknowledged(upstream, end);
    }
    {
      const MutexLock lock(upstream->mutex);
      upstream->wakes = true;
      upstream->changed.notify_one();
    }
    return cairn_sync_wait(upstream->store, left_ms(end));
  });
}

cairn_status cairn_upstream_get_state(cairn_upstream* upstream, cairn_upstream_state* state) noexcept {
  if (const cairn_status s = check(upstream); s != CAIRN_OK) {
    return s;
  }
  if (state == nullptr || state->struct_bytes < sizeof state->struct_bytes) {
    return invalid("cairn_upstream_state: a null pointer, or struct_bytes does not fit");
  }
  return guarded([&] {
    const Carried carried = upstream->carrier.carried();
    cairn_upstream_state ours = {};
    ours.messages = carried.messages;
    ours.answers = carried.answers;
    ours.bytes_sent = carried.bytes_sent;
    ours.bytes_received = carried.bytes_received;
    {
      const MutexLock lock(upstream->mutex);
      ours.status = upstream->status;
      std::memcpy(ours.error, upstream->error.data(), sizeof ours.error);
    }
    ours.struct_bytes = state->struct_bytes;
    std::memset(state, 0, ours.struct_bytes);
    std::memcpy(state, &ours, std::min<size_t>(ours.struct_bytes, sizeof ours));
    return cairn_status{CAIRN_OK};
  });
}

cairn_status cairn_upstream_close(cairn_upstream* upstream) noexcept {
  if (upstream == nullptr) {
    return CAIRN_OK;
  }
  if (const cairn_status s = check(upstream); s != CAIRN_OK) {
    return s;
  }
  return guarded([&] {
    const std::unique_ptr<cairn_upstream> gone(upstream);
    if (gone->thread.joinable()) {
      {
        const MutexLock lock(gone->mutex);
        gone->stops = true;
        gone->changed.notify_one();
      }
      gone->thread.join();
    }
    gone->carrier.give_up("the upstream was closed");
    return cairn_status{CAIRN_OK};
  });
}

}  // extern "C"
