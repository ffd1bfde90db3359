#include "tools/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <initializer_list>

namespace cairn::tools {

namespace {

volatile sig_atomic_t g_signal = 0;

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
  if (g_signal != 0) {
    die_of(number);
  }
  g_signal = number;
}

}  // namespace

void note_interrupts() {
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

void die_of_interrupt() {
  std::fflush(stdout);
  die_of(g_signal);
}

}  // namespace cairn::tools
