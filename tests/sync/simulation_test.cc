// Whole lives under faults, many seeds. CAIRN_SIM_SEEDS=N takes N of them, from CAIRN_SIM_FIRST on.
#include "tools/sim/simulation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tests/support/scale.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): no thread was started
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Sanitizers take a part of them.
uint64_t lives(uint64_t of) {
  return from_environment("CAIRN_SIM_SEEDS", std::max<uint64_t>(1, of / static_cast<uint64_t>(testing::test_scale())));
}

Result<sim::Result> life(uint64_t seed, sim::Options o = {}) {
  const TemporaryDirectory directory("/dev/shm");
  o.seed = seed;
  o.directory = directory.path();
  return sim::simulate(o);
}

void add(sim::Result& sum, const sim::Result& r) {
  sum.operations += r.operations;
  sum.messages += r.messages;
  sum.lost_requests += r.lost_requests;
  sum.lost_answers += r.lost_answers;
  sum.cut += r.cut;
  sum.flipped += r.flipped;
  sum.delayed += r.delayed;
  sum.doubled += r.doubled;
  sum.denied += r.denied;
  sum.busy += r.busy;
  sum.worker_kills += r.worker_kills;
  sum.upstream_kills += r.upstream_kills;
  sum.clock_jumps += r.clock_jumps;
  sum.too_large += r.too_large;
  sum.renamed += r.renamed;
  sum.detached += r.detached;
  sum.backlogs += r.backlogs;
  sum.late_starts += r.late_starts;
  sum.duplicates += r.duplicates;
  sum.refused += r.refused;
}

void print(const char* name, const sim::Result& s, uint64_t lives) {
  const auto n = [](uint64_t v) { return static_cast<unsigned long long>(v); };
  std::printf(
      "sync: %s: %llu lives, %llu operations, %llu messages; lost requests %llu, lost answers %llu, cut %llu, spoiled "
      "%llu, "
      "late %llu, doubled %llu, denied %llu, busy %llu, too large %llu, renamed %llu, detached %llu; refused for what "
      "waited %llu, started late %llu; worker kills %llu, "
      "upstream kills %llu, clock jumps %llu; "
      "duplicates recognised %llu, unreadable %llu; lost 0, doubled 0\n",
      name, n(lives), n(s.operations), n(s.messages), n(s.lost_requests), n(s.lost_answers), n(s.cut), n(s.flipped),
      n(s.delayed), n(s.doubled), n(s.denied), n(s.busy), n(s.too_large), n(s.renamed), n(s.detached), n(s.backlogs),
      n(s.late_starts), n(s.worker_kills), n(s.upstream_kills), n(s.clock_jumps), n(s.duplicates), n(s.refused));
}

void all_equal(const char* name, const sim::Options& o, uint64_t first, uint64_t count) {
  sim::Result sum;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    auto r = life(seed, o);
    ASSERT_TRUE(r.ok()) << "seed " << seed << ": " << static_cast<int>(r.code()) << " " << r.status().what << " "
                        << engine::error_detail().message;
    std::string text;
    for (const std::string& d : r->differences) {
      text += "\n  " + d;
    }
    ASSERT_TRUE(r->equal) << "seed " << seed << text;
    EXPECT_EQ(r->dead_letters, 0u) << "seed " << seed;
    add(sum, *r);
  }
  print(name, sum, count);
}

TEST(Simulation, AllFaultsAtOnceLoseAndDoubleNothing) {
  sim::Options o;
  o.actions = 1500;
  all_equal("all faults", o, from_environment("CAIRN_SIM_FIRST", 1), lives(8));
}

TEST(Simulation, AChainOfStoresEndsEqual) {
  sim::Options o;
  o.actions = 1500;
  o.chain = true;
  all_equal("chain", o, 100 + from_environment("CAIRN_SIM_FIRST", 1), lives(4));
}

TEST(Simulation, ParentsThatAreStartedLateEndEqual) {
  sim::Options o;
  o.actions = 800;
  o.late_parents = true;
  all_equal("late parents", o, 200 + from_environment("CAIRN_SIM_FIRST", 1), lives(4));
  o.chain = true;
  all_equal("late parents in a chain", o, 300 + from_environment("CAIRN_SIM_FIRST", 1), lives(2));
}

TEST(Simulation, ASeedIsOneRun) {
  sim::Options o;
  o.actions = 400;
  const auto a = life(7, o);
  const auto b = life(7, o);
  const auto c = life(8, o);
  ASSERT_TRUE(a.ok() && b.ok() && c.ok());
  EXPECT_EQ(a->trace, b->trace);
  EXPECT_NE(a->trace, c->trace);
}

TEST(Simulation, AReceiverThatForgetsDuplicatesIsFound) {
  sim::Options o;
  o.actions = 600;
  o.no_duplicate_check = true;
  bool found = false;
  for (uint64_t seed = 1; seed <= 5 && !found; ++seed) {
    const auto r = life(seed, o);
    found = !r.ok() || !r->equal;
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace cairn::tests
