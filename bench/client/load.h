// Many requests over connections that stay, by one thread that waits for none of them: as fast as answers come, or at
// even distances. Plain HTTP/1.1.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::bench {

/// The text of a request. It has a Host and what a body needs, and no other headers.
std::string request_text(std::string_view method, std::string_view target, std::string_view address,
                         std::string_view body = {}, std::string_view content_type = "application/json");

/// All functions throw std::runtime_error: an answer was none of those that were wanted, the server closed a connection,
/// or an answer took longer than 30 s.
class Load {
 public:
  using Clock = std::chrono::steady_clock;
  struct Pace {
    double seconds = 1;
    double per_second = 0;  // of all connections, in turn; 0: each asks again as soon as it is answered
  };
  struct Figures {
    uint64_t answers = 0;  // within the time; at a pace, all
    double seconds = 0;
    // Of these answers. At a pace, from the moment when the request was due, so that one that waits for the one before
    // it, or for this program, has waited, too.
    std::vector<double> ms;
    [[nodiscard]] double per_second() const { return static_cast<double>(answers) / seconds; }
  };
  /// The next request of a connection.
  using Next = std::function<std::string(size_t connection)>;
  /// Looks at an answer of status 200; every other one ends the load.
  using Took = std::function<void(size_t connection, std::string_view body)>;

  /// `connections` to IP:PORT, each of which has asked once. Throws.
  Load(const std::string& address, size_t connections);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// Returns when each request has its answer.
  Figures run(const Pace& pace, const Next& next, const Took& took = {});
  /// One request on each connection, one after the other.
  void once(const Next& next, const Took& took = {});

 private:
  struct Peer {
    int fd = -1;
    bool waits = false;
    Clock::time_point since;  // when what it waits for was due
    std::deque<Clock::time_point> owed;
    std::string in;
  };
  void close_all();
  void ask(size_t index, Clock::time_point due, const Next& next);
  /// True: a whole answer is there, and was taken.
  bool take(size_t index, const Took& took);
  /// Fills readable_.
  void wait(std::chrono::nanoseconds most);

  const int events_;
  std::vector<Peer> peers_;
  std::vector<size_t> readable_;
  size_t waiting_ = 0;
};

}  // namespace cairn::bench
