// The log's writes that end short, at every record boundary and inside records: in flushes, transactions, and whatever
// else appends. The life goes on with the disk full, then with space again (or is opened again, once it latched), and
// is killed or cut at places behind the fault.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>

#include "tests/crash/crash_lives.h"
#include "tests/crash/crash_prover.h"
#include "wal/format.h"

namespace cairn::testing {
namespace {

using engine::Durability;
using engine::OperationType;
using engine::Value;

struct Scenario {
  const char* name;
  LifeOptions options;
  void (*before)(RecordedLife&);
  void (*act)(RecordedLife&);  // its writes to the log fail, one a life
};

// Something is staged in four runs; three were sealed before.
void four_runs(RecordedLife& life) {
  life.open().start("one").start("two", 2).start("three", 3).start("four");
  life.keys("one", 1, 2).keys("two", 2, 3).keys("three", 5, 6).flush();
  life.keys("one", 1, 3).keys("two", 2, 3).keys("three", 5, 4).keys("four", 1, 1);
}

// And what is staged does not fit the segment any more.
void near_the_end(RecordedLife& life) {
  four_runs(life);
  const std::string large(20'000, 'x');
  for (int i = 0; i < 11; ++i) {
    life.set("four", "large", Value(large + std::to_string(i)), Durability::kPower);
  }
  for (const char* id : {"one", "two", "three"}) {
    life.set(id, "text", Value(std::string(14'000, *id)));
  }
}

void transact_three(RecordedLife& life, Durability durability) {
  life.transact({{"one", set_operation("moved", "from two")},
                 {"two", {OperationType::kIncrement, "n", 1}},
                 {"three", set_operation("k1", 7)}},
                durability);
}

std::vector<Scenario> scenarios() {
  LifeOptions plain;
  LifeOptions large;
  large.metadata_bytes_max = 24576;
  LifeOptions unstaged;
  unstaged.staging = false;
  LifeOptions wide;
  wide.border_bytes = 4096;
  return {
      {"flush", plain, four_runs, [](RecordedLife& l) { l.flush(); }},
      {"flush, wide border", wide, four_runs, [](RecordedLife& l) { l.flush(); }},
      {"flush into the next segment", large, near_the_end, [](RecordedLife& l) { l.flush(); }},
      {"transaction", plain, four_runs, [](RecordedLife& l) { transact_three(l, Durability::kDefault); }},
      {"transaction, power", plain, four_runs, [](RecordedLife& l) { transact_three(l, Durability::kPower); }},
      {"transaction into the next segment", large, near_the_end,
       [](RecordedLife& l) { transact_three(l, Durability::kDefault); }},
      {"transaction, unstaged", unstaged, four_runs, [](RecordedLife& l) { transact_three(l, Durability::kDefault); }},
      {"update, power", plain, four_runs, [](RecordedLife& l) { l.keys("two", 2, 1, Durability::kPower); }},
      {"update beyond staging", large, four_runs,
       [](RecordedLife& l) { l.set("two", "text", Value(std::string(18'001, 'y'))); }},
      {"start", plain, four_runs, [](RecordedLife& l) { l.start("five", 3); }},
      {"finish", plain, four_runs, [](RecordedLife& l) { l.finish("two"); }},
      {"erase", plain, four_runs, [](RecordedLife& l) { l.erase("two"); }},
      {"close", plain, four_runs, [](RecordedLife& l) { l.close(); }},
  };
}

enum class Mode { kOnce, kWhile, kStuck, kBroken };
constexpr Mode kModes[] = {Mode::kOnce, Mode::kWhile, Mode::kStuck, Mode::kBroken};
const char* const kModeNames[] = {"no space once", "no space", "no space, also for taking back", "broken"};

// Larger than what takes a failed append back: four bytes.
constexpr uint64_t kAnAppendBytes = 5;

DiskFault fault_of(Mode mode, size_t write, size_t keep_bytes) {
  DiskFault fault;
  fault.kind = DiskFault::Kind::kWrite;
  fault.below = "wal/0";
  fault.bytes_min = kAnAppendBytes;
  fault.skip = write;
  fault.keep_bytes = static_cast<int64_t>(keep_bytes);
  fault.error = mode == Mode::kBroken ? EIO : ENOSPC;
  fault.times = mode == Mode::kWhile || mode == Mode::kStuck ? DiskFault::kForever : 1;
  fault.then_any_size = mode == Mode::kStuck;
  return fault;
}

// A write of the act, cut after `bytes`.
struct Cut {
  size_t write;  // among those of the act
  size_t bytes;
  bool first_is_whole;  // the first record can be read
  bool last_is_whole;   // all can: what was written is there, and fails
};

std::vector<Cut> cuts_of(size_t write, const DiskOperation& op) {
  std::set<size_t> bytes = {0};
  const size_t first = op.offset < wal::kRecordsOffset ? wal::kRecordsOffset - op.offset : 0;
  if (first > 0) {
    bytes.insert({64, 128, 4096, 4096 + 64, 4096 + 128});
  }
  size_t first_end = SIZE_MAX;
  size_t last_end = SIZE_MAX;
  for (size_t at = first; at + wal::kRecordHeaderBytes <= op.bytes->size();) {
    uint32_t length = 0;
    std::memcpy(&length, op.bytes->data() + at, sizeof length);
    if (length == 0) {
      break;
    }
    if (static_cast<uint8_t>((*op.bytes)[at + 4]) >= wal::kFirstUserType) {
      // The file was zeros: a record that ends in zeros is whole without them.
      last_end = op.bytes->find_last_not_of('\0', at + length - 1) + 1;
      first_end = std::min(first_end, last_end);
    }
    bytes.insert({at, at + 16, at + wal::kRecordHeaderBytes, at + length / 2, at + length - 1, at + length});
    at += (length + 7u) / 8 * 8;
  }
  std::vector<Cut> cuts;
  for (const size_t b : bytes) {
    if (b < op.bytes->size()) {
      cuts.push_back({write, b, b >= first_end, b >= last_end});
    }
  }
  return cuts;
}

std::vector<Cut> all_cuts(const Scenario& scenario, uint64_t seed) {
  RecordedLife life(seed, scenario.options);
  scenario.before(life);
  const size_t first = life.watched_calls().size();
  scenario.act(life);
  EXPECT_EQ(life.failure(), "") << scenario.name;
  std::vector<Cut> cuts;
  size_t writes = 0;
  for (size_t i = first; i < life.watched_calls().size(); ++i) {
    const WatchedCall& call = life.watched_calls()[i];
    if (call.call == DiskCall::kWrite && call.path.rfind("wal/0", 0) == 0 && call.bytes >= kAnAppendBytes) {
      const std::vector<Cut> more = cuts_of(writes++, life.log().at(call.position));
      cuts.insert(cuts.end(), more.begin(), more.end());
    }
  }
  return cuts;
}

void go_on(RecordedLife& life) {
  if (!life.is_open()) {
    life.open();
  }
  life.keys("one", 1, 2).set("two", "after", Value(1));
  life.transact({{"one", set_operation("a", 1)}, {"four", {OperationType::kIncrement, "n", 1}}});
  life.step(300).keys("three", 5, 1);
  life.disarm().step(1000);
  if (life.latched()) {
    life.close();
  } else {
    life.must_work();
  }
  if (!life.is_open()) {
    life.must_work().open();
  }
  life.step(1000).keys("one", 1, 2);
  life.transact({{"one", set_operation("b", 1)}, {"three", set_operation("k0", 3)}})
      .flush()
      .keys("four", 1, 2)
      .checkpoint()
      .keys("one", 1, 1);
}

TEST(CrashStates, ShortWritesOfTheLogLoseAndDoubleNothing) {
  const uint64_t seed = crash_budget().seed;
  CrashProver prover("short writes", seed);
  const std::vector<Scenario> all = scenarios();
  std::vector<std::vector<Cut>> cuts;
  size_t cut_count = 0;
  for (const Scenario& scenario : all) {
    cuts.push_back(all_cuts(scenario, seed));
    cut_count += cuts.back().size();
  }
  // The short form takes one mode a cut, in turn, and all of them where the failed append can be read; a scaled one
  // takes only some cuts.
  const uint64_t share = crash_budget().states / 4;
  const bool every_mode = share >= cut_count * std::size(kModes) * 4;
  const size_t wanted = cut_count * (every_mode ? std::size(kModes) : 1);
  const size_t states = std::max<size_t>(2, share / wanted);
  const size_t cut_step = std::max<size_t>(1, wanted / std::max<uint64_t>(1, share));
  size_t lives = 0;
  size_t latched = 0;
  size_t number = seed;
  for (size_t s = 0; s < all.size(); ++s) {
    for (const Cut& cut : cuts[s]) {
      if (++number % cut_step != 0) {
        continue;
      }
      for (const Mode mode : kModes) {
        const bool turn = number / cut_step % std::size(kModes) == static_cast<size_t>(mode);
        if (!every_mode && !cut.last_is_whole && !turn) {
          continue;
        }
        const std::string which = std::string(all[s].name) + ", write " + std::to_string(cut.write) + " cut after " +
                                  std::to_string(cut.bytes) + ", " + kModeNames[static_cast<size_t>(mode)] + ": ";
        RecordedLife life(seed, all[s].options);
        all[s].before(life);
        life.arm(fault_of(mode, cut.write, cut.bytes));
        all[s].act(life);
        ASSERT_TRUE(life.fault_met()) << which;
        const bool was_closed = !life.is_open();
        go_on(life);
        life.stop();
        // No space latches only if what was to fail can be read and cannot be taken back.
        const bool may_latch = mode == Mode::kBroken || (mode == Mode::kStuck && cut.last_is_whole);
        if (life.failure().empty() && !was_closed) {
          ASSERT_TRUE(life.has_latched() ? may_latch : mode != Mode::kBroken) << which;
        }
        ++lives;
        latched += life.has_latched() ? 1 : 0;
        ASSERT_TRUE(
            prover.prove(life, prover.points_behind_fault(life, cut.last_is_whole ? 4 * states : states), which))
            << prover.failure();
      }
    }
  }
  std::printf("crash: short writes: seed %llu, cuts %zu, lives %zu, latched %zu\n",
              static_cast<unsigned long long>(seed), cut_count, lives, latched);
  EXPECT_GT(prover.lost_unacknowledged(), 0u);
}

}  // namespace
}  // namespace cairn::testing
