#include "tools/interrupt.h"

#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace cairn::tools {

namespace {

volatile sig_atomic_t g_signal = 0;

void note_signal(int number) { g_signal = number; }

}  // namespace

void note_interrupts() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // no SA_RESTART: a read of stdin ends, too
  sigemptyset(&action.sa_mask);
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
  signal(g_signal, SIG_DFL);
  raise(g_signal);
  std::abort();  // a default SIGINT or SIGTERM does not return
}

}  // namespace cairn::tools
