// How a program that has started servers ends when it is interrupted.
#pragma once

#include <string>

namespace cairn::bench {

/// From now on SIGINT, SIGTERM and SIGHUP end the processes that this one started, remove `directory` and end this
/// program with 128 and the signal. Before the first thread: it blocks these signals in all threads, and a thread of its
/// own waits for them.
void end_cleanly_on_signals(std::string directory);
/// Returns at once, or never if that is under way: what failed then failed because the servers were ended.
void wait_if_ending();

}  // namespace cairn::bench
