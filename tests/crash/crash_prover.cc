#include "tests/crash/crash_prover.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "tests/support/fixed_identity_files.h"
#include "tests/support/scale.h"
#include "tests/support/updates.h"

namespace cairn::testing {

namespace {

using Kind = DiskOperation::Kind;

bool is_fill(const DiskOperation& op) {
  return op.kind == Kind::kWrite && op.bytes->size() >= 4096 && (*op.bytes)[0] == '\0' &&
         op.bytes->find_first_not_of('\0') == std::string::npos;
}

bool is_torn_possible(const DiskOperation& op) {
  return (op.kind == Kind::kWrite || op.kind == Kind::kStore) && op.bytes->size() > 1;
}

// The operation, done in part. A write reaches the page cache from its beginning. Stores into a mapping that the next
// release store has not ordered may be there in any combination, by machine words.
DiskOperation torn_operation(const DiskOperation& op, const std::string& before, SeededRandom& random) {
  DiskOperation part = op;
  std::string bytes = *op.bytes;
  const size_t size = bytes.size();
  if (op.kind == Kind::kWrite || random.coin()) {
    size_t keep = 0;
    switch (random.below(3)) {
      case 0:
        keep = 1 + random.below(size - 1);
        break;
      case 1:  // near the end: padding, checksums
        keep = size - 1 - random.below(std::min<size_t>(size - 1, 24));
        break;
      default:  // at a sector
        keep = std::max<size_t>(1, random.below(size) / 512 * 512);
    }
    bytes.resize(std::min(keep, size - 1));
  } else {
    for (size_t i = 0; i < size; ++i) {
      const size_t at = op.offset + i;
      if (i > 0 && at % 8 != 0) {
        continue;
      }
      const size_t end = std::min<size_t>(size, i + 8 - at % 8);
      if (random.coin()) {
        for (size_t j = i; j < end; ++j) {
          bytes[j] = op.offset + j < before.size() ? before[op.offset + j] : '\0';
        }
      }
    }
  }
  part.bytes = std::make_shared<const std::string>(std::move(bytes));
  part.through = false;
  return part;
}

PowerCut power_cut(uint32_t border_bytes, SeededRandom& random) {
  PowerCut cut;
  // The plain extremes are few states; the mixtures are many.
  static constexpr PowerCut::Style kStyles[] = {
      PowerCut::Style::kNothing,    PowerCut::Style::kEverything, PowerCut::Style::kOneFile, PowerCut::Style::kOneFile,
      PowerCut::Style::kOldOrNew,   PowerCut::Style::kOldOrNew,   PowerCut::Style::kGarbage, PowerCut::Style::kGarbage,
      PowerCut::Style::kAnyVersion, PowerCut::Style::kAnyVersion, PowerCut::Style::kInOrder, PowerCut::Style::kInOrder};
  cut.style = kStyles[random.below(std::size(kStyles))];
  cut.unit_bytes = random.one_in(3) ? 4096 : 512;
  if (cut.style == PowerCut::Style::kGarbage) {
    cut.unit_bytes = border_bytes;  // a device that ruins more than a border by one write is not promised for
  }
  cut.names_in_order = random.coin();
  return cut;
}

std::string status_text(Status status) {
  return std::string(status.what) + " (code " + std::to_string(static_cast<int>(status.code)) + ", cause " +
         std::to_string(status.cause) + "): " + engine::error_detail().message;
}

// All runs, by each() and again one by one; empty text when both agree.
std::string read_all(engine::Store& store, std::map<std::string, RunState>& runs) {
  const Status all = store.each([&](const engine::RunView& view) {
    runs[view.record.id] = RunState::of(view.record);
    return true;
  });
  if (!all.ok()) {
    return "each: " + status_text(all);
  }
  for (const auto& [id, state] : runs) {
    auto found = store.find(id);
    if (!found.ok()) {
      return "find " + id + ": " + status_text(found.status());
    }
    if (!(RunState::of(store.view(**found).record) == state)) {
      return "find and each differ for " + id;
    }
  }
  return {};
}

std::string compare(const std::map<std::string, RunState>& before, const std::map<std::string, RunState>& after) {
  for (const auto& [id, state] : before) {
    const auto at = after.find(id);
    if (at == after.end()) {
      return "run " + id + " vanished; it was " + state.text();
    }
    if (!(at->second == state)) {
      return "run " + id + " was " + state.text() + "\n  and is " + at->second.text();
    }
  }
  for (const auto& [id, state] : after) {
    if (before.count(id) == 0) {
      return "run " + id + " came back: " + state.text();
    }
  }
  return {};
}

std::string verify_tables(const std::string& directory, const engine::Store& store) {
  engine::Tables::Options o;
  o.directory = directory;
  o.store_id.assign(reinterpret_cast<const char*>(store.store_id().data()), store.store_id().size());
  auto tables = engine::Tables::open(o);
  if (!tables.ok()) {
    return "opening the tables: " + status_text(tables.status());
  }
  std::string damage;
  const Status verified =
      (*tables)->verify([&](const engine::TableDamage& d) { damage += d.table + " " + d.key + ": " + d.what + "; "; });
  return !verified.ok() ? "verify: " + status_text(verified) : damage;
}

}  // namespace

std::string CrashPoint::text() const {
  return std::to_string(position) + (torn ? "+" : "") + (crash == CrashClass::kKill ? "k" : "p") +
         std::to_string(variant);
}

CrashProver::CrashProver(std::string name, uint64_t seed) : name_(std::move(name)), seed_(seed), choice_(seed) {}

CrashProver::~CrashProver() {
  std::printf("crash: %s: seed %llu, states %llu distinct %zu, lost unacknowledged %llu, failures %llu\n",
              name_.c_str(), static_cast<unsigned long long>(seed_), static_cast<unsigned long long>(states_),
              hashes_.size(), static_cast<unsigned long long>(lost_), static_cast<unsigned long long>(failures_));
}

std::vector<CrashPoint> CrashProver::every_point(const RecordedLife& life, uint32_t power_cuts) {
  std::vector<CrashPoint> points;
  const std::vector<DiskOperation>& log = life.log();
  size_t fills = 0;
  for (size_t i = 0; i <= log.size(); ++i) {
    const bool fill = i < log.size() && is_fill(log[i]);
    fills = fill ? fills + 1 : 0;
    if (fills > 1 && fills % 16 != 0) {
      continue;
    }
    points.push_back({i, false, CrashClass::kKill, 0});
    for (uint32_t v = 0; v < power_cuts; ++v) {
      points.push_back({i, false, CrashClass::kPowerCut, v});
    }
    if (i < log.size() && is_torn_possible(log[i])) {
      points.push_back({i, true, CrashClass::kKill, 0});
      points.push_back({i, true, CrashClass::kPowerCut, 0});
    }
  }
  return points;
}

std::vector<CrashPoint> CrashProver::points_behind_fault(const RecordedLife& life, size_t count) {
  const size_t from = life.fault_position();
  std::vector<CrashPoint> points = some_points(life, count - count / 2, choice_, from);
  for (size_t i = 0; i < count / 2; ++i) {
    points.push_back({std::min(from + i, life.log().size()), false, CrashClass::kKill, 0});
  }
  std::stable_sort(points.begin(), points.end(),
                   [](const CrashPoint& a, const CrashPoint& b) { return a.position < b.position; });
  return points;
}

std::vector<CrashPoint> CrashProver::some_points(const RecordedLife& life, size_t count, SeededRandom& random,
                                                 size_t from) {
  std::vector<CrashPoint> points;
  const std::vector<DiskOperation>& log = life.log();
  while (points.size() < count) {
    CrashPoint p;
    p.position = from + random.below(log.size() - from + 1);
    if (p.position < log.size() && is_fill(log[p.position]) && !random.one_in(16)) {
      continue;
    }
    p.crash = random.one_in(3) ? CrashClass::kKill : CrashClass::kPowerCut;
    p.torn = p.position < log.size() && is_torn_possible(log[p.position]) && random.one_in(3);
    p.variant = static_cast<uint32_t>(random.below(1u << 20));
    points.push_back(p);
  }
  std::stable_sort(points.begin(), points.end(),
                   [](const CrashPoint& a, const CrashPoint& b) { return a.position < b.position; });
  return points;
}

CrashProver::State CrashProver::make(const RecordedLife& life, const SimulatedDisk& before, const CrashPoint& point,
                                     uint64_t seed, bool with_disk) const {
  SeededRandom random(seed);
  State state;
  std::optional<SimulatedDisk> torn;
  if (point.torn) {
    const DiskOperation& op = life.log()[point.position];
    torn = before;
    torn->apply(torn_operation(op, before.live(op.inode), random));
  }
  const SimulatedDisk& disk = torn ? *torn : before;
  if (point.crash == CrashClass::kKill) {
    state.image = disk.kill();
    state.boot = life.boot();
    if (with_disk) {
      state.disk = disk;
    }
  } else {
    state.image = disk.cut_power(power_cut(life.options().border_bytes, random), random);
    state.boot = derive_seed(life.boot(), 17);
    if (with_disk) {
      state.disk = SimulatedDisk(state.image);
    }
  }
  state.clock = life.clock();
  state.clock.advance_ms(1000);
  return state;
}

std::string CrashProver::check(const RecordedLife& life, const State& state, const CrashPoint& point, uint64_t seed) {
  ScratchDirectory directory;
  state.image.write_to(directory.path());
  if (!crash_budget().only.empty()) {
    static int kept = 0;
    const std::string copy = "crash_state_" + std::to_string(++kept);
    std::filesystem::remove_all(copy);
    std::filesystem::copy(directory.path(), copy, std::filesystem::copy_options::recursive);
    std::printf("crash: the state's files are in %s\n", std::filesystem::absolute(copy).c_str());
  }
  SeededHost host(seed);
  host.clock() = state.clock;
  auto posix = wal::open_posix_files(directory.path());
  FixedIdentityFiles files(std::move(*posix));

  std::map<std::string, RunState> found;
  {
    auto opened = engine::Store::open(host.options(directory.path(), life.options(), state.boot, &files));
    if (!opened.ok()) {
      return "the store does not open: " + status_text(opened.status());
    }
    engine::Store& store = **opened;
    if (std::string wrong = read_all(store, found); !wrong.empty()) {
      return wrong;
    }
    const RunHistory::Verdict verdict = life.history().judge(found, point.crash, point.position);
    if (!verdict.failure.empty()) {
      return verdict.failure;
    }
    lost_ += verdict.lost ? 1 : 0;

    // It lives on.
    SeededRandom random(derive_seed(seed, 5));
    engine::StartOptions start;
    start.id = "afterwards";
    auto fresh = store.start(start, random.coin() ? engine::Durability::kPower : engine::Durability::kDefault);
    if (!fresh.ok()) {
      return "start after recovery: " + status_text(fresh.status());
    }
    for (const auto& [id, run] : found) {
      if (engine::is_final(run.status) || random.coin()) {
        continue;
      }
      // One that is owned elsewhere is updated as it is.
      auto resumed = id == RecordedLife::kParent ? store.find(id) : store.resume(id);
      if (!resumed.ok()) {
        return "resume " + id + " after recovery: " + status_text(resumed.status());
      }
      for (int i = 0; i < 2; ++i) {
        if (const Status s = tests::set_int(store, **resumed, "afterwards", i);
            !s.worked() && s.code != Code::kTooLarge && s.code != Code::kBacklog) {
          return "update of " + id + " after recovery: " + status_text(s);
        }
      }
    }
    host.clock().advance_ms(1500);
    if (const Status s = random.coin() ? store.step(0) : store.barrier(); !s.ok()) {
      return "flush after recovery: " + status_text(s);
    }
    if (random.one_in(3)) {
      if (const Status s = store.checkpoint(); !s.ok()) {
        return "checkpoint after recovery: " + status_text(s);
      }
    }
    found.clear();
    if (std::string wrong = read_all(store, found); !wrong.empty()) {
      return wrong;
    }
    fresh = Status(Code::kClosed);
    if (const Status s = store.close(0); !s.ok()) {
      return "close after recovery: " + status_text(s);
    }
    if (std::string wrong = verify_tables(directory.path(), store); !wrong.empty()) {
      return wrong;
    }
  }
  auto again = engine::Store::open(host.options(directory.path(), life.options(), state.boot, &files));
  if (!again.ok()) {
    return "the store does not open a second time: " + status_text(again.status());
  }
  std::map<std::string, RunState> later;
  if (std::string wrong = read_all(**again, later); !wrong.empty()) {
    return wrong;
  }
  if (std::string wrong = compare(found, later); !wrong.empty()) {
    return "after a clean close: " + wrong;
  }
  return {};
}

uint64_t CrashProver::state_seed(const CrashPoint& point) const {
  return derive_seed(seed_,
                     derive_seed(point.position * 4 + (point.torn ? 2 : 0) + (point.crash == CrashClass::kKill ? 1 : 0),
                                 point.variant));
}

std::unique_ptr<RecordedLife> CrashProver::life_after(const RecordedLife& life, const CrashPoint& point) const {
  SimulatedDisk disk = life.first_disk();
  for (size_t at = 0; at < point.position; ++at) {
    disk.apply(life.log()[at]);
  }
  const uint64_t seed = state_seed(point);
  const State state = make(life, disk, point, seed, true);
  return std::make_unique<RecordedLife>(seed, life.options(), state.disk, state.image,
                                        life.history().after(point.crash, point.position), state.boot, state.clock);
}

bool CrashProver::prove(const RecordedLife& life, const std::vector<CrashPoint>& points, const std::string& which) {
  return prove_points(life, points, 0, 0, which);
}

bool CrashProver::prove_chained(const RecordedLife& life, const std::vector<CrashPoint>& points, size_t chain_every,
                                size_t cuts, const std::string& which) {
  return prove_points(life, points, chain_every, cuts, which);
}

bool CrashProver::prove_points(const RecordedLife& life, const std::vector<CrashPoint>& points, size_t chain_every,
                               size_t cuts, const std::string& path) {
  if (!life.failure().empty()) {
    failure_ = name_ + " seed " + std::to_string(seed_) + " " + path + ": the life itself failed: " + life.failure();
    ++failures_;
    return false;
  }
  SimulatedDisk disk = life.first_disk();
  size_t at = 0;
  size_t count = 0;
  for (const CrashPoint& point : points) {
    for (; at < point.position; ++at) {
      disk.apply(life.log()[at]);
    }
    const uint64_t seed = state_seed(point);
    const bool chained = chain_every != 0 && ++count % chain_every == 0;
    const State state = make(life, disk, point, seed, chained);
    ++states_;
    std::array<uint64_t, 2> hash = state.image.hash();
    hash[0] += point.crash == CrashClass::kKill ? 0 : 1;  // staging counts after a kill only
    const std::string here = path + point.text();
    const std::string& only = crash_budget().only;
    if (only.empty() ? hashes_.insert(hash).second : only == here) {
      const std::string wrong = check(life, state, point, seed);
      if (!wrong.empty()) {
        ++failures_;
        failure_ = report(life, point, here, wrong);
        return false;
      }
    }
    if (chained && (only.empty() || only.rfind(here + "/", 0) == 0) &&
        !chain(life, state, point, seed, cuts, here + "/")) {
      return false;
    }
  }
  return true;
}

std::string CrashProver::report(const RecordedLife& life, const CrashPoint& point, const std::string& state,
                                const std::string& wrong) const {
  std::string text = name_ + ": seed " + std::to_string(seed_) + " state " + state +
                     "\n  crashed in: " + life.call_at(point.position) + "\n  " + wrong +
                     "\n  repeat it: the same test with --seed=" + std::to_string(crash_budget().seed) +
                     " --states=" + std::to_string(crash_budget().states) + " --only=" + state +
                     "\n  the last operations:";
  const std::vector<DiskOperation>& log = life.log();
  if (!crash_budget().only.empty()) {
    for (size_t i = 0; i < log.size() && i <= point.position; ++i) {
      std::printf("%6zu %-20s %s\n", i, life.call_at(i).c_str(), describe(log[i]).c_str());
    }
  }
  for (size_t i = point.position < 12 ? 0 : point.position - 12; i < log.size() && i <= point.position; ++i) {
    text += "\n    " + std::to_string(i) + (i == point.position ? " (not done) " : " ") + describe(log[i]);
  }
  return text;
}

bool CrashProver::chain(const RecordedLife& life, const State& state, const CrashPoint& point, uint64_t seed,
                        size_t cuts, const std::string& path) {
  RecordedLife second(seed, life.options(), state.disk, state.image, life.history().after(point.crash, point.position),
                      state.boot, state.clock);
  second.open();
  const size_t opened = second.log().size();
  if (second.failure().empty()) {
    second.anything(12);
  }
  second.stop();
  SeededRandom random(derive_seed(seed, 23));
  // Most cuts fall into the recovery itself.
  std::vector<CrashPoint> points = some_points(second, cuts, random);
  for (CrashPoint& p : points) {
    if (p.position > opened && random.coin()) {
      p.position = random.below(opened + 1);
      p.torn = p.torn && is_torn_possible(second.log()[std::min(p.position, second.log().size() - 1)]);
    }
  }
  std::stable_sort(points.begin(), points.end(),
                   [](const CrashPoint& a, const CrashPoint& b) { return a.position < b.position; });
  return prove_points(second, points, 0, 0, path);
}

CrashBudget& crash_budget() {
  static CrashBudget budget = [] {
    const auto number = [](const char* name, uint64_t otherwise) {
      const char* text = std::getenv(name);
      return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
    };
    return CrashBudget{
        number("CAIRN_CRASH_STATES", 4000 / static_cast<uint64_t>(test_scale())), number("CAIRN_CRASH_SEED", 1), {}};
  }();
  return budget;
}

}  // namespace cairn::testing
