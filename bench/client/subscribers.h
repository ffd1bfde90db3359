// Clients that follow runs as the npm client does: one request for what there is, then one after the other that the
// server holds until something changes. A thread of its own drives them all.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bench/client/connection.h"

namespace cairn::bench {

class Subscribers {
 public:
  using Clock = std::chrono::steady_clock;
  struct Answer {
    size_t subscriber = 0;
    Clock::time_point at;
    Reply reply;
  };

  using OnAnswer = std::function<void(const Answer&)>;

  /// One for each of `targets`, each on a connection of its own. `on_answer` is called in the thread that drives them,
  /// for each answer that brings something; without it wait_answers() has them.
  Subscribers(const Endpoint& endpoint, const std::vector<std::string>& targets, OnAnswer on_answer = {});
  ~Subscribers();
  Subscribers(const Subscribers&) = delete;
  Subscribers& operator=(const Subscribers&) = delete;

  // Both throw std::runtime_error: a subscription failed, or it took longer than 60 s.
  /// Returns when each has all that there is, and has asked for what comes next.
  void wait_held();
  /// Returns when `count` answers have come since the last call that brought something.
  std::vector<Answer> wait_answers(size_t count);

  /// Throws what has failed so far.
  void check() const;
  /// Requests that were answered because their time was up, and asked again.
  [[nodiscard]] uint64_t renewed() const;

 private:
  struct Subscriber {
    std::string target;
    std::string handle;  // "": it has not got what there is
    std::string offset = "-1";
    std::string cursor;
    std::unique_ptr<Connection> connection;
  };
  void drive();
  void connect(size_t index);
  void ask(Subscriber& subscriber);
  void take(size_t index);
  void take(size_t index, Reply reply);
  template <class Done>
  void wait(std::unique_lock<std::mutex>& lock, const char* what, Done&& done);

  const Endpoint& endpoint_;
  const OnAnswer on_answer_;
  const int events_;
  std::vector<Subscriber> subscribers_;  // of the thread
  size_t opened_ = 0;                    // of the thread

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  bool stop_ = false;
  std::string failed_;
  size_t held_ = 0;
  uint64_t renewed_ = 0;
  std::vector<Answer> answers_;

  std::thread thread_;
};

}  // namespace cairn::bench
