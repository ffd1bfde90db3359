// GET /cairn/v1/events: server-sent events of runs that changed. One thread looks at the storage for all streams, and
// visits only the runs that changed since its last look; without a stream it sleeps.
//
// A stream has one row for each run, however often it changed, and gets at most one message a tick. While its client
// has not received the last one, what changes is coalesced; what grows beyond kRowsWaitingMax becomes a reset.
// Each message ends with the position of all that was told, so a client that comes back with it misses nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/http/answer.h"
#include "api/server/run_storage.h"
#include "wal/mutex.h"

namespace cairn::server {

struct EventTimes {
  int64_t tick_ms = 50;
  int64_t quiet_ms = 15'000;  // without an event: then a comment says that the stream lives
};

/// Which runs a stream is about; each that is set must match.
struct EventFilter {
  std::vector<std::string> runs;  // one of these
  std::string task;
  std::vector<std::string> tags;  // all of them
  std::string parent;
  std::string root;
  bool with_metadata = false;
};

class EventStreams {
 public:
  static constexpr size_t kRowsOfEventMax = 500;
  static constexpr size_t kBytesOfEventMax = 4u << 20;  // the row that reaches it is the last
  static constexpr size_t kRowsWaitingMax = 20'000;     // of one stream

  /// `storage` must live longer. Throws std::system_error if there is no thread.
  explicit EventStreams(RunStorage& storage, EventTimes times = {});
  /// As let_go().
  ~EventStreams();
  EventStreams(const EventStreams&) = delete;
  EventStreams& operator=(const EventStreams&) = delete;

  /// Answers with a stream. `after`: what the client has; none: it begins now. Threads: any.
  void follow(EventFilter filter, std::optional<Position> after, http::Answer answer);
  /// Ends all streams; from now on one that begins ends at once.
  void let_go() noexcept;
  [[nodiscard]] size_t size() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Row;
  using RowPtr = std::shared_ptr<Row>;
  struct Follower {
    EventFilter filter;
    std::optional<Position> after;  // until it is with the others
    http::Stream stream;
    bool reset = false;                                // to be told
    std::map<uint64_t, RowPtr> rows;                   // by the number of the change
    std::unordered_map<std::string, uint64_t> places;  // of the runs in `rows`
    Clock::time_point last_sent;
  };

  void work() noexcept;
  void tick();
  Status look();
  Status catch_up(Follower& follower);
  void offer_all(Changes& changes, Follower* only);
  static void offer(Follower& follower, const RowPtr& row, uint64_t number);
  void send(Follower& follower, Clock::time_point now);
  [[nodiscard]] unsigned parts() const;

  RunStorage& storage_;
  const EventTimes times_;

  mutable Mutex mutex_{LockRank::kSubscriptions};  // never held together with that of Subscriptions
  CondVar changed_;
  std::vector<Follower> new_ CAIRN_GUARDED_BY(mutex_);
  bool over_ CAIRN_GUARDED_BY(mutex_) = false;
  bool ends_ CAIRN_GUARDED_BY(mutex_) = false;
  size_t size_ CAIRN_GUARDED_BY(mutex_) = 0;

  // Of the thread.
  std::vector<Follower> followers_;
  std::optional<Position> upto_;  // everything up to here was offered to all that have no `after`
  std::thread thread_;            // the last: it uses all the others
};

/// "FEED:NUMBER", the id of an event. nullopt: it is none.
std::optional<Position> read_event_id(std::string_view text);
std::string event_id(const Position& position);

}  // namespace cairn::server
