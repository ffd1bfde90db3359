// A worker process that updates one run after another until its disk is full, and notes in a page of its parent what
// was acknowledged.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <map>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/store_fixture.h"
#include "tests/support/updates.h"

namespace cairn::tests {

/// Outlives the worker.
struct Acknowledged {
  static constexpr int kRuns = 20'000;
  std::atomic<uint64_t> sequence[kRuns];  // of run i; 0: never started
  std::atomic<bool> erased[kRuns];
  std::atomic<int> runs, updates, transactions, power;
  char refusal[512];  // the text of the error that ended the filling

  static Acknowledged* make() {
    void* memory = mmap(nullptr, sizeof(Acknowledged), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : new (memory) Acknowledged();
  }
};

/// Each run: a start (sequence 1), a text of some KiB (2), and then `n` set to each next sequence.
class Worker {
 public:
  Worker(engine::StoreOptions options, Acknowledged& page) : options_(std::move(options)), page_(page) {}

  void open() {
    auto opened = engine::Store::open(options_);
    ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
    store_ = std::move(*opened);
  }
  engine::Store& store() { return *store_; }
  void take_up(int i) {
    auto run = store_->resume(id(i));
    ASSERT_TRUE(run.ok()) << engine::error_detail().message;
    runs_[i] = *run;
    page_.sequence[i] = (*run)->version.load();
  }

  /// Runs are started and updated until no step finds room any more, and then for as long as a plain update is taken.
  void fill() {
    start_runs();
    for (int round = 0; round < 10'000; ++round) {
      if (start(page_.runs).ok()) {  // updates of what is there may go on for ever
        (void)set_text(page_.runs - 1);
      }
      for (int kind = 0; kind < 6; ++kind) {
        if (const Status s = update(1 + round % 50, kind); kind == 0 && !s.ok()) {
          EXPECT_EQ(s.code, Code::kNoSpace);
          return;
        }
      }
      (void)store_->barrier();  // plain updates are staged until a flush finds no room
      (void)store_->step(0);
    }
    FAIL() << "updates were never refused";
  }

  /// One more update of run i: of class power, in a transaction with run 0, or plain, by `kind`.
  Status update(int i, int kind) {
    using engine::OperationType;
    engine::Outcome outcome;
    engine::Run& run = *runs_.at(i);
    const auto next = static_cast<int64_t>(page_.sequence[i] + 1);
    if (kind == 2) {
      const Status s = store_->apply(run, {OperationType::kSet, "n", next}, outcome, engine::Durability::kPower);
      page_.power += note(s, i) ? 1 : 0;
      return s;
    }
    if (kind == 4 && i > 0) {
      const auto first = static_cast<int64_t>(page_.sequence[0] + 1);
      const Status s = store_->transact(
          {{&run, {OperationType::kSet, "n", next}}, {runs_.at(0).get(), {OperationType::kSet, "n", first}}});
      page_.transactions += note(s, i) && note(s, 0) ? 1 : 0;
      return s;
    }
    const Status s = set_int(*store_, run, "n", next);
    page_.updates += note(s, i) ? 1 : 0;
    return s;
  }
  std::string json(int i) {
    std::string text;
    (void)store_->current(*runs_.at(i), [&](const engine::Document& d, uint64_t) { text = d.to_json(); });
    return text;
  }
  void erase(int i) {
    runs_.erase(i);
    const Status s = store_->erase(id(i));
    ASSERT_TRUE(s.ok()) << i << ": " << engine::error_detail().message;
    page_.erased[i] = true;
  }
  static std::string id(int i) { return "run-" + std::to_string(i); }
  static std::string text() { return std::string(3000, 't'); }

 private:
  void start_runs() {
    for (int i = 0; i < Acknowledged::kRuns; ++i) {
      if (!again_with_room([&] { return start(i); }) || !again_with_room([&] { return set_text(i); })) {
        return;
      }
      for (int k = 0; k < 6; ++k) {
        if (!again_with_room([&] { return update(i, k); })) {
          return;
        }
      }
      if (i % 4 == 3) {
        const Status stepped = store_->step(0);
        ASSERT_TRUE(stepped.ok() || stepped.code == Code::kNoSpace) << engine::error_detail().message;
      }
    }
    FAIL() << "the disk did not fill up";
  }

  Status start(int i) {
    engine::StartOptions o;
    o.id = id(i);
    auto run = store_->start(o);
    if (run.ok()) {
      runs_[i] = *run;
      page_.sequence[i] = 1;
      page_.runs = i + 1;
    }
    return run.status();
  }
  Status set_text(int i) {
    engine::Outcome outcome;
    const Status s = store_->apply(*runs_.at(i), {engine::OperationType::kSet, "text", text()}, outcome);
    note(s, i);
    return s;
  }
  bool note(const Status& s, int i) {
    page_.sequence[i] += s.worked() ? 1 : 0;
    return s.worked();
  }
  /// False: there is none, also not after a step.
  template <class Update>
  bool again_with_room(Update&& update) {
    for (int attempt = 0;; ++attempt) {
      const Status s = update();
      if (s.worked()) {
        return true;
      }
      EXPECT_EQ(s.code, Code::kNoSpace) << engine::error_detail().message;
      std::strncpy(page_.refusal, engine::error_detail().message.c_str(), sizeof page_.refusal - 1);
      const Status stepped = store_->step(0);
      EXPECT_TRUE(stepped.ok() || stepped.code == Code::kNoSpace) << engine::error_detail().message;
      if (s.code != Code::kNoSpace || (attempt > 0 && !stepped.ok()) || attempt > 10) {
        return false;
      }
    }
  }

  engine::StoreOptions options_;
  Acknowledged& page_;
  std::unique_ptr<engine::Store> store_;
  std::map<int, engine::RunRef> runs_;
};

/// Every acknowledged update is there, and at most the one that was refused or cut off beside it.
inline void expect_acknowledged(const std::string& directory, const Acknowledged& page) {
  engine::StoreReader::Options o;
  o.directory = directory;
  auto reader = engine::StoreReader::open(o);
  ASSERT_TRUE(reader.ok()) << engine::error_detail().message;
  std::map<std::string, engine::RunRecord> found;
  const Status s = (*reader)->each([&](const engine::RunView& view) {
    found[view.record.id] = view.record;
    return true;
  });
  ASSERT_TRUE(s.ok()) << engine::error_detail().message;
  for (int i = 0; i < page.runs; ++i) {
    const auto at = found.find(Worker::id(i));
    if (page.erased[i]) {
      ASSERT_EQ(at, found.end()) << i;
      continue;
    }
    ASSERT_NE(at, found.end()) << i;
    const engine::RunRecord& record = at->second;
    ASSERT_GE(record.sequence, page.sequence[i]) << i;
    ASSERT_LE(record.sequence, page.sequence[i] + 1) << i;
    std::string expected = "{";
    if (record.sequence >= 2) {
      expected += "\"text\":\"" + Worker::text() + "\"";
    }
    if (record.sequence >= 3) {
      expected += ",\"n\":" + std::to_string(record.sequence);
    }
    ASSERT_EQ(record.document.to_json(), expected + "}") << i;
  }
}

}  // namespace cairn::tests
