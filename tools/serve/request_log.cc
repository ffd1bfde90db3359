#include "tools/serve/request_log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <string_view>
#include <utility>

#include "api/server/keys.h"
#include "api/server/times.h"
#include "engine/json/json.h"
#include "tools/output/terminal_text.h"
#include "wal/signals_blocked.h"

namespace cairn::tools {

namespace {

using engine::Value;

const char* principal_name(int role) {
  switch (role) {
    case 0:
      return "none";
    case server::kSyncToken:
      return "sync token";
    case server::kPublicToken:
      return "public token";
    default:
      return "API key";
  }
}

constexpr int kLookMs = 100;
constexpr int kLastLooks = 10;  // so long a reader who has stopped holds up the end

}  // namespace

// A pipe that nobody reads takes nothing, and a write to it would not return: what is asked of it first is whether it
// takes PIPE_BUF bytes.
void RequestLog::write_all(std::string_view text) {
  int looks_at_end = 0;
  while (!text.empty()) {
    pollfd ready = {STDERR_FILENO, POLLOUT, 0};
    const int polled = ::poll(&ready, 1, kLookMs);
    if (polled == 0) {
      const MutexLock lock(mutex_);
      if (ends_ && ++looks_at_end > kLastLooks) {
        return;
      }
    }
    if (polled <= 0) {
      continue;
    }
    const ssize_t n = ::write(STDERR_FILENO, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
    if (n < 0 && errno != EINTR && errno != EAGAIN) {
      return;  // whoever read it has gone
    }
    text.remove_prefix(static_cast<size_t>(n < 0 ? 0 : n));
  }
}

RequestLog::RequestLog(Form form) : form_(form) {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { work(); });
}

RequestLog::~RequestLog() {
  {
    const MutexLock lock(mutex_);
    ends_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

std::string RequestLog::line_of(const http::Ended& ended) const {
  const std::string time = iso_time(server::wall_us());
  const double ms = static_cast<double>(ended.duration_us) / 1000;
  const std::string path(ended.path);
  if (form_ == Form::kText) {
    char figures[96];
    std::snprintf(figures, sizeof figures, " %u %llu bytes %.3f ms ", ended.status,
                  static_cast<unsigned long long>(ended.bytes), ms);
    return time + " " + (ended.method.empty() ? "-" : printable(std::string(ended.method))) + " " +
           (path.empty() ? "-" : printable(path)) + figures + principal_name(ended.role) + " " + std::string(ended.id) +
           "\n";
  }
  engine::Object line = {{"time", time},
                         {"method", Value(valid_text(std::string(ended.method)))},
                         {"route", Value(std::string(ended.route))},
                         {"path", Value(valid_text(path))},
                         {"status", Value(uint64_t{ended.status})},
                         {"bytes", Value(ended.bytes)},
                         {"ms", Value(ms)},
                         {"principal", Value(principal_name(ended.role))},
                         {"id", Value(std::string(ended.id))}};
  return engine::to_json(Value(std::move(line))) + "\n";
}

std::string RequestLog::dropped_text(uint64_t count) const {
  const std::string text = std::to_string(count) + " requests were not logged: stderr is read too slowly";
  return form_ == Form::kText ? "cairn: " + text + "\n"
                              : engine::to_json(Value(engine::Object{{"message", text}})) + "\n";
}

void RequestLog::add(const http::Ended& ended) {
  std::string line = line_of(ended);
  const MutexLock lock(mutex_);
  if (lines_.size() >= kLinesMax) {
    ++dropped_;
    return;
  }
  lines_.push_back(std::move(line));
  changed_.notify_one();
}

void RequestLog::work() {
  for (bool ends = false; !ends;) {
    std::string text;
    {
      const MutexLock lock(mutex_);
      while (lines_.empty() && !ends_) {
        changed_.wait(mutex_);
      }
      for (const std::string& line : lines_) {
        text += line;
      }
      lines_.clear();
      text += dropped_ != 0 ? dropped_text(std::exchange(dropped_, 0)) : "";
      ends = ends_;
    }
    write_all(text);
  }
}

}  // namespace cairn::tools
