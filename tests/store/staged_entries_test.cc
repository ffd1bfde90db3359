// What a slot holds after any sequence of changes: exactly the pending diff, with the right checksum.
#include <vector>

#include "engine/json/byte_sink.h"
#include "engine/staging/staged_entry.h"
#include "engine/staging/staged_slot.h"
#include "tests/support/seeded_random.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

using cairn::testing::SeededRandom;
using engine::Operation;
using engine::OperationType;
using engine::Value;
using engine::staging::BufferHeader;

constexpr int8_t kClass = engine::staging::kClasses - 1;
constexpr uint64_t kSeed = 0x1122334455667788;

class StagedEntries : public ::testing::Test {
 protected:
  StagedEntries() : memory_(engine::staging::kStride[kClass] / 8) {
    engine::Slot slot;
    slot.memory = reinterpret_cast<char*>(memory_.data());
    slot.seed = kSeed;
    slot.size_class = kClass;
    staged_.replace_slot(slot);
  }
  // False when it did not fit.
  bool update(const Operation& op) {
    engine::Outcome outcome;
    engine::SizeDetail detail;
    int entry = -1;
    EXPECT_TRUE(live_.apply(op, 1u << 20, outcome, detail, entry).ok());
    if (outcome.kind != engine::OutcomeKind::kApplied) {
      return true;
    }
    return staged_.write(live_, entry, ++sequence_, 1, {});
  }
  void expect_pending_diff_in_slot() {
    std::string expected;
    uint64_t sum = 0;
    uint32_t index = 0;
    for (const engine::PendingEntry& e : live_.pending().entries) {
      std::string entry(engine::kEntryLengthBytes, 0);
      engine::append_entry(entry, live_.key_of(e), e.form, live_.value_of(e));
      const auto bytes = static_cast<uint32_t>(entry.size());
      std::memcpy(entry.data(), &bytes, sizeof bytes);
      sum += engine::staging::head_hash(entry.data(), bytes, kSeed, index) +
             engine::staging::tail_hash(entry.data(), bytes, kSeed, index);
      expected += entry;
      ++index;
    }
    ASSERT_EQ(staged_.newest_payload(), expected);
    BufferHeader header;
    std::memcpy(static_cast<void*>(&header), staged_.newest_payload().data() - sizeof header, sizeof header);
    EXPECT_EQ(header.entry_count, live_.pending().entries.size());
    EXPECT_EQ(header.payload_bytes, expected.size());
    EXPECT_EQ(header.last.load(), sequence_);
    EXPECT_EQ(header.last_copy, sequence_);
    EXPECT_EQ(header.checksum, xxh3(&header, offsetof(BufferHeader, checksum), kSeed) + sum);
  }

  std::vector<uint64_t> memory_;
  engine::LiveDocument live_;
  engine::StagedSlot staged_;
  uint64_t sequence_ = 0;
};

Operation random_operation(SeededRandom& random, uint64_t keys) {
  Operation op;
  const uint64_t number = random.below(keys);
  op.key = "key-" + std::to_string(number);
  if (number == 2) {
    op.key.resize(240, 'k');  // a number whose entry is too long to have its tail hashed apart
  }
  switch (random.below(8)) {
    case 0:
      op.value = Value(std::string(random.below(60), 'x'));
      return op;
    case 1:
      op.type = OperationType::kIncrement;
      op.value = Value(int64_t{1});
      return op;
    case 2:
      op.type = OperationType::kAppend;
      op.value = Value(std::string(random.below(9), 'y'));
      return op;
    case 3:
      if (random.below(4) == 0) {
        op.type = OperationType::kDelete;
        return op;
      }
      op.value = Value(random.below(2) == 0);
      return op;
    default:
      op.value = random.below(2) == 0 ? Value(0.25 * static_cast<double>(random.below(100)))
                                      : Value(static_cast<int64_t>(random.below(100)));
      return op;
  }
}

TEST_F(StagedEntries, AreThePendingDiffAfterAnySequenceOfChanges) {
  for (const uint64_t keys : {1, 3, 20, 150}) {  // more keys than a buffer has marks for what changed
    SeededRandom random(keys);
    live_.reset({}, sequence_);
    staged_.replace_slot(staged_.slot());
    for (int i = 0; i < 3000; ++i) {
      if (!update(random_operation(random, keys))) {
        live_.clear_pending(sequence_);  // as a seal would
        staged_.replace_slot(staged_.slot());
        continue;
      }
      if (!live_.pending().empty()) {
        ASSERT_NO_FATAL_FAILURE(expect_pending_diff_in_slot()) << keys << " keys, operation " << i;
      }
    }
  }
}

}  // namespace
}  // namespace cairn::tests
