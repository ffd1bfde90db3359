#include "tools/input/line_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "engine/base/error_detail.h"
#include "tools/process/interrupt.h"

namespace cairn::tools {

namespace {

constexpr size_t kLineBytesMax = 8u << 20;

}  // namespace

LineReader::~LineReader() {
  if (fd_ > STDIN_FILENO) {
    close(fd_);
  }
}

Status LineReader::open(const std::string& name) {
  name_ = name == "-" ? "stdin" : name;
  // An open of a FIFO that blocks until there is a writer may miss a signal. The wait for its input does not.
  fd_ = name == "-" ? STDIN_FILENO : ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ > STDIN_FILENO) {
    fcntl(fd_, F_SETFL, 0);
  }
  struct stat info = {};
  if (fd_ >= 0 && fstat(fd_, &info) == 0 && S_ISREG(info.st_mode)) {
    bytes_ = static_cast<uint64_t>(info.st_size);
  }
  if (fd_ > STDIN_FILENO && S_ISFIFO(info.st_mode) && !wait_for_input(fd_)) {
    return {Code::kTimeout, "interrupted"};
  }
  return fd_ >= 0 ? Status()
                  : engine::fail(Status(Code::kIo, "open", errno),
                                 "cannot read " + name_ + ": " + std::generic_category().message(errno));
}

Status LineReader::read_more() {
  std::array<char, 64u << 10> chunk;
  ahead_.erase(0, begin_);
  begin_ = 0;
  while (wait_for_input(fd_)) {
    const ssize_t got = read(fd_, chunk.data(), chunk.size());
    if (got >= 0) {
      ended_ = got == 0;
      bytes_read_ += static_cast<uint64_t>(got);
      ahead_.append(chunk.data(), static_cast<size_t>(got));
      return {};
    }
    if (errno != EINTR) {
      return engine::fail(Status(Code::kIo, "read", errno),
                          "cannot read " + name_ + ": " + std::generic_category().message(errno));
    }
  }
  return {Code::kTimeout, "interrupted"};
}

Result<bool> LineReader::next(std::string& line) {
  size_t looked = 0;
  while (true) {
    const size_t end = ahead_.find('\n', begin_ + looked);
    if (end == std::string::npos && !ended_) {
      looked = ahead_.size() - begin_;
      if (looked > kLineBytesMax) {
        ++number_;
        return engine::fail(Code::kTooLarge, "a line of more than 8 MiB");
      }
      CAIRN_TRY(read_more());
      continue;
    }
    if (end == std::string::npos && begin_ == ahead_.size()) {
      return false;
    }
    line = ahead_.substr(begin_, end == std::string::npos ? end : end - begin_);
    begin_ = end == std::string::npos ? ahead_.size() : end + 1;
    looked = 0;
    ++number_;
    if (line.find_first_not_of(" \t\r") != std::string::npos) {
      return true;
    }
  }
}

}  // namespace cairn::tools
