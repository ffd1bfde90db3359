// A `cairn serve` as its users start it, on a loopback port of its own.
#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

extern char** environ;

namespace cairn::bench {

inline double seconds_of(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}
inline double cpu_of(const rusage& used) { return seconds_of(used.ru_utime) + seconds_of(used.ru_stime); }

class ServeProcess {
 public:
  /// Returns when it listens. If it cannot be started the program ends: `cairn serve` has said why.
  explicit ServeProcess(const std::string& store, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {CAIRN_COMMAND, "serve",    "--json",     "--store",
                                          store,         "--listen", "127.0.0.1:0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) {
      argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    int ends[2];
    if (pipe(ends) != 0) {
      fail();
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    if (posix_spawn(&pid_, CAIRN_COMMAND, &actions, nullptr, argv.data(), environ) != 0) {
      fail();
    }
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
  ~ServeProcess() {
    if (pid_ > 0) {
      end();
    }
  }
  ServeProcess(const ServeProcess&) = delete;
  ServeProcess& operator=(const ServeProcess&) = delete;

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
  [[noreturn]] static void fail() {
    std::fprintf(stderr, "bench: cannot start %s serve\n", CAIRN_COMMAND);
    _exit(1);
  }

  pid_t pid_ = 0;
  int out_ = -1;
  std::string address_;
  std::string url_;
  uint64_t peak_rss_ = 0;
};

}  // namespace cairn::bench
