// chaos_worker STORE ORACLE URL SEED: updates runs and sends them to URL until it is killed, or told to stop by the
// oracle. Goes on where an earlier one on the same store and oracle was killed.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/upstream/http_exchange.h"
#include "engine/store/store.h"
#include "engine/store/upstream.h"
#include "tests/chaos/oracle.h"
#include "tests/support/seeded_random.h"

namespace cairn::tests {
namespace {

using engine::Operation;
using engine::OperationType;
using engine::Store;
using engine::Value;
using testing::SeededRandom;

constexpr uint32_t kRunsAtOnce = 3;  // of each thread
constexpr uint32_t kLogMax = 60;

Oracle* oracle = nullptr;

void expect(const Status& s, const char* what) {
  if (s.worked()) {
    return;
  }
  if (oracle->wrong.exchange(1) == 0) {
    std::snprintf(oracle->what, sizeof oracle->what, "%s: code %d, %s", what, static_cast<int>(s.code),
                  engine::error_detail().message.c_str());
  }
  _exit(1);
}

class Thread {
 public:
  Thread(Store& store, uint32_t index, uint64_t seed)
      : store_(store), index_(index), entries_(oracle->threads[index]), random_(seed) {}

  void run() {
    take_up();
    while (oracle->stop == 0 && entries_.count < Oracle::kEntries) {
      if (oracle->pause != 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        continue;
      }
      if (living_.size() < kRunsAtOnce) {
        start();
      } else {
        update(living_[random_.below(living_.size())]);
      }
      if (random_.one_in(4)) {
        std::this_thread::sleep_for(std::chrono::microseconds(random_.below(800)));
      }
    }
  }

 private:
  struct Living {
    uint32_t life;
    uint32_t logged;
    engine::RunRef run;
    engine::RunRef parent;
  };

  // The runs that earlier workers left.
  void take_up() {
    std::vector<Living> left;
    for (uint32_t i = 0; i < entries_.count; ++i) {
      const Entry& e = entries_.entries[i];
      next_value_ = std::max(next_value_, e.value + 1);
      if (e.fate == Fate::kTookNot) {
        continue;
      }
      const auto at = std::find_if(left.begin(), left.end(), [&e](const Living& l) { return l.life == e.life; });
      if (e.step == Step::kStart) {
        left.push_back({e.life, 0, nullptr, nullptr});
        next_life_ = e.life + 1;
      } else if (e.step == Step::kFinish || e.step == Step::kErase) {
        if (at != left.end()) {
          left.erase(at);
        }
      } else if (at != left.end()) {
        at->logged = e.step == Step::kClear ? 0 : at->logged + (e.step == Step::kAppend ? 1 : 0);
      }
    }
    for (Living& l : left) {
      auto run = store_.resume(run_id(index_, l.life));
      expect(run.status(), "resume");
      take(l, *run);
    }
  }
  void take(Living& l, const engine::RunRef& run) {
    auto parent = store_.parent(*run);
    expect(parent.status(), "parent");
    l.run = run;
    l.parent = *parent;
    living_.push_back(l);
  }
  template <class Call>
  void step(Step step, uint32_t life, int64_t value, Call&& call) {
    const uint32_t at = entries_.count;
    Entry& e = entries_.entries[at];
    e.step = step;
    e.life = life;
    e.value = value;
    e.fate = Fate::kOpen;
    entries_.count = at + 1;
    const Status s = call();
    if (s.code != Code::kBacklog) {
      expect(s, "an operation");
    }
    e.fate = s.code == Code::kBacklog ? Fate::kTookNot : Fate::kAcknowledged;
  }
  void start() {
    Living l{next_life_++, 0, nullptr, nullptr};
    engine::StartOptions o;
    o.id = run_id(index_, l.life);
    o.task = "chaos";
    o.parent = parent_id(l.life);
    o.tags = {"t" + std::to_string(index_)};
    engine::RunRef run;
    step(Step::kStart, l.life, 0, [&] {
      auto started = store_.start(o);
      run = started.ok() ? *started : nullptr;
      return started.status();
    });
    take(l, run);
  }
  Status apply(Living& l, OperationType type, const char* key, Value value) {
    engine::Outcome outcome;
    // One that waits for the disk is often the one that a kill meets.
    const auto durability = random_.one_in(20) ? engine::Durability::kPower : engine::Durability::kDefault;
    return store_.apply(*l.run, {type, key, std::move(value)}, outcome, durability);
  }
  void update(Living& l) {
    const int64_t value = next_value_++;
    const uint64_t drawn = random_.below(100);
    if (drawn < 40) {
      step(Step::kIncrement, l.life, value, [&] { return apply(l, OperationType::kIncrement, "n", value); });
    } else if (drawn < 60) {
      if (l.logged >= kLogMax) {
        step(Step::kClear, l.life, value, [&] { return apply(l, OperationType::kSet, "log", engine::Array{}); });
        l.logged = 0;
        return;
      }
      step(Step::kAppend, l.life, value, [&] { return apply(l, OperationType::kAppend, "log", value); });
      ++l.logged;
    } else if (drawn < 80) {
      step(Step::kSet, l.life, value, [&] { return apply(l, OperationType::kSet, "text", text_of(value)); });
    } else if (drawn < 84) {
      step(Step::kDelete, l.life, value, [&] { return apply(l, OperationType::kDelete, "text", Value()); });
    } else if (drawn < 98) {
      step(Step::kParent, l.life, value, [&] {
        return store_.transact({{l.run.get(), {OperationType::kIncrement, "told", 1}},
                                {l.parent.get(), {OperationType::kIncrement, "n", 1}},
                                {l.parent.get(), {OperationType::kAppend, "log", log_value(index_, value)}}});
      });
    } else {
      const Living gone = l;
      living_.erase(living_.begin() + (&l - living_.data()));
      if (drawn < 99) {
        step(Step::kFinish, gone.life, 0, [&] { return store_.finish(*gone.run, engine::RunStatus::kCompleted); });
      } else {
        step(Step::kErase, gone.life, 0, [&] { return store_.erase(gone.run->id); });
      }
    }
  }

  Store& store_;
  const uint32_t index_;
  Oracle::OfThread& entries_;
  SeededRandom random_;
  std::vector<Living> living_;
  uint32_t next_life_ = 0;
  int64_t next_value_ = 1;
};

void carry(Store& store, const std::string& url) {
  http_client::Options options;
  options.url = url;
  options.timeout_ms = 250;
  auto exchange = upstream::HttpExchange::open(std::move(options));
  expect(exchange.status(), "the exchange");
  while (oracle->stop == 0) {
    // Tries at once what just failed: many messages, not good manners, are wanted here.
    expect(store.upstream().control(engine::Upstream::Control::kResume), "resume");
    std::string message;
    expect(store.upstream().next(message), "next");
    if (message.empty()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    ++oracle->messages;
    expect((*exchange)->send(message), "send");
    std::optional<upstream::Outcome> outcome;
    while (!outcome) {
      outcome = (*exchange)->poll(50);
    }
    if (outcome->answered()) {
      expect(store.upstream().feed(outcome->answer), "feed");
      continue;
    }
    ++oracle->failures;
    expect(store.upstream().failed(static_cast<engine::sync::Failure>(outcome->failure), outcome->text), "failed");
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
}

int work(const std::string& directory, const std::string& url, uint64_t seed) {
  const uint64_t own = testing::derive_seed(seed, ++oracle->starts);
  engine::StoreOptions o;
  o.directory = directory;
  o.segment_bytes = 256u << 10;
  o.flush_interval_ms = 5;
  o.mark_crashed = false;
  o.background = true;
  auto opened = Store::open(o);
  expect(opened.status(), "open");
  Store& store = **opened;
  engine::sync::SenderOptions sender;
  sender.interval_ms = 2;
  sender.limits.entries = 4;
  expect(store.upstream().attach("chaos", sender), "attach");
  {
    std::vector<std::jthread> threads;
    for (uint32_t t = 0; t < kOracleThreads; ++t) {
      threads.emplace_back([&store, t, own] { Thread(store, t, testing::derive_seed(own, t)).run(); });
    }
    carry(store, url);
  }
  expect(store.close(-1), "close");
  return 0;
}

}  // namespace
}  // namespace cairn::tests

int main(int count, char** arguments) {
  using cairn::tests::oracle;
  if (count != 5 || (oracle = cairn::tests::Oracle::map(arguments[2])) == nullptr) {
    std::fprintf(stderr, "usage: chaos_worker STORE ORACLE URL SEED\n");
    return 64;
  }
  return cairn::tests::work(arguments[1], arguments[3], std::strtoull(arguments[4], nullptr, 10));
}
