// Each open, write, sync, resize, rename, mkdir and remove of a short life fails: with each error that it may give,
// once and from then on. Whatever it is, the calls say so or work, nothing crashes, and a later open without faults
// shows all that was acknowledged.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tests/crash/crash_lives.h"
#include "tests/crash/crash_prover.h"

namespace cairn::testing {
namespace {

struct Case {
  size_t call;
  int error;  // 0: the write is short
  bool sticky;
};

std::vector<int> errors_of(const WatchedCall& call) {
  switch (call.call) {
    case DiskCall::kOpen:
      return call.creates ? std::vector<int>{EIO, ENOSPC, EMFILE} : std::vector<int>{EIO, EMFILE};
    case DiskCall::kWrite:
      return {EIO, ENOSPC, EINTR, 0};
    case DiskCall::kSync:
      return {EIO, ENOSPC, EINTR};
    case DiskCall::kResize:
      return {EIO, ENOSPC, EINTR};
    case DiskCall::kRename:
    case DiskCall::kMakeDirectory:
      return {EIO, ENOSPC};
    case DiskCall::kRemove:
      return {EIO};
  }
  return {};
}

std::vector<Case> cases_of(const std::vector<WatchedCall>& calls, size_t first) {
  std::vector<Case> cases;
  size_t fills = 0;
  for (size_t i = first; i < calls.size(); ++i) {
    fills = calls[i].fill ? fills + 1 : 0;
    if (fills > 2 && fills % 32 != 0) {
      continue;  // one of many alike
    }
    for (const int error : errors_of(calls[i])) {
      cases.push_back({i, error, false});
      // For ever interrupted is no fault but a hang.
      if (error != EINTR) {
        cases.push_back({i, error, true});
      }
    }
  }
  return cases;
}

TEST(CrashStates, EveryFailingCallGivesAClearErrorAndLosesNothing) {
  const uint64_t seed = crash_budget().seed;
  CrashProver prover("failed calls", seed);
  std::vector<WatchedCall> calls;
  size_t first = 0;
  {
    RecordedLife life(seed);
    first = life.watched_calls().size();
    short_life(life);
    ASSERT_EQ(life.failure(), "");
    calls = life.watched_calls();
  }
  const std::vector<Case> cases = cases_of(calls, first);
  // All of them in the deep form, else every n-th.
  const uint64_t share = crash_budget().states / 8;
  const size_t step = std::max<size_t>(1, cases.size() * 2 / std::max<uint64_t>(1, share));
  const size_t states = std::max<size_t>(2, share * step / cases.size());
  size_t lives = 0;
  size_t failed = 0;
  for (size_t i = seed % step; i < cases.size(); i += step) {
    const Case& c = cases[i];
    const WatchedCall& call = calls[c.call];
    const std::string which = std::string(call_name(call.call)) + " " + std::to_string(c.call) + " of " + call.path +
                              " " + (c.error == 0 ? "short" : strerrorname_np(c.error)) +
                              (c.sticky ? " for good: " : ": ");
    DiskFault fault;
    fault.kind = DiskFault::Kind::kCall;
    fault.skip = c.call;
    fault.error = c.error;
    fault.short_writes = c.error == 0;
    fault.times = c.sticky ? DiskFault::kForever : 1;
    RecordedLife life(seed);
    life.arm(fault);
    short_life(life);
    ASSERT_TRUE(life.fault_met()) << which;
    failed += life.failed_calls() > 0 ? 1 : 0;
    // LMDB takes a short write for an error.
    if (call.call == DiskCall::kWrite && !c.sticky && (c.error == EINTR || c.error == 0) &&
        call.path.rfind("data", 0) != 0) {
      EXPECT_EQ(life.failed_calls(), 0u) << which;
    }
    life.disarm().close().must_work();
    life.open().start("last", 1).keys("last", 1, 1).flush().close();
    life.stop();
    ++lives;
    ASSERT_TRUE(prover.prove(life, prover.points_behind_fault(life, states), which)) << prover.failure();
  }
  std::printf("crash: failed calls: seed %llu, calls %zu, cases %zu, lives %zu, with a failed call %zu\n",
              static_cast<unsigned long long>(seed), calls.size(), cases.size(), lives, failed);
  EXPECT_GT(failed, 0u);
}

}  // namespace
}  // namespace cairn::testing
