// Watches: events by call, by callback after a step, and a descriptor to wait for.
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "api/handles.h"
#include "api/read.h"
#include "api/run_info.h"
#include "api/structs.h"
#include "engine/base/fork_guard.h"
#include "wal/descriptor.h"

namespace cairn::api {

namespace {

using engine::Watch;
using engine::WatchEvent;
using engine::WatchKind;
using engine::WatchOptions;

constexpr uint32_t kWatchFlags = CAIRN_WATCH_METADATA | CAIRN_WATCH_FROM_NOW;
constexpr uint32_t kIntervalMs = 100;
constexpr uint32_t kIntervalMsMin = 20;
constexpr int kEventsInARow = 10'000;

static_assert(engine::kWatchTokenBytes < CAIRN_WATCH_TOKEN_BYTES);
static_assert(engine::kRunIdBytesMax < sizeof(cairn_watch_event::run));

cairn_watch_event event_of(const WatchEvent& e) {
  cairn_watch_event event = {};
  event.struct_bytes = sizeof event;
  event.kind = static_cast<int32_t>(e.kind);
  event.version = e.run.record.sequence;
  std::memcpy(event.run, e.run.record.id.data(), e.run.record.id.size());
  std::memcpy(event.token, e.token.data(), e.token.size());
  return event;
}

bool has_run(const WatchEvent& e) {
  return e.kind == WatchKind::kChanged || e.kind == WatchKind::kFinished || e.kind == WatchKind::kOrphaned;
}

}  // namespace

/// Lives longer than its handle while it is being called.
class WatchCallback final : public engine::StepListener {
 public:
  static Result<std::shared_ptr<WatchCallback>> make(cairn_store* store, const WatchOptions& watched,
                                                     const cairn_watch_options& options) {
    std::shared_ptr<WatchCallback> made(new WatchCallback(store, options));
    const MutexLock lock(made->mutex_);
    auto watch = Watch::open(made->source_, watched);
    if (!watch.ok()) {
      return watch.status();
    }
    made->watch_ = std::move(*watch);
    return made;
  }

  [[nodiscard]] uint32_t interval_ms() const override { return options_.interval_ms; }

  // After an error of a look (NO_MEMORY, IO) the next one may work.
  bool stepped() override {
    if (!mutex_.try_lock()) {
      return false;  // another thread is in it
    }
    const MutexLock lock(mutex_, std::adopt_lock);
    caller_ = std::this_thread::get_id();
    bool done = false;
    for (int i = 0; !done && i < kEventsInARow && !ended_; ++i) {
      WatchEvent event;
      auto got = watch_->next(event);
      if (!got.ok()) {
        break;
      }
      done = !*got;
      if (!done && !call(event)) {
        ended_ = true;
      }
    }
    caller_ = std::thread::id();
    return done || ended_;
  }

  /// After this no call begins, and none is running, except one that calls this.
  void end() {
    ended_ = true;
    if (caller_ != std::this_thread::get_id()) {
      const MutexLock lock(mutex_);
    }
  }

 private:
  WatchCallback(cairn_store* store, const cairn_watch_options& options)
      : options_(options), source_(*store->engine, (options.flags & CAIRN_WATCH_METADATA) != 0) {}

  bool call(const WatchEvent& e) CAIRN_REQUIRES(mutex_) {
    const cairn_watch_event event = event_of(e);
    std::string metadata;
    cairn_run_info info = {};
    const bool run = has_run(e);
    if (run) {
      block_.resize(run_info_bytes(e.run) / sizeof(char*) + 1);
      fill_run_info(e.run, block_.data(), info);
    }
    const bool with_metadata = run && (options_.flags & CAIRN_WATCH_METADATA) != 0;
    if (with_metadata) {
      metadata = e.run.record.document.to_json();
    }
    return options_.changed(options_.context, &event, run ? &info : nullptr, with_metadata ? metadata.c_str() : nullptr,
                            metadata.size()) == 0;
  }

  const cairn_watch_options options_;
  std::atomic<bool> ended_{false};
  std::atomic<std::thread::id> caller_{};  // the thread that is in stepped()
  Mutex mutex_{LockRank::kWatchCallback};  // held by stepped()
  engine::StoreSource source_ CAIRN_GUARDED_BY(mutex_);
  std::unique_ptr<Watch> watch_ CAIRN_GUARDED_BY(mutex_);
  std::vector<const char*> block_ CAIRN_GUARDED_BY(mutex_);  // of pointers, for their alignment
};

namespace {

Status read_watch_options(const cairn_watch_options* theirs, cairn_watch_options& o) {
  if (theirs != nullptr) {
    CAIRN_TRY(read_struct(theirs, o, "cairn_watch_options: struct_bytes does not fit, or a newer option is set"));
  }
  if ((o.flags & ~kWatchFlags) != 0) {
    return invalid("cairn_watch_options: a flag that this version does not know");
  }
  if (o.interval_ms == 0) {
    o.interval_ms = kIntervalMs;
  }
  return o.interval_ms < kIntervalMsMin ? invalid("cairn_watch_options: interval_ms is at least 20") : Status();
}

/// Calls use(watch) while no other call uses the watch's source.
template <class Use>
auto with_source(cairn_watch& watch, Use&& use) {
  api::Reading* reading = watch.store->reading.get();
  return reading != nullptr ? reading->locked([&](engine::StoreReader&) { return use(); }) : use();
}

void arm(int fd, uint32_t in_ms) {
  itimerspec spec{};
  spec.it_value.tv_sec = in_ms / 1000;
  spec.it_value.tv_nsec = in_ms == 0 ? 1 : in_ms % 1000 * 1'000'000L;
  timerfd_settime(fd, 0, &spec, nullptr);
}

Status hand_out(cairn_watch& watch, cairn_watch_event* event, cairn_run_info* info, void* buffer, size_t capacity,
                size_t* needed) CAIRN_REQUIRES(watch.mutex) {
  if (info != nullptr) {
    *needed = 0;
    cairn_run_info ours = {};
    ours.struct_bytes = sizeof ours;
    bool fits = true;
    if (has_run(watch.event)) {
      const size_t odd = reinterpret_cast<uintptr_t>(buffer) % alignof(char*);
      const size_t skip = odd == 0 ? 0 : alignof(char*) - odd;
      *needed = run_info_bytes(watch.event.run) + skip;
      fits = buffer != nullptr && capacity >= *needed;
      fill_run_info(watch.event.run, fits ? static_cast<char*>(buffer) + skip : nullptr, ours);
    }
    CAIRN_TRY(write_struct(ours, info, "cairn_run_info: struct_bytes does not fit"));
    if (!fits) {
      return {Code::kTooLarge, "the buffer is too small for the run's texts"};
    }
  }
  return write_struct(event_of(watch.event), event, "cairn_watch_event: struct_bytes does not fit");
}

}  // namespace

}  // namespace cairn::api

using cairn::Code;
using cairn::MutexLock;
using cairn::Status;
using cairn::api::check_open;
using cairn::api::guarded;
using cairn::api::invalid;

extern "C" {

cairn_status cairn_watch_open(cairn_store* store, const char* run, const char* token,
                              const cairn_watch_options* options, cairn_watch** watch) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(store));
    if (watch == nullptr) {
      return invalid("watch: a null pointer");
    }
    *watch = nullptr;
    cairn_watch_options chosen = {};
    CAIRN_TRY(cairn::api::read_watch_options(options, chosen));
    cairn::engine::WatchOptions o;
    if (run != nullptr) {
      if (*run == '\0') {
        return invalid("run: not a run id; null watches all runs");
      }
      o.run = run;
    }
    o.token = token == nullptr ? "" : token;
    o.from_now = (chosen.flags & CAIRN_WATCH_FROM_NOW) != 0;
    o.interval_ms = chosen.interval_ms;
    auto made = std::make_unique<cairn_watch>(store);
    made->flags = chosen.flags;
    made->interval_ms = chosen.interval_ms;
    if (chosen.changed != nullptr) {
      CAIRN_TRY(cairn::api::check_writable(store));
      auto callback = cairn::api::WatchCallback::make(store, o, chosen);
      if (!callback.ok()) {
        return callback.status();
      }
      made->callback = std::move(*callback);
      store->engine->add_listener(made->callback);
    } else {
      const bool metadata = (chosen.flags & CAIRN_WATCH_METADATA) != 0;
      const MutexLock guard(made->mutex);
      if (store->engine != nullptr) {
        made->source = std::make_unique<cairn::engine::StoreSource>(*store->engine, metadata);
      } else {
        store->reading->locked([&](cairn::engine::StoreReader& reader) {
          made->mutex.assert_held();
          made->source = std::make_unique<cairn::engine::ReaderSource>(reader, metadata);
        });
      }
      auto opened = cairn::engine::Watch::open(*made->source, std::move(o));
      if (!opened.ok()) {
        return opened.status();
      }
      made->watch = std::move(*opened);
    }
    *watch = made.release();
    return {};
  });
}

cairn_status cairn_watch_next(cairn_watch* watch, cairn_watch_event* event, cairn_run_info* info, void* buffer,
                              size_t capacity, size_t* needed) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(watch));
    if (event == nullptr || (info != nullptr && needed == nullptr)) {
      return invalid("event, or needed with info: a null pointer");
    }
    const MutexLock guard(watch->mutex);
    if (watch->watch == nullptr) {
      return invalid("this watch has a callback: cairn_store_step hands out its events");
    }
    if (!watch->held) {
      const auto got = cairn::api::with_source(*watch, [&] {
        watch->mutex.assert_held();
        return watch->watch->next(watch->event);
      });
      if (!got.ok()) {
        return got.status();
      }
      if (!*got) {
        if (watch->fd >= 0) {
          cairn::api::arm(watch->fd, watch->interval_ms);
        }
        return Code::kUnchanged;
      }
      watch->held = watch->any = true;
    }
    CAIRN_TRY(cairn::api::hand_out(*watch, event, info, buffer, capacity, needed));
    watch->held = false;
    return {};
  });
}

cairn_status cairn_watch_current_json(cairn_watch* watch, char* buffer, size_t capacity, size_t* needed) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(watch));
    if (needed == nullptr) {
      return invalid("needed: a null pointer");
    }
    const MutexLock guard(watch->mutex);
    if (watch->watch == nullptr || (watch->flags & CAIRN_WATCH_METADATA) == 0) {
      return invalid("this watch keeps no metadata: open it with CAIRN_WATCH_METADATA and without a callback");
    }
    if (!watch->any || !cairn::api::has_run(watch->event)) {
      return Code::kNotFound;
    }
    return cairn::api::copy_out(watch->event.run.record.document.to_json(), true, buffer, capacity, needed);
  });
}

cairn_status cairn_watch_fd(cairn_watch* watch, int* fd) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(watch));
    if (fd == nullptr) {
      return invalid("fd: a null pointer");
    }
    const MutexLock guard(watch->mutex);
    if (watch->watch == nullptr) {
      return invalid("this watch has a callback: wait for cairn_store_wait_fd and call cairn_store_step");
    }
    if (watch->fd < 0) {
      watch->fd = cairn::wal::above_standard(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
      if (watch->fd < 0) {
        return cairn::engine::fail(Status(Code::kIo, "timerfd", errno), "no timer for the descriptor of a watch");
      }
      cairn::engine::close_in_child(watch->fd);
      cairn::api::arm(watch->fd, 0);
    }
    *fd = watch->fd;
    return {};
  });
}

cairn_status cairn_watch_close(cairn_watch* watch) noexcept {
  if (watch == nullptr) {
    return CAIRN_OK;
  }
  return guarded([&]() -> Status {
    CAIRN_TRY(cairn::api::check_handle(watch));
    const std::unique_ptr<cairn_watch> closed(watch);
    if (watch->callback != nullptr) {
      watch->engine->remove_listener(watch->callback.get());
      watch->callback->end();
    }
    const MutexLock guard(watch->mutex);  // ends before the watch does
    if (watch->fd >= 0) {
      cairn::engine::forget_in_child(watch->fd);
      ::close(watch->fd);
    }
    return {};
  });
}

}  // extern "C"
