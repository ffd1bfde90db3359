// One engine under measurement, as the driver sees it. Each engine_*.cc has one; contenders.cc lists them with their
// settings.
//
// A run's value carries a number, the count of updates that the run got, so that the last value can be read back: a
// `point` is that number, a `doc` is 300 bytes that begin with it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace cairn::bench {

inline constexpr int kDocumentBytes = 300;

struct Shape {
  int runs = 1;
  bool document = false;  // else a point
  bool create = true;     // false: open what is there, for reading back after a kill
};

/// What one thread uses. Calls that fail end the process with a message: a benchmark has no use for half a result.
class Session {
 public:
  virtual ~Session() = default;
  /// Acknowledged, as the contender's class says, when it returns.
  virtual void update(int run, uint64_t number) = 0;
  /// `count` updates in one transaction: number + i to run (run + i) % runs.
  virtual void update_batch(int run, uint64_t number, int count) = 0;
  /// 0: nothing there.
  virtual uint64_t read(int run) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::unique_ptr<Session> session() = 0;
};

[[noreturn]] void give_up(const std::string& what);

/// "run-00000007".
std::string run_name(int run);

/// The bytes that key-value engines store: 9 for a point (a tag and the number), 300 for a document.
class ValueBytes {
 public:
  explicit ValueBytes(bool document) : text_(document ? kDocumentBytes : 9, 'x') {}
  const std::string& of(uint64_t number);
  static uint64_t number_in(const char* data, size_t bytes);

 private:
  std::string text_;
};

}  // namespace cairn::bench
