// What the kernel says of a process, and small sums over figures.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <vector>

namespace cairn::bench {

struct Memory {
  double rss_mb = 0;
  double peak_mb = 0;
  double threads = 0;
};
Memory memory_of(pid_t pid);
/// CPU seconds of all threads so far, to a hundredth.
double cpu_seconds_of(pid_t pid);

/// So that this program, and a server that it starts, can hold so many requests: a server takes as many connections as
/// its descriptors allow, 8,192 at most, and holds three quarters of them. Throws std::runtime_error.
void raise_descriptors(size_t held);

/// The value that `share` of all do not exceed; 0 of none.
double percentile(std::vector<double> values, double share);
double ms_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to);

}  // namespace cairn::bench
