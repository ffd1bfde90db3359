// A reader in another process than the owner, while that updates at full speed, flushes, checkpoints and recycles tiny
// segments. Whatever it meets, it sees at least what was acknowledged before it looked, nothing older than it saw
// before, and whole documents.
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "tests/support/child_process.h"
#include "tests/support/scale.h"
#include "tests/support/store_fixture.h"
#include "tests/support/updates.h"

namespace cairn::tests {
namespace {

using engine::Operation;
using engine::OperationType;
using engine::Outcome;

enum RunIndex { kNumber, kText, kLeft, kRight, kRunCount };
constexpr std::array<const char*, kRunCount> kIds = {"number", "text", "left", "right"};

struct Page {
  std::atomic<uint64_t> acknowledged[kRunCount];  // sequences
  std::atomic<uint64_t> updates, rotations, recycled, flushes, checkpoints;
  std::atomic<bool> stop;
};

std::string text_at(uint64_t sequence) {
  return std::string(sequence * 37 % 900, static_cast<char>('a' + sequence % 26));
}

class ConcurrentReader : public StoreTest {
 protected:
  void SetUp() override {
    void* memory = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    page_ = new (memory) Page();
  }

  void write_at_full_speed(ChildProcess& self) {
    engine::StoreOptions o = options();
    o.flush_interval_ms = 5;
    open(o);
    std::array<engine::RunRef, kRunCount> runs;
    for (size_t i = 0; i < kRunCount; ++i) {
      runs[i] = start(kIds[i]);
      page_->acknowledged[i] = 1;
    }
    self.go();
    const auto acknowledge = [&](RunIndex i) {
      page_->acknowledged[i] = runs[i]->version.load();
      page_->updates.fetch_add(1, std::memory_order_relaxed);
    };
    std::thread number([&] {
      while (!page_->stop) {
        ASSERT_TRUE(set_int(*store_, *runs[kNumber], "n", static_cast<int64_t>(page_->acknowledged[kNumber] + 1)).ok());
        acknowledge(kNumber);
      }
    });
    std::thread others([&] {
      Outcome outcome;
      for (uint64_t i = 0; !page_->stop; ++i) {
        const uint64_t next = page_->acknowledged[kText] + 1;
        const engine::Object document = {{"n", static_cast<int64_t>(next)}, {"text", text_at(next)}};
        ASSERT_TRUE(store_
                        ->apply(*runs[kText], {OperationType::kReplace, "", document}, outcome,
                                i % 8 == 0 ? engine::Durability::kPower : engine::Durability::kProcess)
                        .ok());
        acknowledge(kText);
        if (i % 4 == 0) {
          ASSERT_TRUE(store_
                          ->transact({{runs[kLeft].get(), {OperationType::kIncrement, "n", 1}},
                                      {runs[kRight].get(), {OperationType::kIncrement, "n", 1}}})
                          .ok());
          acknowledge(kLeft);
          acknowledge(kRight);
        }
      }
    });
    while (!page_->stop) {
      ASSERT_TRUE(store_->step(0).ok()) << engine::error_detail().message;
      ASSERT_TRUE(store_->barrier().ok());
      ASSERT_TRUE(store_->checkpoint().ok()) << engine::error_detail().message;
      const engine::StoreStats stats = store_->stats();
      page_->rotations = stats.wal.rotations;
      page_->recycled = stats.wal.recycled;
      page_->flushes = stats.flushes;
      page_->checkpoints = stats.checkpoints;
    }
    number.join();
    others.join();
    close();
  }

  static int64_t number_of(const engine::RunRecord& record) {
    const int member = record.document.find("n");
    const auto* n = member < 0 ? nullptr : record.document.member(member).value.get<int64_t>();
    return n == nullptr ? 0 : *n;
  }
  void check(const engine::RunRecord& record, const std::array<uint64_t, kRunCount>& before) {
    const auto at = static_cast<size_t>(std::find(kIds.begin(), kIds.end(), record.id) - kIds.begin());
    ASSERT_LT(at, kIds.size()) << record.id;
    ASSERT_GE(record.sequence, before[at]) << record.id << ": acknowledged before the look";
    ASSERT_GE(record.sequence, seen_[at]) << record.id << ": seen before";
    seen_[at] = record.sequence;
    const auto sequence = static_cast<int64_t>(record.sequence);
    if (sequence == 1) {
      ASSERT_EQ(record.document.to_json(), "{}");
    } else if (at == kNumber) {
      ASSERT_EQ(record.document.to_json(), "{\"n\":" + std::to_string(sequence) + "}");
    } else if (at == kText) {
      ASSERT_EQ(record.document.to_json(),
                "{\"n\":" + std::to_string(sequence) + ",\"text\":\"" + text_at(record.sequence) + "\"}");
    } else {
      ASSERT_EQ(number_of(record), sequence - 1);
    }
  }

  Page* page_ = nullptr;
  std::array<uint64_t, kRunCount> seen_{};
};

TEST_F(ConcurrentReader, SeesAtLeastWhatWasAcknowledgedBeforeItLooked) {
  const int rounds = 10'000 / testing::test_scale();
  ChildProcess writer([this](ChildProcess& self) { write_at_full_speed(self); });
  writer.wait();
  engine::StoreReader::Options o;
  o.directory = options().directory;
  auto reader = engine::StoreReader::open(o);
  ASSERT_TRUE(reader.ok()) << engine::error_detail().message;
  uint64_t looks = 0;
  uint64_t too_quick = 0;
  // A slow disk makes few checkpoints meanwhile: then it takes more rounds.
  const auto busy = [&] { return rounds < 10'000 || (page_->recycled > 10 && page_->checkpoints > 100); };
  int round = 0;
  for (; (round < rounds || (round < 20 * rounds && !busy())) && !HasFailure(); ++round) {
    std::array<uint64_t, kRunCount> before{};
    for (size_t i = 0; i < kRunCount; ++i) {
      before[i] = page_->acknowledged[i];
    }
    Status s;
    if (round % 4 != 0) {
      const size_t at = static_cast<size_t>(round) % kRunCount;
      auto view = (*reader)->read(kIds[at]);
      s = view.status();
      if (view.ok()) {
        ASSERT_TRUE(view->has_value()) << kIds[at] << " in round " << round;
        check((*view)->record, before);
      }
    } else {
      size_t found = 0;
      std::array<uint64_t, kRunCount> sequence{};
      s = (*reader)->each([&](const engine::RunView& view) {
        check(view.record, before);
        sequence[static_cast<size_t>(std::find(kIds.begin(), kIds.end(), view.record.id) - kIds.begin())] =
            view.record.sequence;
        ++found;
        return !HasFatalFailure();
      });
      if (s.ok() && !HasFailure()) {
        ASSERT_EQ(found, kRunCount) << "in round " << round;
        ASSERT_EQ(sequence[kLeft], sequence[kRight]) << "half a transaction in round " << round;
      }
    }
    looks += (*reader)->report().attempts;
    if (s.code == Code::kAgain) {
      ++too_quick;
      --round;
      ASSERT_LT(too_quick, 1000U);
      continue;
    }
    ASSERT_TRUE(s.ok()) << "round " << round << ": " << static_cast<int>(s.code) << " "
                        << engine::error_detail().message;
    if (round % 1000 == 999) {
      // A reader that comes new, also; each second one copies nothing of the log.
      o.copied_log_bytes_max = round % 2000 == 999 ? 0 : 8u << 20;
      reader = engine::StoreReader::open(o);
      ASSERT_TRUE(reader.ok()) << engine::error_detail().message;
    }
  }
  page_->stop = true;
  writer.expect_success();
  printf(
      "reader: %d rounds, %lu looks, %lu told to come again; meanwhile %lu updates, %lu flushes, %lu checkpoints, "
      "%lu rotations, %lu segments recycled\n",
      round, static_cast<unsigned long>(looks), static_cast<unsigned long>(too_quick),
      static_cast<unsigned long>(page_->updates), static_cast<unsigned long>(page_->flushes),
      static_cast<unsigned long>(page_->checkpoints), static_cast<unsigned long>(page_->rotations),
      static_cast<unsigned long>(page_->recycled));
  EXPECT_TRUE(busy());
}

}  // namespace
}  // namespace cairn::tests
