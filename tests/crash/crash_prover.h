// Makes crash states from a recorded life, opens each with the real code, and compares what it shows with the history.
//
// A crash state is: a prefix of the operation log; maybe a part of the next operation (a write cut anywhere, stores
// into the mapping done in part); and what the crash does to what was pending (a kill: nothing; a power cut: see
// simulated_disk.h). So every sync, write, rename and staging store is a place to crash before, after, and inside.
//
// Checked in each: the store opens by itself; each run is in a state that the crash may leave (run_history.h);
// transactions are whole or absent; nothing that was never asked for; the tables hold together. Then it lives on: some
// updates, another open, and nothing may have changed, so what was dropped stays dropped.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/recorded_life.h"

namespace cairn::testing {

/// Where and how a life is cut; with the life's seed it says all there is to say about a state.
struct CrashPoint {
  size_t position = 0;  // operations that were done
  bool torn = false;    // and a part of the next one
  CrashClass crash = CrashClass::kKill;
  uint32_t variant = 0;  // of what a power cut or a torn operation leaves

  [[nodiscard]] std::string text() const;
};

class CrashProver {
 public:
  /// `seed` names the states; the same seed and life give the same ones.
  CrashProver(std::string name, uint64_t seed);
  /// Prints the summary line.
  ~CrashProver();

  /// All points of the life: before each operation a kill, torn kills of the writes and stores, and `power_cuts` power
  /// cuts. Fills (large writes of zeros) are sampled.
  static std::vector<CrashPoint> every_point(const RecordedLife& life, uint32_t power_cuts);
  /// `count` points of it, chosen by the seed, in order of position.
  static std::vector<CrashPoint> some_points(const RecordedLife& life, size_t count, SeededRandom& random,
                                             size_t from = 0);
  std::vector<CrashPoint> some_points(const RecordedLife& life, size_t count) {
    return some_points(life, count, choice_);
  }
  /// `count` points behind the life's fault: kills right behind it first, then any.
  std::vector<CrashPoint> points_behind_fault(const RecordedLife& life, size_t count);

  /// Proves the points, which are in order of position. Stops at the first failure. `which` names the life where a
  /// prover has several of one seed.
  bool prove(const RecordedLife& life, const std::vector<CrashPoint>& points, const std::string& which = "");
  /// As prove(); and of every `chain_every`-th state the recovery itself, with what follows it, is recorded and cut at
  /// `cuts` points, each of them proven.
  bool prove_chained(const RecordedLife& life, const std::vector<CrashPoint>& points, size_t chain_every, size_t cuts,
                     const std::string& which = "");

  /// The life that follows such a crash, not yet opened.
  std::unique_ptr<RecordedLife> life_after(const RecordedLife& life, const CrashPoint& point) const;

  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] uint64_t states() const { return states_; }
  [[nodiscard]] uint64_t distinct() const { return hashes_.size(); }
  [[nodiscard]] uint64_t lost_unacknowledged() const { return lost_; }

 private:
  struct State {
    DiskImage image;
    SimulatedDisk disk;  // as the next life finds it; only where one follows
    uint64_t boot = 0;
    FakeClock clock;
  };
  bool prove_points(const RecordedLife& life, const std::vector<CrashPoint>& points, size_t chain_every, size_t cuts,
                    const std::string& path);
  State make(const RecordedLife& life, const SimulatedDisk& before, const CrashPoint& point, uint64_t seed,
             bool with_disk) const;
  [[nodiscard]] uint64_t state_seed(const CrashPoint& point) const;
  std::string check(const RecordedLife& life, const State& state, const CrashPoint& point, uint64_t seed);
  bool chain(const RecordedLife& life, const State& state, const CrashPoint& point, uint64_t seed, size_t cuts,
             const std::string& path);

  std::string report(const RecordedLife& life, const CrashPoint& point, const std::string& state,
                     const std::string& wrong) const;

  const std::string name_;
  const uint64_t seed_;
  SeededRandom choice_;
  uint64_t states_ = 0;
  uint64_t lost_ = 0;
  uint64_t failures_ = 0;
  std::set<std::array<uint64_t, 2>> hashes_;
  std::string failure_;
};

/// How many states the suite proves in all, and from which seed; the command line and the environment change it.
/// CAIRN_TEST_SCALE divides the number, for slow checkers.
struct CrashBudget {
  uint64_t states;
  uint64_t seed;
  std::string only;  // not empty: only the state of this name is opened, and its files are kept (say where)
};
CrashBudget& crash_budget();

}  // namespace cairn::testing
