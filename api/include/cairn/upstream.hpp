// The upstream over HTTP in C++: upstream.h for a Store. A separate library: link cairn::upstream, too. Not included by
// cairn.hpp.
#ifndef CAIRN_UPSTREAM_HPP
#define CAIRN_UPSTREAM_HPP

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cairn/store.h"
#include "cairn/upstream.h"

namespace cairn {

/// Each field is explained at cairn_upstream_options and cairn_sync_options. Zero is the default; from `interval` on,
/// zero keeps the value that an earlier attach has set, Sync::attach included.
struct UpstreamOptions {
  std::string url = {};
  std::string name = {};               // empty: the url
  std::string token_file = {};         // empty: none
  std::string token_environment = {};  // name of the variable; empty: none
  std::string ca_file = {};            // empty: the system's
  std::chrono::milliseconds timeout{0};
  bool background = true;  // a thread of the library carries messages; false: call step()
  std::chrono::milliseconds interval{0};
  uint32_t batch_runs_max = 0;
  uint32_t batch_bytes_max = 0;
  uint64_t bytes_per_s = 0;
  uint64_t requests_per_s = 0;
  uint64_t unsynced_runs_max = 0;
  std::chrono::milliseconds unsynced_max{0};  // how long a change may wait
  bool drop_finished = false;
  std::optional<std::chrono::milliseconds> poll_interval = {};  // 0: never
};

struct UpstreamState {
  Code code = Code::kOk;  // of the last step: the store's error
  std::string error;      // the text of `code`
  uint64_t messages = 0;
  uint64_t answers = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
};

/// Carries a Store's messages. It must be closed, or destroyed, before the Store. Plain names throw Error, try_ names
/// return it. Threads: any; close and destruction exclude other calls.
class Upstream {
 public:
  /// Errors: kInvalidArgument, kUnsafe, kIo, kTooLarge, kAgain, those of cairn_sync_attach. See cairn_upstream_open.
  static Upstream open(Store& store, const UpstreamOptions& options) {
    Upstream upstream;
    detail::check(upstream.open_handle(store, options));
    return upstream;
  }
  static Result<Upstream> try_open(Store& store, const UpstreamOptions& options) noexcept {
    Upstream upstream;
    const Status s = detail::attempt([&] { return upstream.open_handle(store, options); });
    return s.ok() ? Result<Upstream>(std::move(upstream)) : Result<Upstream>(s);
  }

  /// Without a background thread: sends, receives, and waits at most `wait` for an answer. Returns the time after which
  /// to call again; nullopt if there is no such time. Errors: see cairn_upstream_step.
  std::optional<std::chrono::milliseconds> step(std::chrono::milliseconds wait = {}) {
    std::optional<std::chrono::milliseconds> in;
    detail::check(step_handle(wait, in));
    return in;
  }
  Result<std::optional<std::chrono::milliseconds>> try_step(std::chrono::milliseconds wait = {}) noexcept {
    std::optional<std::chrono::milliseconds> in;
    const Status s = detail::status_of(step_handle(wait, in));
    return s.ok() ? Result<std::optional<std::chrono::milliseconds>>(in)
                  : Result<std::optional<std::chrono::milliseconds>>(s);
  }

  /// Returns once everything that was updated before is acknowledged upstream. Errors: kTimeout, and see
  /// cairn_upstream_flush.
  void flush(std::chrono::milliseconds timeout) { detail::check(cairn_upstream_flush(handle_.get(), timeout.count())); }
  Status try_flush(std::chrono::milliseconds timeout) noexcept {
    return detail::status_of(cairn_upstream_flush(handle_.get(), timeout.count()));
  }

  [[nodiscard]] UpstreamState state() {
    cairn_upstream_state c = {};
    c.struct_bytes = sizeof c;
    detail::check(cairn_upstream_get_state(handle_.get(), &c));
    UpstreamState state;
    state.code = static_cast<Code>(c.status);
    state.error = c.error;
    state.messages = c.messages;
    state.answers = c.answers;
    state.bytes_sent = c.bytes_sent;
    state.bytes_received = c.bytes_received;
    return state;
  }

  /// Ends the thread; what was not acknowledged stays in the store. Further calls fail with kInvalidArgument.
  void close() noexcept { handle_.reset(); }

  [[nodiscard]] cairn_upstream* handle() const noexcept { return handle_.get(); }

 private:
  struct Close {
    void operator()(cairn_upstream* upstream) const noexcept { (void)cairn_upstream_close(upstream); }
  };

  Upstream() = default;

  cairn_status step_handle(std::chrono::milliseconds wait, std::optional<std::chrono::milliseconds>& in) noexcept {
    int64_t in_ms = -1;
    const cairn_status s = cairn_upstream_step(handle_.get(), wait.count(), &in_ms);
    if (in_ms >= 0) {
      in = std::chrono::milliseconds(in_ms);
    }
    return s;
  }

  cairn_status open_handle(Store& store, const UpstreamOptions& o) {
    if (o.interval.count() < 0 || o.interval.count() > INT32_MAX || o.unsynced_max.count() < 0 ||
        !detail::is_poll_interval(o.poll_interval)) {
      return detail::set_error(Code::kInvalidArgument, "", "UpstreamOptions: a time is out of range");
    }
    cairn_sync_options sync = {};
    sync.struct_bytes = sizeof sync;
    sync.batch_runs_max = o.batch_runs_max;
    sync.batch_bytes_max = o.batch_bytes_max;
    sync.interval_ms = static_cast<uint32_t>(o.interval.count());
    sync.bytes_per_s = o.bytes_per_s;
    sync.requests_per_s = o.requests_per_s;
    sync.unsynced_runs_max = o.unsynced_runs_max;
    sync.unsynced_ms_max = static_cast<uint64_t>(o.unsynced_max.count());
    sync.drop_finished = o.drop_finished ? 1 : 0;
    sync.poll_interval_ms = detail::poll_interval_of(o.poll_interval);
    cairn_upstream_options c = {};
    c.struct_bytes = sizeof c;
    c.background = o.background ? 1 : 0;
    c.url = o.url.c_str();
    c.name = text_of(o.name);
    c.token_file = text_of(o.token_file);
    c.token_environment = text_of(o.token_environment);
    c.ca_file = text_of(o.ca_file);
    c.timeout_ms = o.timeout.count();
    c.sync = &sync;
    cairn_upstream* upstream = nullptr;
    const cairn_status s = cairn_upstream_open(store.handle(), &c, &upstream);
    handle_.reset(upstream);
    return s;
  }
  static const char* text_of(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

  std::unique_ptr<cairn_upstream, Close> handle_;
};

}  // namespace cairn

#endif  // CAIRN_UPSTREAM_HPP
