// An owner has one live stream at a receiver: whoever goes on with another one is known to be its successor, or
// stopped.
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using sync::Halt;

class Streams : public SyncTest {
 protected:
  void SetUp() override {
    SyncTest::SetUp();
    other.open();
    first.fixed_identity = second.fixed_identity = true;
    first.open();
    first.attach();
  }
  static void attach(Site& s, const std::string& name) {
    ASSERT_TRUE(s.store().attach_upstream(name, {}).ok());
    s.clock().advance_ms(120'000);
  }

  Site& other = site("other");
  Site& first = site("first");
  Site& second = site("second");
};

// Both hear that the upstream has lost its state, and begin anew.
TEST_F(Streams, OfTwoThatBeginAnewOneIsStopped) {
  first.start("r", R"({"n":1})");
  first.sync_with(up);
  first.copy_to(second);
  second.open();
  first.set("r", "n", "2");
  second.set("r", "n", "3");
  second.set("r", "m", "3");
  first.sync_with(other);  // in the place of `up`, and empty
  second.sync_with(other);
  EXPECT_EQ(first.sync_state().sender.halt, Halt::kNone);
  EXPECT_EQ(second.sync_state().sender.halt, Halt::kForked);
  EXPECT_EQ(other.state("r"), R"({"n":2})");
  ASSERT_TRUE(second.store().resolve_copy(true).ok());
  second.sync_with(other);
  EXPECT_EQ(second.sync_state().sender.halt, Halt::kNone);
  EXPECT_EQ(other.state("r"), R"({"n":3,"m":3})");
  other.reopen();  // it is in the log
  first.set("r", "n", "4");
  first.sync_with(other);
  EXPECT_EQ(first.sync_state().sender.halt, Halt::kForked) << "the one that was told to go on is followed";
  EXPECT_EQ(other.state("r"), R"({"n":3,"m":3})");
  ASSERT_TRUE(first.store().resolve_copy(true).ok());
  first.sync_with(other);
  EXPECT_EQ(other.all(), first.all());
  EXPECT_EQ(first.sync_state().sender.halt, Halt::kNone);
  second.set("r", "n", "5");
  second.sync_with(other);
  EXPECT_EQ(second.sync_state().sender.halt, Halt::kForked);
}

TEST_F(Streams, AStoreThatGoesToAndFroBetweenTwoUpstreamsIsKnownAtBoth) {
  first.start("r", "{}");
  for (int i = 0; i < 12; ++i) {
    Site& upstream = i % 2 == 0 ? up : other;
    attach(first, i % 2 == 0 ? "up" : "other");
    first.set("r", "i", std::to_string(i));
    first.sync_with(upstream);
    ASSERT_EQ(first.sync_state().sender.halt, Halt::kNone) << i;
    ASSERT_TRUE(first.sync_state().all_acknowledged) << i;
    EXPECT_EQ(upstream.state("r"), first.state("r"));
  }
}

// The receiver's own disk was restored to a time when an earlier stream was the live one.
TEST_F(Streams, AnEarlierStreamOfTheStoreIsTakenOver) {
  first.start("r", R"({"n":1})");
  first.sync_with(up);
  const std::string image = up.directory() + ".image";
  up.close();
  std::filesystem::copy(up.directory(), image, std::filesystem::copy_options::recursive);
  up.open();
  first.set("r", "n", "2");
  first.sync_with(other);  // a gap: the second stream
  up.replace_by(image);
  first.set("r", "n", "3");
  first.sync_with(up);
  EXPECT_EQ(first.sync_state().sender.halt, Halt::kNone);
  EXPECT_EQ(up.state("r"), R"({"n":3})");
}

// Nothing is left of the runs, and the upstream has some under ids that are taken again.
TEST_F(Streams, AStoreThatLostItsRunsGoesBeyondTheGenerationsThatWere) {
  first.start("r", R"({"n":1})");
  for (int i = 0; i < 5; ++i) {
    first.set("r", "n", std::to_string(i));
    first.sync_with(i % 2 == 0 ? up : other);
  }
  const auto owner = first.sync_state().sender.owner;
  sync::Question question;
  question.owner = owner;
  auto known = sync::decode_documents(up.receiver().handle(sync::encode_question(question)));
  ASSERT_TRUE(known.ok());
  EXPECT_EQ(known->generation, first.sync_state().sender.generation) << "it is told without any run";
  ASSERT_GT(known->generation, 2u);
}

}  // namespace
}  // namespace cairn::tests
