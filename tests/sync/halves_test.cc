// Batches that are sent in halves, down to an empty one.
#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class Halves : public SyncTest {
 protected:
  /// Answers 413 to what is sent until an empty batch is, and returns that.
  static std::string refuse_all(Site& s) {
    std::string message = s.frozen();
    for (int i = 0; i < 20 && !message.empty() && sync::decode_batch_header(message)->entries > 0; ++i) {
      EXPECT_TRUE(s.store().upstream().failed(sync::Failure::kTooLarge, "413").ok());
      s.clock().advance_ms(61'000);
      message = s.frozen();
    }
    EXPECT_EQ(sync::decode_batch_header(message)->entries, 0u);
    return message;
  }
};

TEST_F(Halves, AnEarlierFormOfABatchThatWasTakenIsAcknowledged) {
  Site& child = sender("child");
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  for (int i = 0; i < 4; ++i) {
    child.start("c" + std::to_string(i), "{}", "p");
    child.increment_parent("c" + std::to_string(i));
  }
  const std::string large = child.next();
  up.receiver().handle(large);
  ASSERT_TRUE(child.store().upstream().failed(sync::Failure::kTooLarge, "413").ok());
  const std::string half = child.next();
  ASSERT_NE(half, large);
  child.apply("c3", OperationType::kSet, "x", "1");
  child.feed(up.receiver().handle(half));
  child.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":4})");
  EXPECT_EQ(up.state("c3"), R"({"x":1})");
}

// What the upstream took is not forgotten because the same bytes were refused afterwards: neither a dead letter, nor
// another batch of the same number.
TEST_F(Halves, ABatchThatArrivedAndIsThenRefusedCountsOnce) {
  Site& child = sender("child");
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  for (const char* id : {"c1", "c2", "c3"}) {
    child.start(id, "{}", "p");
    child.increment_parent(id);
  }
  up.receiver().handle(child.next());
  ASSERT_TRUE(child.store().upstream().failed(sync::Failure::kTransient, "the answer is lost").ok());
  child.clock().advance_ms(61'000);
  refuse_all(child);
  child.increment_parent("c1");
  child.reopen();
  child.attach();
  child.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":4})");
  EXPECT_EQ(child.sync_state().sender.halt, sync::Halt::kNone);
  EXPECT_TRUE(child.dead().empty());
  EXPECT_TRUE(child.sync_state().all_acknowledged);
}

TEST_F(Halves, AnEraseIsNeverADeadLetter) {
  worker.start("r");
  worker.finish("r");
  worker.sync_with(up);
  ASSERT_TRUE(worker.store().erase("r").ok());
  worker.feed(up.receiver().handle(refuse_all(worker)));
  EXPECT_TRUE(worker.dead().empty());
  EXPECT_EQ(up.state("r"), "COMPLETED {}");
  worker.sync_with(up);
  EXPECT_EQ(up.state("r"), "none");
}

TEST_F(Halves, AnEmptyBatchThatIsRefusedIsTriedAgain) {
  worker.start("r");
  std::string empty = refuse_all(worker);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(sync::decode_batch_header(empty)->entries, 0u);
    if (i % 2 == 0) {
      ASSERT_TRUE(worker.store().upstream().failed(sync::Failure::kTooLarge, "413").ok());
    } else {
      worker.feed(answer_to(empty, i == 1 ? sync::Answer::kRefused : sync::Answer::kTooLarge));
    }
    EXPECT_TRUE(worker.next().empty()) << "not at once";
    EXPECT_TRUE(worker.dead().empty());
    EXPECT_EQ(worker.sync_state().in_flight_entries, 1u);
    worker.clock().advance_ms(61'000);
    empty = worker.frozen();
  }
  worker.feed(up.receiver().handle(empty));
  EXPECT_EQ(worker.dead(), std::vector<std::string>{"r: too large"});
}

TEST_F(Halves, ASingleRunThatIsTooLargeIsADeadLetter) {
  worker.start("big");
  const std::string empty = refuse_all(worker);
  EXPECT_TRUE(worker.dead().empty()) << "an earlier form may have arrived";
  worker.feed(up.receiver().handle(empty));
  EXPECT_EQ(worker.dead(), std::vector<std::string>{"big: too large"});
  worker.start("small");
  worker.sync_with(up);
  EXPECT_EQ(up.state("small"), "{}");
  EXPECT_EQ(up.state("big"), "none");
}

}  // namespace
}  // namespace cairn::tests
