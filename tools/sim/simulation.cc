#include "tools/sim/simulation.h"

#include <algorithm>
#include <optional>

#include "engine/json/json.h"
#include "engine/store/upstream.h"
#include "tools/sim/simulated_store.h"
#include "wal/xxh3.h"

namespace cairn::sim {

namespace {

using engine::Array;
using engine::OperationType;
using engine::Value;
namespace sync = engine::sync;

/// What a run must be in the end, from the operations alone: numbers that are set, numbers that are counted, in whole
/// and in quarters (their sum is exact in any order), and lists of which only the items are compared, for their order
/// is that of arrival.
struct Expected {
  std::map<std::string, int64_t> set;
  std::map<std::string, int64_t> counted;
  std::map<std::string, int64_t> quarters;
  std::map<std::string, std::vector<int64_t>> listed;
  bool finished = false;
  bool erased = false;
};

struct InTheAir {
  uint32_t worker = 0;
  std::string message;
  int64_t arrives_ms = 0;
  bool answer_counts = true;  // of a copy that came late nobody waits for the answer
};

class Simulation {
 public:
  Simulation(const Options& options, const std::function<bool(double)>& progress)
      : options_(options), progress_(progress), random_(options.seed) {}

  Status run() {
    CAIRN_TRY(begin());
    for (uint32_t i = 0; i < options_.actions; ++i) {
      if (progress_ && i % 64 == 0 && !progress_(static_cast<double>(i) / options_.actions)) {
        return {Code::kTimeout, "the simulation was stopped"};
      }
      CAIRN_TRY(act());
    }
    CAIRN_TRY(drain());
    return compare();
  }

  Result result;

 private:
  struct Worker {
    std::unique_ptr<SimulatedStore> site;
    std::string upstream = "upstream";  // its name
    bool detached = false;
    std::vector<std::string> runs;
    uint32_t made = 0;
    uint32_t late = 0;         // parents that were named before they were started
    bool late_is_due = false;  // the last of them is not started yet
  };

  SimulatedStore& upstream() { return *upstream_; }

  Status begin() {
    upstream_ = std::make_unique<SimulatedStore>(options_.directory + "/upstream", clock_, random_.next());
    upstream_->no_duplicate_check = options_.no_duplicate_check;
    CAIRN_TRY(upstream_->open());
    if (options_.chain) {
      centre_ = std::make_unique<SimulatedStore>(options_.directory + "/centre", clock_, random_.next());
      CAIRN_TRY(centre_->open());
      CAIRN_TRY(upstream_->store().upstream().attach(centre_name_, sender_options()));
    }
    for (uint32_t i = 0; i < options_.workers; ++i) {
      Worker& w = workers_.emplace_back();
      w.site =
          std::make_unique<SimulatedStore>(options_.directory + "/worker" + std::to_string(i), clock_, random_.next());
      CAIRN_TRY(w.site->open());
      CAIRN_TRY(w.site->store().upstream().attach(w.upstream, sender_options()));
    }
    return {};
  }

  // A process takes its counters with it.
  void count_receiver() {
    const sync::Receiver::Counters counters = upstream().receiver().counters();
    result.duplicates += counters.duplicates;
    result.refused += counters.refused;
  }

  [[nodiscard]] sync::SenderOptions sender_options() const {
    sync::SenderOptions o;
    o.poll_interval_ms = sync::kPollIntervalMs;
    o.about = sync::About{"host", "store", 1, 0};  // not this process's: a seed repeats a run to the byte
    o.stays = true;
    o.limits.entries = options_.batch_entries;
    return o;
  }

  Status act() {
    clock_.monotonic_ms += static_cast<int64_t>(random_.below(200));
    clock_.wall_us += static_cast<int64_t>(random_.below(200'000));
    if (random_.one_in(options_.clock_jump)) {
      ++result.clock_jumps;
      constexpr int64_t kTenYearsUs = int64_t{10} * 365 * 24 * 3600 * 1'000'000;
      clock_.wall_us += random_.one_in(2) ? kTenYearsUs : -kTenYearsUs;
    }
    if (random_.one_in(options_.kill_upstream)) {
      ++result.upstream_kills;
      count_receiver();
      CAIRN_TRY(upstream().kill());
      if (options_.chain) {
        CAIRN_TRY(upstream().store().upstream().attach(centre_name_, sender_options()));
      }
    }
    const auto index = static_cast<uint32_t>(random_.below(workers_.size()));
    Worker& w = workers_[index];
    if (random_.one_in(options_.kill_worker)) {
      ++result.worker_kills;
      CAIRN_TRY(w.site->kill());
      CAIRN_TRY(attach(w));
    }
    if (w.detached ? random_.one_in(10) : random_.one_in(options_.detach)) {
      w.detached = !w.detached;
      result.detached += w.detached ? 1 : 0;
      CAIRN_TRY(w.detached ? w.site->store().upstream().detach() : attach(w));
    }
    for (uint64_t n = random_.below(4); n > 0; --n) {
      CAIRN_TRY(operate(index));
    }
    CAIRN_TRY(w.site->store().step(0));
    CAIRN_TRY(send(index, false));
    CAIRN_TRY(deliver(false));
    if (options_.chain) {
      CAIRN_TRY(forward());
    }
    return {};
  }

  Status attach(Worker& w) {
    return w.detached ? Status() : w.site->store().upstream().attach(w.upstream, sender_options());
  }

  Status operate(uint32_t index) {
    Worker& w = workers_[index];
    engine::Store& store = w.site->store();
    if (w.runs.size() < options_.runs) {
      const std::string id = "w" + std::to_string(index) + "_r" + std::to_string(w.made++);
      engine::StartOptions o;
      o.id = id;
      if (options_.late_parents && random_.one_in(2)) {
        o.parent = late_parent(w, index);
      } else if (options_.shared && index > 0) {
        o.parent = "w0_r" + std::to_string(random_.below(options_.runs));
      }
      expected_[id];  // others may have worked on it before
      w.runs.push_back(id);
      ++result.operations;
      return store.start(o).status();
    }
    if (w.late_is_due && random_.one_in(20)) {
      ++result.operations;
      return start_late(w, index);
    }
    const size_t at = random_.below(w.runs.size());
    const std::string id = w.runs[at];
    CAIRN_TRY_ASSIGN(auto&& found, store.find(id));
    engine::RunRef run = found;
    std::string changed = id;
    const bool named = !store.view(*run, false).record.parent.empty();
    if ((options_.late_parents ? named : options_.shared && index > 0) && random_.one_in(3)) {
      CAIRN_TRY_ASSIGN(auto&& parent, store.parent(*run));
      run = parent;
      changed = run->id;
    } else if (random_.one_in(40) && index > 0) {
      // A finished run gives way to a new one; one that is erased, too.
      Expected& e = expected_[id];
      w.runs.erase(w.runs.begin() + static_cast<ptrdiff_t>(at));
      ++result.operations;
      if (random_.one_in(3)) {
        e.erased = true;
        return store.erase(id);
      }
      e.finished = true;
      return store.finish(*run, engine::RunStatus::kCompleted);
    }
    const bool own = changed == id;
    Expected& e = expected_[changed];
    const auto key = static_cast<char>('a' + random_.below(3));
    const auto number = static_cast<int64_t>(random_.below(1000));
    engine::Outcome outcome;
    ++result.operations;
    switch (random_.below(own ? 4 : 3)) {
      case 2: {
        e.quarters[std::string("f_") + key] += number;
        const Status s = store.apply(
            *run, {OperationType::kIncrement, std::string("f_") + key, Value(static_cast<double>(number) / 4)},
            outcome);
        if (s.code == Code::kBacklog) {  // of a run owned elsewhere so many wait at most
          ++result.backlogs;
          e.quarters[std::string("f_") + key] -= number;
          return {};
        }
        return worked(s);
      }
      case 0:
        e.counted[std::string("n_") + key] += number;
        return worked(store.apply(*run, {OperationType::kIncrement, std::string("n_") + key, Value(number)}, outcome));
      case 1: {
        std::vector<int64_t>& list = e.listed[std::string("l_") + key];
        if (list.size() >= 40) {
          return {};
        }
        list.push_back(number);
        return worked(store.apply(*run, {OperationType::kAppend, std::string("l_") + key, Value(number)}, outcome));
      }
      default:
        e.set[std::string("s_") + key] = number;
        return worked(store.apply(*run, {OperationType::kSet, std::string("s_") + key, Value(number)}, outcome));
    }
  }

  /// A parent of the worker's own, whose start comes later.
  std::string late_parent(Worker& w, uint32_t index) {
    if (!w.late_is_due) {
      w.late_is_due = true;
      ++w.late;
    }
    std::string id = "w" + std::to_string(index) + "_late" + std::to_string(w.late);
    expected_[id];
    return id;
  }

  Status start_late(Worker& w, uint32_t index) {
    engine::StartOptions o;
    o.id = "w" + std::to_string(index) + "_late" + std::to_string(w.late);
    w.late_is_due = false;
    ++result.late_starts;
    return w.site->store().start(o).status();
  }

  static Status worked(const Status& s) { return s.worked() ? Status() : s; }

  Status send(uint32_t index, bool calm) {
    engine::Store& store = workers_[index].site->store();
    std::string message;
    if (workers_[index].detached) {
      return {};
    }
    if (!calm) {
      CAIRN_TRY(rename(store, workers_[index].upstream));
    }
    CAIRN_TRY(store.upstream().next(message));
    if (message.empty()) {
      return {};
    }
    ++result.messages;
    result.bytes += message.size();
    trace_ = xxh3(message.data(), message.size(), trace_);
    InTheAir air{index, std::move(message), clock_.monotonic_ms};
    if (calm) {
      air_.push_back(std::move(air));
      return {};
    }
    if (random_.one_in(options_.deny)) {
      ++result.denied;
      CAIRN_TRY(store.upstream().failed(sync::Failure::kDenied, "401"));
      return store.upstream().control(engine::Upstream::Control::kResume);
    }
    if (random_.one_in(options_.busy)) {
      ++result.busy;
      return store.upstream().failed(sync::Failure::kTransient, "503", static_cast<int64_t>(random_.below(5000)));
    }
    if (calls_too_large(air.message)) {
      if (random_.one_in(2)) {
        upstream().receiver().handle(air.message);  // and who stands between says that it was too large
      }
      return store.upstream().failed(sync::Failure::kTooLarge, "413");
    }
    if (random_.one_in(options_.lose_request)) {
      ++result.lost_requests;
      return store.upstream().failed(sync::Failure::kTransient, "lost");
    }
    if (random_.one_in(options_.cut)) {
      ++result.cut;
      air.message.resize(random_.below(air.message.size()));
    }
    if (random_.one_in(options_.flip) && !air.message.empty()) {
      ++result.flipped;
      air.message[random_.below(air.message.size())] ^= static_cast<char>(1u << random_.below(8));
    }
    if (random_.one_in(options_.twice)) {
      ++result.doubled;
      InTheAir late = air;
      late.answer_counts = false;
      late.arrives_ms += static_cast<int64_t>(random_.below(60'000));
      air_.push_back(std::move(late));
    }
    if (random_.one_in(options_.delay)) {
      // The sender does not wait so long.
      ++result.delayed;
      air.answer_counts = false;
      air.arrives_ms += static_cast<int64_t>(random_.below(60'000));
      air_.push_back(std::move(air));
      return store.upstream().failed(sync::Failure::kTransient, "timed out");
    }
    air_.push_back(std::move(air));
    return {};
  }

  // Perhaps another one, for all the sender knows: everything is sent whole.
  Status rename(engine::Store& store, std::string& upstream) {
    if (!random_.one_in(options_.rename)) {
      return {};
    }
    ++result.renamed;
    upstream = upstream.substr(0, upstream.find('-')) + "-" + std::to_string(result.renamed);
    return store.upstream().attach(upstream, sender_options());
  }

  // A single run would be held.
  bool calls_too_large(const std::string& message) {
    const auto header = sync::decode_batch_header(message);
    const bool so = header.ok() && header->entries > 1 && random_.one_in(options_.too_large);
    result.too_large += so ? 1 : 0;
    return so;
  }

  Status deliver(bool all) {
    for (size_t i = 0; i < air_.size();) {
      if (!all && air_[i].arrives_ms > clock_.monotonic_ms) {
        ++i;
        continue;
      }
      InTheAir air = std::move(air_[i]);
      air_.erase(air_.begin() + static_cast<ptrdiff_t>(i));
      const std::string answer = upstream().receiver().handle(air.message);
      trace_ = xxh3(answer.data(), answer.size(), trace_);
      if (!air.answer_counts || workers_[air.worker].detached) {
        continue;
      }
      engine::Store& store = workers_[air.worker].site->store();
      if (!all && random_.one_in(options_.lose_answer)) {
        ++result.lost_answers;
        CAIRN_TRY(store.upstream().failed(sync::Failure::kTransient, "answer lost"));
        continue;
      }
      CAIRN_TRY(store.upstream().feed(answer));
    }
    return {};
  }

  Status forward() {
    std::string message;
    CAIRN_TRY(rename(upstream().store(), centre_name_));
    CAIRN_TRY(upstream().store().upstream().next(message));
    if (message.empty()) {
      return {};
    }
    if (calls_too_large(message)) {
      if (random_.one_in(2)) {
        centre_->receiver().handle(message);
      }
      return upstream().store().upstream().failed(sync::Failure::kTooLarge, "413");
    }
    const std::string answer = centre_->receiver().handle(message);
    return random_.one_in(options_.lose_answer)
               ? upstream().store().upstream().failed(sync::Failure::kTransient, "answer lost")
               : upstream().store().upstream().feed(answer);
  }

  // The network is well from here on: everything arrives.
  /// A batch of one run that was spoiled four times in a row is a dead letter, as it should be. The network is calm now:
  /// what is refused once more is at fault itself.
  Status retry_spoiled(engine::Store& store) {
    std::vector<std::pair<std::string, engine::sync::DeadLetter>> letters;
    CAIRN_TRY(store.upstream().dead_letters(1000, letters));
    for (const auto& [id, letter] : letters) {
      if (letter.code == engine::sync::VerdictCode::kRefusedRun) {
        CAIRN_TRY(store.upstream().release_dead(id, engine::sync::Outbox::Release::kRetry));
      }
    }
    return {};
  }

  Status drain() {
    for (uint32_t i = 0; i < workers_.size(); ++i) {
      if (workers_[i].late_is_due) {
        CAIRN_TRY(start_late(workers_[i], i));
      }
    }
    for (Worker& w : workers_) {
      w.detached = false;
      CAIRN_TRY(attach(w));
    }
    CAIRN_TRY(deliver(true));
    for (Worker& w : workers_) {
      CAIRN_TRY(retry_spoiled(w.site->store()));
    }
    for (int round = 0; round < 100'000; ++round) {
      bool done = true;
      for (uint32_t i = 0; i < workers_.size(); ++i) {
        engine::Store& store = workers_[i].site->store();
        CAIRN_TRY(store.barrier());
        CAIRN_TRY(store.upstream().control(engine::Upstream::Control::kResume));
        CAIRN_TRY(store.upstream().control(engine::Upstream::Control::kHurry));
        CAIRN_TRY(send(i, true));
        done = done && air_.empty();
        CAIRN_TRY(deliver(true));
      }
      if (options_.chain) {
        engine::Store& store = upstream().store();
        CAIRN_TRY(store.barrier());
        CAIRN_TRY(store.upstream().control(engine::Upstream::Control::kResume));
        CAIRN_TRY(store.upstream().control(engine::Upstream::Control::kHurry));
        std::string message;
        CAIRN_TRY(store.upstream().next(message));
        if (!message.empty()) {
          done = false;
          CAIRN_TRY(store.upstream().feed(centre_->receiver().handle(message)));
        }
      }
      clock_.monotonic_ms += 1000;
      if (done) {
        return {};
      }
    }
    return {Code::kTimeout, "the simulation did not come to rest"};
  }

  void differ(const std::string& what) {
    if (result.differences.size() < 20) {
      result.differences.push_back(what);
    }
  }

  void compare_run(const std::string& id, const Expected& e, engine::Store& store) {
    auto view = store.peek(id, true);
    const bool there = view.ok() && *view && !(*view)->erased && !(*view)->record.foreign;
    if (!there) {
      if (!e.erased) {
        differ(id + " is not upstream");
      }
      return;
    }
    if (e.erased) {
      differ(id + " was erased and is upstream");
      return;
    }
    const engine::RunRecord& record = (*view)->record;
    if (engine::is_final(record.status) != e.finished) {
      differ(id + " has status " + engine::status_name(record.status));
    }
    const auto value = [&record](const std::string& key) -> const Value* {
      const int at = record.document.find(key);
      return at < 0 ? nullptr : &record.document.member(at).value;
    };
    const auto number = [&](const std::string& key, int64_t expected) {
      const Value* v = value(key);
      if (v == nullptr || v->get<int64_t>() == nullptr || *v->get<int64_t>() != expected) {
        differ(id + " " + key + " is " + (v == nullptr ? "absent" : engine::to_json(*v)) + ", not " +
               std::to_string(expected));
      }
    };
    for (const auto& [key, expected] : e.set) {
      number(key, expected);
    }
    for (const auto& [key, expected] : e.counted) {
      number(key, expected);
    }
    for (const auto& [key, expected] : e.quarters) {
      const Value* v = value(key);
      const double wanted = static_cast<double>(expected) / 4;
      const double is = v == nullptr                   ? -1
                        : v->get<double>() != nullptr  ? *v->get<double>()
                        : v->get<int64_t>() != nullptr ? static_cast<double>(*v->get<int64_t>())
                                                       : -1;
      if (is != wanted && !(expected == 0 && v == nullptr)) {
        differ(std::string(id).append(" ").append(key) + " is " + std::to_string(is) + ", not " +
               std::to_string(wanted));
      }
    }
    for (const auto& [key, expected] : e.listed) {
      const Value* v = value(key);
      std::vector<int64_t> items;
      if (v != nullptr && v->get<Array>() != nullptr) {
        for (const Value& item : *v->get<Array>()) {
          items.push_back(item.get<int64_t>() != nullptr ? *item.get<int64_t>() : -1);
        }
      }
      std::vector<int64_t> wanted = expected;
      std::sort(items.begin(), items.end());
      std::sort(wanted.begin(), wanted.end());
      if (items != wanted) {
        differ(std::string(id).append(" ").append(key) + " has " + std::to_string(items.size()) + " items, not the " +
               std::to_string(wanted.size()) + " that were appended");
      }
    }
    const auto absent = static_cast<size_t>(
        std::count_if(e.quarters.begin(), e.quarters.end(), [&](const auto& q) { return value(q.first) == nullptr; }));
    const size_t keys = e.set.size() + e.counted.size() + e.quarters.size() - absent + e.listed.size();
    if (static_cast<size_t>(record.document.size()) != keys) {
      differ(id + " has " + std::to_string(record.document.size()) + " keys, not " + std::to_string(keys));
    }
  }

  Status compare() {
    engine::Store& last = options_.chain ? centre_->store() : upstream().store();
    for (const auto& [id, e] : expected_) {
      compare_run(id, e, last);
    }
    uint64_t runs = 0;
    CAIRN_TRY(last.each([&](const engine::RunView& view) {
      runs += view.record.foreign ? 0 : 1;
      return true;
    }));
    const auto alive = static_cast<uint64_t>(
        std::count_if(expected_.begin(), expected_.end(), [](const auto& e) { return !e.second.erased; }));
    if (runs != alive) {
      differ("upstream has " + std::to_string(runs) + " runs, not " + std::to_string(alive));
    }
    for (Worker& w : workers_) {
      engine::Upstream::State state;
      CAIRN_TRY(w.site->store().upstream().state(state));
      result.batches += state.sender.batches;
      result.dead_letters += state.waiting.held;
      if (!state.all_acknowledged) {
        differ(w.site->directory() + " has something that is not acknowledged: " + std::to_string(state.waiting.runs) +
               " runs wait, " + std::to_string(state.waiting.held) + " are held, " +
               std::to_string(state.in_flight_entries) + " are in flight; halt " +
               std::to_string(static_cast<int>(state.sender.halt)) + ", last error: " + state.sender.last_error);
        std::vector<std::pair<std::string, engine::sync::DeadLetter>> letters;
        CAIRN_TRY(w.site->store().upstream().dead_letters(10, letters));
        for (const auto& [id, letter] : letters) {
          differ("held: " + id + ": " + engine::sync::verdict_name(letter.code) + ": " + letter.text);
        }
      }
    }
    count_receiver();
    result.simulated_ms = clock_.monotonic_ms - Clock().monotonic_ms;
    result.trace = trace_;
    result.equal = result.differences.empty();
    return {};
  }

  const Options options_;
  const std::function<bool(double)>& progress_;
  Random random_;
  Clock clock_;
  std::unique_ptr<SimulatedStore> upstream_;
  std::unique_ptr<SimulatedStore> centre_;
  std::string centre_name_ = "centre";
  std::vector<Worker> workers_;
  std::vector<InTheAir> air_;
  std::map<std::string, Expected> expected_;
  uint64_t trace_ = 0;
};

}  // namespace

cairn::Result<Result> simulate(const Options& options, const std::function<bool(double)>& progress) {
  Simulation simulation(options, progress);
  CAIRN_TRY(simulation.run());
  return std::move(simulation.result);
}

}  // namespace cairn::sim
