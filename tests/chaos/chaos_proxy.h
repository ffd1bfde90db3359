// A TCP proxy between a sender and its `cairn serve` that does to requests what networks do. Of HTTP it knows where a
// message ends (Content-Length), no more.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "tests/support/seeded_random.h"

namespace cairn::tests {

enum class Fault : uint8_t {
  kPass,
  kDropRequest,    // closed before a byte was forwarded
  kDropReply,      // forwarded, answered, closed
  kCutReply,       // half of the answer arrives
  kCutRequest,     // half of the request arrives
  kDelayRequest,   // forwarded late, perhaps after the sender gave up and sent it again
  kDelayReply,     // answered late
  kDuplicate,      // forwarded on two connections, one after the other; the second answer is the one that arrives
  kTwiceAtOnce,    // forwarded on two connections at the same time
  kLateDuplicate,  // forwarded, and once more after the next request
  kReset,          // forwarded, and RST instead of the answer
  kFaults
};
inline constexpr size_t kFaultCount = static_cast<size_t>(Fault::kFaults);
const char* fault_name(Fault fault);

/// Threads: one for each connection of a sender. All functions may be called from any.
class ChaosProxy {
 public:
  explicit ChaosProxy(uint64_t seed);
  ~ChaosProxy();
  ChaosProxy(const ChaosProxy&) = delete;
  ChaosProxy& operator=(const ChaosProxy&) = delete;

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string url() const { return "http://" + address(); }
  /// Requests go there from now on; 0: nobody is there.
  void forward_to(uint16_t port) { target_ = port; }
  /// One of the faults for each request, drawn; else only what next() says.
  void set_drawing(bool drawing) { drawing_ = drawing; }
  /// For the next request that has none from an earlier call.
  void next(Fault fault);
  /// Delays are at most so long.
  void set_delay_ms(uint64_t ms) { delay_ms_ = ms; }
  /// Called between the server's answer and what becomes of it.
  void set_answered(std::function<void(Fault, const std::string& body)> answered);

  [[nodiscard]] uint64_t count(Fault fault) const { return counts_.at(static_cast<size_t>(fault)); }
  [[nodiscard]] uint64_t requests() const { return requests_; }
  /// Copies that were forwarded beside the request itself.
  [[nodiscard]] uint64_t copies() const { return copies_; }
  /// Requests for which no server was there, or that it did not answer.
  [[nodiscard]] uint64_t unanswered() const { return unanswered_; }
  [[nodiscard]] std::string report() const;

 private:
  void accept_all();
  void serve(int client);
  Fault draw(uint64_t& amount);
  std::string exchange(const std::string& request);
  void answered(Fault fault, const std::string& reply);
  void send_late();

  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<uint16_t> target_{0};
  std::atomic<bool> stop_{false};
  std::atomic<bool> drawing_{false};
  std::atomic<uint64_t> delay_ms_{100};
  std::array<std::atomic<uint64_t>, kFaultCount> counts_{};
  std::atomic<uint64_t> requests_{0}, copies_{0}, unanswered_{0};
  std::mutex mutex_;
  // Guarded by mutex_.
  testing::SeededRandom random_;
  std::deque<Fault> next_;
  std::deque<std::string> late_;
  std::function<void(Fault, const std::string&)> answered_;
  std::atomic<int> connections_{0};  // threads of theirs, detached; the destructor waits for them
  std::thread acceptor_;
};

}  // namespace cairn::tests
