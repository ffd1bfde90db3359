// The upstream of a store: messages out, answers in. See "upstream" in cairn.h for what is promised. It does not use
// the network: upstream.hpp carries the messages over HTTP.
#ifndef CAIRN_SYNC_H
#define CAIRN_SYNC_H

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "cairn/options.h"

namespace cairn {

namespace detail {

inline bool is_poll_interval(const std::optional<std::chrono::milliseconds>& interval) {
  return !interval || (interval->count() >= 0 && interval->count() <= INT32_MAX);
}
inline uint32_t poll_interval_of(const std::optional<std::chrono::milliseconds>& interval) {
  return !interval ? 0 : interval->count() == 0 ? UINT32_MAX : static_cast<uint32_t>(interval->count());
}

}  // namespace detail

/// Each field is explained at cairn_sync_options; zero keeps the value of an earlier attach, or is the default.
struct SyncOptions {
  uint32_t batch_runs_max = 0;
  uint32_t batch_bytes_max = 0;
  std::chrono::milliseconds interval{0};
  uint64_t bytes_per_s = 0;
  uint64_t requests_per_s = 0;
  uint64_t unsynced_runs_max = 0;
  std::chrono::milliseconds unsynced_max{0};  // how long a change may wait
  bool drop_finished = false;
  std::optional<std::chrono::milliseconds> poll_interval = {};  // 0: never
};

/// Why a message has no answer.
enum class SyncFailure : int32_t {
  kTransient = CAIRN_SYNC_TRANSIENT,  // no answer, refused, busy
  kTooLarge = CAIRN_SYNC_TOO_LARGE,   // the other side takes less at once
  kDenied = CAIRN_SYNC_DENIED,        // not allowed
  kProtocol = CAIRN_SYNC_PROTOCOL,    // what answers is not a Cairn receiver
};

enum class SyncControl : int32_t {
  kHurry = CAIRN_SYNC_HURRY,    // the next message need not wait for the interval
  kPause = CAIRN_SYNC_PAUSE,    // no message is given until kResume or the next open
  kResume = CAIRN_SYNC_RESUME,  // ends a pause, and the wait after a failure
  kMoved = CAIRN_SYNC_MOVED,    // the store was moved here: it continues, after it asked for what is newer upstream
  kCopied = CAIRN_SYNC_COPIED,  // it is a copy: it becomes a store of its own
};

/// What becomes of a run's dead letter.
enum class SyncRelease : int32_t {
  kRetry = CAIRN_SYNC_RETRY,      // the same change is sent again
  kSkip = CAIRN_SYNC_SKIP,        // the refused change is given up
  kReplace = CAIRN_SYNC_REPLACE,  // all of the run is sent, as it is now; it overwrites what others wrote there
};

/// Of all runs or of one; see cairn_sync_state.
struct SyncState {
  bool all_acknowledged = false;
  bool attached = false;
  bool paused = false;
  bool copied = false;   // the directory is a copy, or was moved: decide by SyncControl::kMoved or kCopied
  bool forked = false;   // another store sends under this one's name: decide as with copied
  bool backlog = false;  // more waits than SyncOptions allow: no new runs
  bool forms = false;    // of one run: others write it upstream, too

  std::optional<uint64_t> acknowledged = {};  // of one run: the upstream has it up to this sequence
  std::optional<uint64_t> sequence = {};      // of one run: now
  uint64_t waiting_runs = 0;
  uint64_t held_runs = 0;  // dead letters
  uint64_t unsent_records = 0;
  uint64_t in_flight_runs = 0;
  uint64_t in_flight_bytes = 0;
  std::optional<TimePoint> oldest = {};                    // time of the change that has waited longest
  std::optional<std::chrono::milliseconds> next_try = {};  // from now; nullopt: no such time, as of next()
  uint64_t failures = 0;
  uint64_t batches = 0;
  uint64_t lost_deltas = 0;
  uint64_t dropped_runs = 0;
  std::string last_error = {};  // empty after a success
};

/// A run whose change the upstream refused.
struct DeadLetter {
  std::string run;
  std::string reason;
  TimePoint since;
};

/// Made by Store::sync, as often as needed: it is only a reference to the store, so the Store must outlive it. Plain
/// names throw Error, try_ names return it. Threads: any; next, feed and failed one at a time.
class Sync {
 public:
  static constexpr std::chrono::milliseconds kNoLimit{-1};

  /// From now on changes are kept for an upstream. Errors: kInvalidArgument, kNoSpace, kLatched. See cairn_sync_attach.
  void attach(const std::string& name, const SyncOptions& options = {}) { detail::check(attach_to(name, options)); }
  Status try_attach(const std::string& name, const SyncOptions& options = {}) noexcept {
    return detail::attempt([&] { return attach_to(name, options); });
  }
  /// Nothing is sent until the store is attached again; what changes meanwhile waits. See cairn_sync_detach.
  void detach() { detail::check(cairn_sync_detach(store_)); }
  Status try_detach() noexcept { return detail::status_of(cairn_sync_detach(store_)); }

  /// Calls deliver(std::string_view message) with the next message, if there is one now; the bytes live until it
  /// returns. Returns the time after which to call again; nullopt if there is no such time: after a message was given
  /// call feed() or failed() first, for the other cases see *in_ms of cairn_sync_next. An exception of deliver is
  /// passed on; the message still needs feed() or failed(). Errors: kInvalidArgument without an upstream, kCorrupt,
  /// kIo, kNoSpace.
  template <class Deliver>
  std::optional<std::chrono::milliseconds> next(Deliver&& deliver) {
    detail::CarriedException carried;
    std::optional<std::chrono::milliseconds> in;
    const cairn_status s = next_message(deliver, carried, in);
    carried.rethrow();
    detail::check(s);
    return in;
  }
  /// An exception of `deliver` becomes kInvalidArgument.
  template <class Deliver>
  Result<std::optional<std::chrono::milliseconds>> try_next(Deliver&& deliver) noexcept {
    using Answer = Result<std::optional<std::chrono::milliseconds>>;
    detail::CarriedException carried;
    std::optional<std::chrono::milliseconds> in;
    const cairn_status s = next_message(deliver, carried, in);
    const Status status = after(s, carried);
    return status.ok() ? Answer(in) : Answer(status);
  }

  /// Takes the answer to that message; bytes that are not an answer count as a failure. Errors: as next.
  void feed(std::string_view answer) { detail::check(cairn_sync_feed(store_, answer.data(), answer.size())); }
  Status try_feed(std::string_view answer) noexcept {
    return detail::status_of(cairn_sync_feed(store_, answer.data(), answer.size()));
  }
  /// Says that the message got no answer. `retry_after`: the pause that the other side asked for, if it did.
  void failed(SyncFailure why, const std::string& text, std::chrono::milliseconds retry_after = {}) {
    detail::check(cairn_sync_failed(store_, static_cast<int32_t>(why), text.c_str(), retry_after.count()));
  }
  Status try_failed(SyncFailure why, const std::string& text, std::chrono::milliseconds retry_after = {}) noexcept {
    return detail::status_of(cairn_sync_failed(store_, static_cast<int32_t>(why), text.c_str(), retry_after.count()));
  }

  /// Takes a message of another store and calls reply(std::string_view answer); the answer must go back to that store.
  /// reply is called even if the message is refused (kCorrupt, kVersion) or this store failed; the Error is thrown
  /// afterwards.
  template <class Reply>
  void receive(std::string_view message, Reply&& reply) {
    detail::CarriedException carried;
    const cairn_status s = take(message, reply, carried);
    carried.rethrow();
    detail::check(s);
  }
  /// What `reply` throws becomes kInvalidArgument.
  template <class Reply>
  Status try_receive(std::string_view message, Reply&& reply) noexcept {
    detail::CarriedException carried;
    const cairn_status s = take(message, reply, carried);
    return after(s, carried);
  }

  /// See cairn_sync_control. Errors: kInvalidArgument without an upstream, or if there is nothing to decide.
  void control(SyncControl what) { detail::check(cairn_sync_control(store_, static_cast<int32_t>(what))); }
  Status try_control(SyncControl what) noexcept {
    return detail::status_of(cairn_sync_control(store_, static_cast<int32_t>(what)));
  }

  /// How much of the store, or of one run, the upstream has. Exact as of the last flush, even without a network.
  /// Errors: kNoSuchRun, kCorrupt.
  [[nodiscard]] SyncState state() const { return checked_state(nullptr); }
  [[nodiscard]] SyncState state(const std::string& run) const { return checked_state(run.c_str()); }
  Result<SyncState> try_state() const noexcept { return returned_state(nullptr); }
  Result<SyncState> try_state(const std::string& run) const noexcept { return returned_state(run.c_str()); }

  /// Waits until the upstream has acknowledged everything that was updated before. Another thread must carry the
  /// messages meanwhile. Errors: kTimeout, kInvalidArgument without an upstream, those of Store::barrier.
  void wait(std::chrono::milliseconds timeout = kNoLimit) { detail::check(cairn_sync_wait(store_, timeout.count())); }
  Status try_wait(std::chrono::milliseconds timeout = kNoLimit) noexcept {
    return detail::status_of(cairn_sync_wait(store_, timeout.count()));
  }

  /// Calls visit(const DeadLetter&) for each dead letter in the order of runs; if it returns bool, until that is false.
  /// It may use the store.
  template <class Visit>
  void each_dead_letter(Visit&& visit) {
    detail::CarriedException carried;
    const cairn_status s = visit_letters(visit, carried);
    carried.rethrow();
    detail::check(s);
  }
  /// What `visit` throws becomes kInvalidArgument.
  template <class Visit>
  Status try_each_dead_letter(Visit&& visit) noexcept {
    detail::CarriedException carried;
    const cairn_status s = visit_letters(visit, carried);
    return after(s, carried);
  }
  /// At most 10,000.
  [[nodiscard]] std::vector<DeadLetter> dead_letters() {
    std::vector<DeadLetter> letters;
    each_dead_letter([&letters](const DeadLetter& letter) { letters.push_back(letter); });
    return letters;
  }
  /// Ends the hold of a run whose change the upstream refused; false if the run has no dead letter. Errors: kAgain,
  /// kInvalidArgument (kReplace of a run owned elsewhere). See cairn_sync_release.
  bool release(const std::string& run, SyncRelease how) {
    const cairn_status s = cairn_sync_release(store_, run.c_str(), static_cast<int32_t>(how));
    detail::check(s);
    return s == CAIRN_OK;
  }
  Result<bool> try_release(const std::string& run, SyncRelease how) noexcept {
    const cairn_status s = cairn_sync_release(store_, run.c_str(), static_cast<int32_t>(how));
    return CAIRN_FAILED(s) ? Result<bool>(detail::status_of(s)) : Result<bool>(s == CAIRN_OK);
  }

 private:
  friend class Store;
  explicit Sync(cairn_store* store) noexcept : store_(store) {}

  static Status after(cairn_status s, const detail::CarriedException& carried) noexcept {
    return detail::attempt([&] {
      carried.rethrow();
      return s;
    });
  }

  /// `call(std::string_view)` as a callback of the C ABI.
  template <class Call>
  struct WithBytes {
    Call& call;
    detail::CarriedException& carried;
    static void forward(void* context, const void* bytes, size_t count) noexcept {
      auto& c = *static_cast<WithBytes*>(context);
      c.carried.take(
          [&] {
            c.call(std::string_view(static_cast<const char*>(bytes), count));
            return 0;
          },
          0);
    }
  };

  template <class Deliver>
  cairn_status next_message(Deliver& deliver, detail::CarriedException& carried,
                            std::optional<std::chrono::milliseconds>& in) noexcept {
    WithBytes<Deliver> call{deliver, carried};
    int64_t in_ms = -1;
    const cairn_status s = cairn_sync_next(store_, WithBytes<Deliver>::forward, &call, &in_ms);
    if (in_ms >= 0) {
      in = std::chrono::milliseconds(in_ms);
    }
    return s;
  }

  template <class Reply>
  cairn_status take(std::string_view message, Reply& reply, detail::CarriedException& carried) noexcept {
    WithBytes<Reply> call{reply, carried};
    return cairn_sync_receive(store_, message.data(), message.size(), WithBytes<Reply>::forward, &call);
  }

  template <class Visit>
  cairn_status visit_letters(Visit& visit, detail::CarriedException& carried) noexcept {
    struct Call {
      Visit& visit;
      detail::CarriedException& carried;
    } call{visit, carried};
    const auto forward = [](void* context, const char* run, const char* reason, int64_t since_us) -> int32_t {
      auto& c = *static_cast<Call*>(context);
      return c.carried.take(
          [&]() -> int32_t {
            const DeadLetter letter{run, reason, detail::from_us(since_us)};
            if constexpr (std::is_same_v<decltype(c.visit(letter)), bool>) {
              return c.visit(letter) ? 0 : 1;
            } else {
              c.visit(letter);
              return 0;
            }
          },
          int32_t{1});
    };
    return cairn_sync_dead_letters(store_, forward, &call);
  }

  cairn_status attach_to(const std::string& name, const SyncOptions& o) {
    if (o.interval.count() < 0 || o.interval.count() > INT32_MAX || o.unsynced_max.count() < 0 ||
        !detail::is_poll_interval(o.poll_interval)) {
      return detail::set_error(Code::kInvalidArgument, "", "SyncOptions: a time is out of range");
    }
    cairn_sync_options c = {};
    c.struct_bytes = sizeof c;
    c.batch_runs_max = o.batch_runs_max;
    c.batch_bytes_max = o.batch_bytes_max;
    c.interval_ms = static_cast<uint32_t>(o.interval.count());
    c.bytes_per_s = o.bytes_per_s;
    c.requests_per_s = o.requests_per_s;
    c.unsynced_runs_max = o.unsynced_runs_max;
    c.unsynced_ms_max = static_cast<uint64_t>(o.unsynced_max.count());
    c.drop_finished = o.drop_finished ? 1 : 0;
    c.poll_interval_ms = detail::poll_interval_of(o.poll_interval);
    return cairn_sync_attach(store_, name.c_str(), &c);
  }

  [[nodiscard]] cairn_status read_state(const char* run, SyncState& state) const {
    cairn_sync_state c = {};
    c.struct_bytes = sizeof c;
    const cairn_status s = cairn_sync_get_state(store_, run, &c);
    if (s != CAIRN_OK) {
      return s;
    }
    const auto has = [&c](uint32_t flag) { return (c.flags & flag) != 0; };
    state.all_acknowledged = has(CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED);
    state.attached = has(CAIRN_SYNC_STATE_ATTACHED);
    state.paused = has(CAIRN_SYNC_STATE_PAUSED);
    state.copied = has(CAIRN_SYNC_STATE_COPIED);
    state.forked = has(CAIRN_SYNC_STATE_FORKED);
    state.backlog = has(CAIRN_SYNC_STATE_BACKLOG);
    state.forms = has(CAIRN_SYNC_STATE_FORMS);
    if (run != nullptr) {
      state.acknowledged = c.acknowledged;
      state.sequence = c.sequence;
    }
    state.waiting_runs = c.waiting_runs;
    state.held_runs = c.held_runs;
    state.unsent_records = c.unsent_records;
    state.in_flight_runs = c.in_flight_runs;
    state.in_flight_bytes = c.in_flight_bytes;
    if (c.oldest_us != 0) {
      state.oldest = detail::from_us(c.oldest_us);
    }
    if (c.next_try_ms >= 0) {
      state.next_try = std::chrono::milliseconds(c.next_try_ms);
    }
    state.failures = c.failures;
    state.batches = c.batches;
    state.lost_deltas = c.lost_deltas;
    state.dropped_runs = c.dropped_runs;
    state.last_error = c.last_error;
    return s;
  }
  [[nodiscard]] SyncState checked_state(const char* run) const {
    SyncState state;
    detail::check(read_state(run, state));
    return state;
  }
  [[nodiscard]] Result<SyncState> returned_state(const char* run) const noexcept {
    SyncState state;
    const Status s = detail::attempt([&] { return read_state(run, state); });
    return s.ok() ? Result<SyncState>(std::move(state)) : Result<SyncState>(s);
  }

  cairn_store* store_;
};

}  // namespace cairn

#endif  // CAIRN_SYNC_H
