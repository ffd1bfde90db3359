// Pages that follow all runs by GET /cairn/v1/events. A thread of its own reads for all of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace cairn::bench {

/// The body of an answer in chunks, piece by piece as bytes come. Throws std::runtime_error: no chunks.
class Dechunked {
 public:
  /// What `bytes` adds to the body.
  std::string add(std::string_view bytes);

 private:
  std::string in_;
};

class EventReaders {
 public:
  /// Each on a connection of its own. Throws std::runtime_error.
  EventReaders(const std::string& address, size_t count);
  ~EventReaders();
  EventReaders(const EventReaders&) = delete;
  EventReaders& operator=(const EventReaders&) = delete;

  // All throw what has failed so far.
  /// Whether the server has begun to answer each of them.
  [[nodiscard]] bool are_open() const;
  /// Rows that all of them have received.
  [[nodiscard]] uint64_t rows() const;
  /// Whether each has been told this state of the run.
  [[nodiscard]] bool have(const std::string& run, const std::string& sequence) const;

 private:
  struct Reader {
    int fd = -1;
    bool has_head = false;
    std::string in;
    Dechunked chunks;
    std::string text;  // of an event that is not whole yet
    std::unordered_map<std::string, std::string> sequences;
  };
  void drive();
  void read(Reader& reader);
  void take_event(Reader& reader, std::string_view event);
  void close_all();
  /// Throws what has failed. Holding mutex_.
  void expect_alive() const;

  const int events_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<Reader> readers_;
  std::string failed_;
  uint64_t rows_ = 0;

  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace cairn::bench
