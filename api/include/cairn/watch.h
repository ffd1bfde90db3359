// Watching runs. See "watching" in cairn.h for which events there are and when.
#ifndef CAIRN_WATCH_H
#define CAIRN_WATCH_H

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/options.h"
#include "cairn/run.h"
#include "cairn/value.h"

namespace cairn {

enum class WatchKind : int32_t {
  kChanged = CAIRN_WATCH_CHANGED,
  kFinished = CAIRN_WATCH_FINISHED,
  kErased = CAIRN_WATCH_ERASED,
  kReset = CAIRN_WATCH_RESET,        // drop what you hold; all runs that exist follow
  kOrphaned = CAIRN_WATCH_ORPHANED,  // unfinished, and its process is gone
};

struct WatchOptions {
  std::string run = {};                     // empty: all runs
  std::string token = {};                   // of an earlier event: continue after it
  bool metadata = false;                    // events carry the metadata
  bool from_now = false;                    // without a token: only what changes from now on
  std::chrono::milliseconds interval{100};  // of the descriptor, of wait and of callbacks; at least 20
};

struct WatchEvent {
  WatchKind kind = WatchKind::kChanged;
  std::string run;
  uint64_t version = 0;
  std::string token;            // where the watcher stands after this event
  std::optional<RunInfo> info;  // nothing with kErased and kReset
  std::string text;             // the metadata as JSON, if asked for

  /// The metadata, if it was asked for and there is any.
  [[nodiscard]] json metadata() const { return text.empty() ? json::object() : json::parse(text, nullptr, false); }
};

/// Made by Store::watch. Plain names throw Error, try_ names return it. Threads: one call at a time. It may outlive the
/// Store; its calls then fail with kClosed.
class Watch {
 public:
  /// The next event; nothing if there is none now. Errors: kAgain, kCorrupt, kIo of a store that is only read.
  [[nodiscard]] std::optional<WatchEvent> next() {
    std::optional<WatchEvent> e;
    detail::check(take(e));
    return e;
  }
  [[nodiscard]] Result<std::optional<WatchEvent>> try_next() noexcept {
    std::optional<WatchEvent> e;
    const Status s = detail::attempt([&] { return take(e); });
    return s.worked() ? Result<std::optional<WatchEvent>>(std::move(e)) : Result<std::optional<WatchEvent>>(s);
  }

  /// Waits for the next event; nullopt if there is none within `timeout`.
  [[nodiscard]] std::optional<WatchEvent> wait(std::chrono::milliseconds timeout) {
    const auto end = std::chrono::steady_clock::now() + timeout;
    while (true) {
      if (auto event = next()) {
        return event;
      }
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      if (left.count() <= 0) {
        return std::nullopt;
      }
      pollfd wanted{fd(), POLLIN, 0};
      (void)poll(&wanted, 1, static_cast<int>(std::min<int64_t>(left.count(), 60'000)));
    }
  }

  /// Readable when next() may have something; next() until it gives nothing re-arms it. Poll it, do not read or close
  /// it.
  [[nodiscard]] int fd() {
    int fd = -1;
    detail::check(cairn_watch_fd(handle_.get(), &fd));
    return fd;
  }

  /// for (const WatchEvent& event : watch): all there is now.
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = WatchEvent;
    using difference_type = std::ptrdiff_t;
    using pointer = const WatchEvent*;
    using reference = const WatchEvent&;
    Iterator() = default;
    explicit Iterator(Watch& watch) : watch_(&watch), event_(watch.next()) {}
    reference operator*() const { return *event_; }
    pointer operator->() const { return &*event_; }
    Iterator& operator++() {
      event_ = watch_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(const Iterator& o) const { return event_.has_value() == o.event_.has_value(); }
    bool operator!=(const Iterator& o) const { return !(*this == o); }

   private:
    Watch* watch_ = nullptr;
    std::optional<WatchEvent> event_;
  };
  Iterator begin() { return Iterator(*this); }
  Iterator end() { return {}; }

  /// Ends the watch; no callback runs after it (except the one that it is called from).
  void close() noexcept { handle_.reset(); }

  [[nodiscard]] cairn_watch* handle() const noexcept { return handle_.get(); }

 private:
  friend class Store;
  struct Close {
    void operator()(cairn_watch* watch) const noexcept { (void)cairn_watch_close(watch); }
  };
  using Changed = std::function<void(const WatchEvent&)>;

  Watch() = default;

  cairn_status take(std::optional<WatchEvent>& out) {
    cairn_watch_event event = {};
    event.struct_bytes = sizeof event;
    cairn_run_info info = {};
    info.struct_bytes = sizeof info;
    size_t needed = 0;
    cairn_status s;
    while ((s = cairn_watch_next(handle_.get(), &event, &info, block_.data(), block_.size(), &needed)) ==
           CAIRN_TOO_LARGE) {
      block_.resize(needed);
    }
    if (s != CAIRN_OK) {
      return s;
    }
    out = event_of(event, info.id == nullptr ? nullptr : &info);
    if (!metadata_ || !out->info) {
      return s;
    }
    return detail::read_bytes(out->text, [&](char* buffer, size_t capacity, size_t* bytes) {
      return cairn_watch_current_json(handle_.get(), buffer, capacity, bytes);
    });
  }

  static WatchEvent event_of(const cairn_watch_event& c, const cairn_run_info* info) {
    WatchEvent e;
    e.kind = static_cast<WatchKind>(c.kind);
    e.run = c.run;
    e.version = c.version;
    e.token = c.token;
    if (info != nullptr) {
      e.info = detail::info_of<RunInfo>(*info);
    }
    return e;
  }

  // An exception ends the callbacks: there is no caller to pass it to.
  static int32_t forward(void* context, const cairn_watch_event* event, const cairn_run_info* info,
                         const char* metadata, size_t metadata_bytes) noexcept {
    const Status s = detail::attempt([&] {
      WatchEvent e = event_of(*event, info);
      if (metadata != nullptr) {
        e.text.assign(metadata, metadata_bytes);
      }
      (*static_cast<Changed*>(context))(e);
      return cairn_status{CAIRN_OK};
    });
    return s.ok() ? 0 : 1;
  }

  cairn_status open(cairn_store* store, const WatchOptions& o, Changed changed) {
    cairn_watch_options c = {};
    c.struct_bytes = sizeof c;
    metadata_ = o.metadata;
    c.flags = (o.metadata ? uint32_t{CAIRN_WATCH_METADATA} : 0) | (o.from_now ? uint32_t{CAIRN_WATCH_FROM_NOW} : 0);
    if (o.interval.count() < 1 || o.interval.count() > INT32_MAX) {
      return detail::set_error(Code::kInvalidArgument, "", "WatchOptions: interval is at least 20 ms");
    }
    c.interval_ms = static_cast<uint32_t>(o.interval.count());
    if (changed) {
      changed_ = std::make_unique<Changed>(std::move(changed));
      c.changed = forward;
      c.context = changed_.get();
    }
    cairn_watch* watch = nullptr;
    const cairn_status s = cairn_watch_open(store, o.run.empty() ? nullptr : o.run.c_str(),
                                            o.token.empty() ? nullptr : o.token.c_str(), &c, &watch);
    handle_.reset(watch);
    return s;
  }

  std::unique_ptr<Changed> changed_;  // destroyed after the handle is closed
  std::vector<char> block_ = std::vector<char>(512);
  bool metadata_ = false;
  std::unique_ptr<cairn_watch, Close> handle_;
};

}  // namespace cairn

#endif  // CAIRN_WATCH_H
