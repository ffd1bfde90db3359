// Servers that are measured, each a process of its own.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

extern char** environ;

namespace cairn::bench {

inline double seconds_of(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}
inline double cpu_of(const rusage& used) { return seconds_of(used.ru_utime) + seconds_of(used.ru_stime); }

/// A server that is a child of this program, and says in its first line of output where it listens: an object with
/// `listening`, IP:PORT, and `url`.
class ChildServer {
 public:
  /// Returns when it listens. Throws std::runtime_error: it cannot be started, and has said why.
  explicit ChildServer(std::vector<std::string> arguments) : name_(arguments.front()) {
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) {
      argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      fail();
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);  // this program may have blocked some
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (posix_spawnp(&pid_, argv[0], &actions, &attributes, argv.data(), environ) != 0) {
      fail();
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    std::string line;
    char byte = 0;
    while (read(ends[0], &byte, 1) == 1 && byte != '\n') {
      line.push_back(byte);
    }
    out_ = ends[0];
    const auto said = nlohmann::json::parse(line, nullptr, false);
    if (!said.is_object()) {
      fail();
    }
    address_ = said.at("listening").get<std::string>();
    url_ = said.at("url").get<std::string>();
  }
  ~ChildServer() {
    if (pid_ > 0) {
      end();
    }
  }
  ChildServer(const ChildServer&) = delete;
  ChildServer& operator=(const ChildServer&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] const std::string& url() const { return url_; }
  /// The CPU seconds that it took.
  double end() {
    kill(pid_, SIGTERM);
    rusage used = {};
    wait4(pid_, nullptr, 0, &used);
    close(out_);
    pid_ = 0;
    peak_rss_ = static_cast<uint64_t>(used.ru_maxrss) * 1024;
    return cpu_of(used);
  }
  [[nodiscard]] uint64_t peak_rss() const { return peak_rss_; }

 private:
  [[noreturn]] void fail() {
    if (pid_ > 0) {
      end();
    }
    throw std::runtime_error("cannot start " + name_);
  }

  const std::string name_;
  pid_t pid_ = 0;
  int out_ = -1;
  std::string address_;
  std::string url_;
  uint64_t peak_rss_ = 0;
};

/// A `cairn serve` as its users start it, on a loopback port of its own.
class ServeProcess : public ChildServer {
 public:
  explicit ServeProcess(const std::string& store, const std::vector<std::string>& more = {})
      : ChildServer(arguments(store, more)) {}

 private:
  static std::vector<std::string> arguments(const std::string& store, const std::vector<std::string>& more) {
    std::vector<std::string> out = {CAIRN_COMMAND, "serve", "--json", "--store", store, "--listen", "127.0.0.1:0"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
};

}  // namespace cairn::bench
