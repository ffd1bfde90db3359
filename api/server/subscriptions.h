// Answers live requests. One thread looks at the storage for all who wait, and visits only the runs that changed since
// its last look: what it costs grows neither with those who wait nor with runs that stay as they are.
//
// Nothing is lost between the check of a request and its wait: the changes since the check began are in the room, and
// what comes later is seen by a look. When changes are lost nevertheless (the storage does not know the room's position
// any more) all who wait are told that they are up to date, with what they have: they come again at once, and each is
// checked by itself.
//
// A subscription gets at most one answer in answer_ms. It is known by its electric-cursor, which is the time of its last
// answer: so a client may ask one server after another, and none of them remembers it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "api/http/answer.h"
#include "api/server/histogram.h"
#include "api/server/run_storage.h"
#include "api/server/shape_request.h"
#include "api/server/waiting_room.h"
#include "wal/mutex.h"

namespace cairn::server {

struct SubscriptionTimes {
  int64_t live_ms = 20'000;  // then a request is answered without a change; 15 % more or less, each another time
  int64_t look_ms = 50;      // between two looks, at least
  int64_t ask_ms = 1'000;    // between two looks, at most: hints may be lost
  int64_t answer_ms = 100;
  int64_t idle_ms = 5'000;  // without anybody who waits: then what the last looks saw is forgotten
};

class Subscriptions {
 public:
  /// `storage` must live longer. Throws std::system_error if there is no thread.
  explicit Subscriptions(RunStorage& storage, SubscriptionTimes times = {});
  /// As let_go().
  ~Subscriptions();
  Subscriptions(const Subscriptions&) = delete;
  Subscriptions& operator=(const Subscriptions&) = delete;

  /// Answers a live request, now or later. It may ask the storage. Threads: any.
  void follow(ShapeRequest request, http::Answer answer);
  /// Answers all who wait, and from now on keeps nobody waiting.
  void let_go() noexcept;

  struct Counters {
    size_t waiting = 0;
    uint64_t looks = 0;
    uint64_t rows = 0;  // that were sent to who waited
  };
  [[nodiscard]] Counters counters() const;
  /// From the change of a run to the answer that tells it, in seconds. Who gets an answer every answer_ms has some of
  /// that in it.
  [[nodiscard]] const Histogram& delays() const { return delays_; }

 private:
  /// As long as it lives the changes are followed, also while nobody waits yet.
  class Checking {
   public:
    explicit Checking(Subscriptions& of);
    ~Checking();
    Checking(const Checking&) = delete;
    Checking& operator=(const Checking&) = delete;

   private:
    Subscriptions& of_;
  };

  using Clock = SubscriptionClock;
  enum class Tried : uint8_t { kDone, kOver, kOvertaken };

  // Of handlers.
  Tried try_follow(Waiting& waiting);
  Status begin();
  void entered() CAIRN_REQUIRES(mutex_);
  Clock::time_point a_deadline() CAIRN_REQUIRES(mutex_);

  // Of the thread.
  void work() noexcept;
  Clock::time_point step();
  void look();
  bool look_at_some();
  void give(std::vector<Waiting> leaving, bool in_trouble) const;
  void count(const std::vector<ChangedRunPtr>& rows) const;

  void wake() noexcept;
  void restart(Position at) CAIRN_REQUIRES(mutex_);

  RunStorage& storage_;
  const SubscriptionTimes times_;
  int wake_fd_ = -1;
  std::atomic<bool> hinted_{false};  // set by hints, cleared by a look
  std::atomic<bool> ends_{false};
  std::atomic<size_t> waiting_{0};  // written under mutex_
  std::atomic<uint64_t> looks_{0};
  mutable std::atomic<uint64_t> rows_{0};
  mutable Histogram delays_{kDelayBounds};

  mutable Mutex mutex_{LockRank::kSubscriptions};
  WaitingRoom room_ CAIRN_GUARDED_BY(mutex_);
  bool over_ CAIRN_GUARDED_BY(mutex_) = false;
  bool in_trouble_ CAIRN_GUARDED_BY(mutex_) = false;  // the last look failed
  size_t checking_ CAIRN_GUARDED_BY(mutex_) = 0;      // requests on their way into the room
  bool has_begun_ CAIRN_GUARDED_BY(mutex_) = false;   // the room's position is one of the storage's
  uint64_t restarts_ CAIRN_GUARDED_BY(mutex_) = 0;    // of the room
  Clock::time_point last_busy_ CAIRN_GUARDED_BY(mutex_);
  std::minstd_rand random_ CAIRN_GUARDED_BY(mutex_);

  // Of the thread.
  Clock::time_point last_look_;
  Clock::time_point last_sweep_;
  std::thread thread_;  // the last: it uses all the others
};

}  // namespace cairn::server
