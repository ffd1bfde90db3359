// Stores that sync through a network that loses, cuts, spoils, delays and doubles what it carries, while their
// processes are killed and their clocks jump: one seed is one run, to the byte. The engine is the real one, on a real
// disk; simulated are clock, random numbers and network. What must come out is known from outside: each operation is
// noted before it is given to a store.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cairn/status.h"

namespace cairn::sim {

struct Options {
  uint64_t seed = 1;
  std::string directory;  // empty and ours: stores are made in it
  uint32_t workers = 3;
  uint32_t runs = 8;  // of each worker
  uint32_t actions = 2000;
  uint32_t batch_entries = 5;
  bool chain = false;         // the upstream has an upstream of its own, which is compared
  bool shared = true;         // workers also change the first worker's runs, as their parents
  bool late_parents = false;  // and parents that they start themselves, later
  // One in so many: messages, actions. 0: never.
  uint32_t lose_request = 10, lose_answer = 10, cut = 20, flip = 20, delay = 10, twice = 10;
  uint32_t deny = 40, busy = 30;
  uint32_t kill_worker = 60, kill_upstream = 80;
  uint32_t clock_jump = 100;
  uint32_t too_large = 30;          // a batch of several entries is, also one that was taken
  uint32_t rename = 150;            // the upstream gets another name
  uint32_t detach = 100;            // a worker sends nothing for a while
  bool no_duplicate_check = false;  // a planted fault: the check that finds it must find it
};

struct Result {
  bool equal = false;
  std::vector<std::string> differences;  // at most 20
  uint64_t operations = 0, messages = 0, batches = 0, bytes = 0;
  uint64_t lost_requests = 0, lost_answers = 0, cut = 0, flipped = 0, delayed = 0, doubled = 0, denied = 0, busy = 0;
  uint64_t worker_kills = 0, upstream_kills = 0, clock_jumps = 0, too_large = 0, renamed = 0, detached = 0;
  uint64_t duplicates = 0;    // batches that the upstream knew
  uint64_t refused = 0;       // that it could not read
  uint64_t late_starts = 0;   // of runs that were updated before
  uint64_t backlogs = 0;      // operations that were refused because so many waited
  uint64_t dead_letters = 0;  // at the end
  int64_t simulated_ms = 0;
  uint64_t trace = 0;  // a hash over all messages: the same seed gives the same
};

/// `progress`, if given, is called now and then with the share that is done, and may return false to stop: kTimeout.
cairn::Result<Result> simulate(const Options& options, const std::function<bool(double)>& progress = nullptr);

}  // namespace cairn::sim
