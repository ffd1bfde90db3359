// Lines of a file or of stdin. A signal ends the wait for one.
#pragma once

#include <cstdint>
#include <string>

#include "cairn/status.h"

namespace cairn::tools {

class LineReader {
 public:
  LineReader() = default;
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  /// "-" is stdin. kIo.
  Status open(const std::string& name);
  /// The next line that is not blank, without its end. False: there is none. kTooLarge: over 8 MiB. kTimeout:
  /// interrupted.
  Result<bool> next(std::string& line);
  /// Of the line that next() gave, from 1.
  [[nodiscard]] uint64_t number() const { return number_; }
  /// Of a file its size; else 0.
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] uint64_t bytes_read() const { return bytes_read_ - (ahead_.size() - begin_); }

 private:
  Status read_more();

  int fd_ = -1;
  std::string name_;
  std::string ahead_;  // read and not yet given out, from begin_ on
  size_t begin_ = 0;
  bool ended_ = false;
  uint64_t number_ = 0;
  uint64_t bytes_ = 0;
  uint64_t bytes_read_ = 0;
};

}  // namespace cairn::tools
