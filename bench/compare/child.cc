#include "bench/compare/child.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <iostream>

#include "bench/compare/engine.h"

namespace cairn::bench {
namespace {

std::atomic<bool> was_interrupted{false};
std::atomic<pid_t> running{0};

void note_interrupt(int) {
  was_interrupted = true;
  if (const pid_t child = running; child > 0) {
    kill(-child, SIGKILL);
  }
}

}  // namespace

CaseDirectory::CaseDirectory(const std::string& below) {
  std::error_code error;
  std::filesystem::create_directories(below, error);
  std::string name = below + "/case-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) {
    give_up("cannot make a directory below " + below);
  }
  path_ = std::filesystem::absolute(name).string();
}

CaseDirectory::~CaseDirectory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

pid_t start_child(const std::function<void()>& work) {
  std::cout.flush();
  const pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    try {
      work();
    } catch (const std::exception& e) {
      give_up(e.what());
    }
    _exit(0);
  }
  if (child < 0) {
    give_up("fork failed");
  }
  setpgid(child, child);  // whoever is first
  return child;
}

std::optional<nlohmann::json> in_child(const std::function<nlohmann::json()>& work) {
  int ends[2];
  if (pipe(ends) != 0) {
    give_up("no pipe");
  }
  const pid_t child = start_child([&] {
    close(ends[0]);
    const std::string text = work().dump();
    for (size_t at = 0; at < text.size();) {
      const ssize_t n = write(ends[1], text.data() + at, text.size() - at);
      if (n <= 0) {
        _exit(1);
      }
      at += static_cast<size_t>(n);
    }
  });
  running = child;
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) != 0;) {
    if (n > 0) {
      text.append(buffer, static_cast<size_t>(n));
    } else if (errno != EINTR) {
      break;
    }
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  running = 0;
  kill(-child, SIGKILL);  // a server that it left
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || interrupted()) {
    return std::nullopt;
  }
  return nlohmann::json::parse(text);
}

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = note_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return was_interrupted; }

}  // namespace cairn::bench
