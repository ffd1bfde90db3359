#include "tools/process/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <initializer_list>

namespace cairn::tools {

namespace {

// Of the handler, on whichever thread it runs.
std::atomic<int> g_signal{0};  // the first one
std::atomic<int> g_count{0};
std::atomic<int> g_kills_at{2};
std::atomic<bool> g_reload{false};
bool g_ends_with_terminal = false;
static_assert(std::atomic<int>::is_always_lock_free);
// The handler writes a byte. A wait that polls it misses no signal, however shortly before the wait it came: the
// "self-pipe trick" of D. J. Bernstein.
int g_pipe[2] = {-1, -1};

// Async-signal-safe: it is also called by the handler.
[[noreturn]] void die_of(int number) {
  signal(number, SIG_DFL);
  raise(number);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, number);
  pthread_sigmask(SIG_UNBLOCK, &one, nullptr);  // in its handler a signal waits
  // Still here: the kernel takes no default action for the first process of a container. As a shell would tell it.
  _exit(128 + number);
}

void note_signal(int number) {
  if (++g_count >= g_kills_at) {
    die_of(number);
  }
  int none = 0;
  g_signal.compare_exchange_strong(none, number);
  const int saved = errno;
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = write(g_pipe[1], &byte, 1);
  errno = saved;
}

void note_hang_up(int /*number*/) { g_reload = true; }

bool has_terminal() {
  const int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd >= 0) {
    close(fd);
  }
  return fd >= 0;
}

// True where `fd` (-1: none) has something to read, or its end; false after `ms` (-1: no limit), or where interrupted.
bool wait_for(int fd, int ms) {
  pollfd fds[] = {{g_pipe[0], POLLIN, 0}, {fd, POLLIN, 0}};
  while (!interrupted()) {
    const int ready = poll(fds, 2, ms);
    if (ready == 0 || (ready > 0 && fds[1].revents != 0)) {
      return ready > 0;
    }
    if (ready > 0 && !interrupted()) {  // a forked child got a signal of its own: it shares the pipe
      char byte = 0;
      [[maybe_unused]] const ssize_t taken = read(g_pipe[0], &byte, 1);
    }
  }
  return false;
}

}  // namespace

void note_interrupts() {
  // Without it, for want of descriptors, a signal still ends a wait that is already there.
  if (pipe2(g_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    g_pipe[0] = g_pipe[1] = -1;
  }
  struct sigaction action {};
  action.sa_handler = note_signal;
  // No SA_RESTART: a read of stdin ends, too.
  sigemptyset(&action.sa_mask);
  signal(SIGXFSZ, SIG_IGN);  // over `ulimit -f` the write fails, and is told of
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction before {};
    sigaction(number, nullptr, &before);
    if (before.sa_handler != SIG_IGN) {  // under nohup, or in the background of a script
      sigaction(number, &action, nullptr);
    }
  }
}

bool interrupted() { return g_signal != 0; }

void note_reloads() {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = note_hang_up;
  action.sa_flags = SA_RESTART;  // it interrupts nothing
  sigemptyset(&action.sa_mask);
  sigaction(SIGHUP, &action, &before);
  g_ends_with_terminal = before.sa_handler != SIG_IGN && has_terminal();
}

bool reload_asked() {
  if (!g_reload.exchange(false)) {
    return false;
  }
  if (g_ends_with_terminal && !has_terminal()) {
    note_signal(SIGHUP);
    return false;
  }
  return true;
}

void kill_at_interrupt(int number) { g_kills_at = number; }

void forget_interrupt() {
  const int first = g_signal.exchange(0);  // what is in the pipe is taken by the next wait
  if (g_count > 1) {
    g_signal = first;
  }
}

bool wait_for_input(int fd) { return wait_for(fd, -1); }

void pause_ms(uint64_t ms) { wait_for(-1, static_cast<int>(std::min<uint64_t>(ms, INT_MAX))); }

void die_of_interrupt() {
  std::fflush(stdout);
  die_of(g_signal);
}

}  // namespace cairn::tools
