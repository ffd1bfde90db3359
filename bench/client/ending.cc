#include "bench/client/ending.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

namespace cairn::bench {
namespace {

std::atomic<bool> is_ending = false;

constexpr int kSignalled = 128;  // what a shell adds to the number of the signal
constexpr int kStopsMost = 100;
constexpr useconds_t kStopUs = 50'000;

pid_t parent_of(const std::filesystem::path& process) {
  std::ifstream file(process / "stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) {
    return 0;
  }
  std::istringstream fields(line.substr(name_end + 1));
  std::string state;
  pid_t parent = 0;
  fields >> state >> parent;
  return parent;
}

std::vector<pid_t> children() {
  std::vector<pid_t> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") == std::string::npos && parent_of(entry.path()) == getpid()) {
      out.push_back(static_cast<pid_t>(std::stol(name)));
    }
  }
  return out;
}

void end_children() {
  for (int i = 0; i < kStopsMost; ++i) {
    const std::vector<pid_t> left = children();
    if (left.empty()) {
      return;
    }
    for (const pid_t child : left) {
      kill(child, i + 1 == kStopsMost ? SIGKILL : SIGTERM);
      waitpid(child, nullptr, WNOHANG);
    }
    usleep(kStopUs);
  }
}

/// The main thread, whose servers are gone, may be removing it, too: then each finds that files have vanished.
void remove_wholly(const std::string& directory) {
  std::error_code error;
  for (int i = 0; i < kStopsMost && std::filesystem::exists(directory, error); ++i) {
    std::filesystem::remove_all(directory, error);
  }
}

}  // namespace

void end_cleanly_on_signals(std::string directory) {
  sigset_t these;
  sigemptyset(&these);
  for (const int one : {SIGINT, SIGTERM, SIGHUP}) {
    sigaddset(&these, one);
    (void)signal(one, SIG_DFL);  // a shell lets what it runs beside itself ignore SIGINT
  }
  pthread_sigmask(SIG_BLOCK, &these, nullptr);
  std::thread([these, directory = std::move(directory)] {
    int which = 0;
    if (sigwait(&these, &which) != 0) {
      return;
    }
    is_ending = true;
    end_children();
    remove_wholly(directory);
    std::fprintf(stderr, "interrupted: all servers have ended\n");
    _exit(kSignalled + which);
  }).detach();
}

void wait_if_ending() {
  while (is_ending) {
    pause();
  }
}

}  // namespace cairn::bench
