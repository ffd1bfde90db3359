// One line a request on stderr, for those who ask for it. It has no header and no query of a request: tokens stand there.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "api/http/options.h"
#include "wal/mutex.h"

namespace cairn::tools {

class RequestLog {
 public:
  enum class Form : uint8_t { kText, kJson };
  /// Lines are written by a thread of its own, so that a reader who is slow holds no request up. Beyond kLinesMax that
  /// wait for it lines are dropped, and their number is told.
  explicit RequestLog(Form form);
  /// Writes what waits.
  ~RequestLog();
  RequestLog(const RequestLog&) = delete;
  RequestLog& operator=(const RequestLog&) = delete;

  /// For http::ServerOptions::on_end.
  void add(const http::Ended& ended);

  static constexpr size_t kLinesMax = 10'000;

 private:
  [[nodiscard]] std::string line_of(const http::Ended& ended) const;
  [[nodiscard]] std::string dropped_text(uint64_t count) const;
  void work();
  void write_all(std::string_view text);

  const Form form_;
  Mutex mutex_{LockRank::kRequestLog};
  CondVar changed_;
  std::deque<std::string> lines_ CAIRN_GUARDED_BY(mutex_);
  uint64_t dropped_ CAIRN_GUARDED_BY(mutex_) = 0;
  bool ends_ CAIRN_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // the last: it uses all the others
};

}  // namespace cairn::tools
