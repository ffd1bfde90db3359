// An owner has one live stream at a receiver: whoever goes on with another one is known to be its successor, or
// stopped.
#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using sync::Halt;

class Streams : public SyncTest {
 protected:
  /// The answer to a first batch whose owner has another live stream.
  static std::string retired(const std::string& batch, const sync::StreamId& live, uint64_t generation) {
    const auto sent = sync::decode_batch_header(batch);
    EXPECT_TRUE(sent.ok());
    sync::ReplyHeader reply;
    reply.answer = static_cast<uint8_t>(sync::Answer::kRetired);
    reply.stream = sent->stream;
    reply.for_seq = sent->seq;
    reply.for_digest = sent->digest;
    reply.digest = live;
    reply.lsn_hi = generation;
    return sync::encode_reply(reply, {});
  }
  void SetUp() override {
    SyncTest::SetUp();
    other.open();
    first.fixed_identity = second.fixed_identity = true;
    first.open();
    first.attach();
  }
  static void attach(Site& s, const std::string& name) {
    ASSERT_TRUE(s.store().upstream().attach(name, {}).ok());
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
  ASSERT_TRUE(second.store().upstream().resolve_copy(true).ok());
  second.sync_with(other);
  EXPECT_EQ(second.sync_state().sender.halt, Halt::kNone);
  EXPECT_EQ(other.state("r"), R"({"n":3,"m":3})");
  other.reopen();  // it is in the log
  first.set("r", "n", "4");
  first.sync_with(other);
  EXPECT_EQ(first.sync_state().sender.halt, Halt::kForked) << "the one that was told to go on is followed";
  EXPECT_EQ(other.state("r"), R"({"n":3,"m":3})");
  ASSERT_TRUE(first.store().upstream().resolve_copy(true).ok());
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
  first.sync_later_with(up);  // the second gap
  EXPECT_EQ(first.sync_state().sender.halt, Halt::kNone);
  EXPECT_EQ(up.state("r"), R"({"n":3})");
}

// Nothing is left of the runs, and the upstream has some under ids that are taken again.
TEST_F(Streams, AStoreThatLostItsRunsGoesBeyondTheGenerationsThatWere) {
  first.start("r", R"({"n":1})");
  for (int i = 0; i < 5; ++i) {
    first.set("r", "n", std::to_string(i));
    first.sync_with(i % 2 == 0 ? up : other);
    first.sync_later_with(i % 2 == 0 ? up : other);
  }
  const auto owner = first.sync_state().sender.owner;
  sync::Question question;
  question.owner = owner;
  auto known = sync::decode_documents(up.receiver().handle(sync::encode_question(question)));
  ASSERT_TRUE(known.ok());
  EXPECT_EQ(known->generation, first.sync_state().sender.generation) << "it is told without any run";
  ASSERT_GT(known->generation, 2u);
}

// A first batch has to name the stream that it takes the place of, and to be of a higher generation.
TEST_F(Streams, AFirstBatchThatDoesNotNameTheLiveStreamIsRetired) {
  const auto stream = [](uint8_t n) {
    sync::StreamId id{};
    id[0] = n;
    return id;
  };
  const auto reply_to = [&](uint8_t n, uint64_t generation, uint8_t parent) {
    sync::BatchHeader h;
    h.owner[0] = 0xaa;
    h.stream = stream(n);
    h.seq = 1;
    h.generation = generation;
    h.parent = stream(parent);
    sync::Entry e;
    e.kind = sync::EntryKind::kErase;
    e.id = "none";
    e.life = e.sequence = 1;
    std::string body;
    sync::append_entry(body, e, 0);
    auto reply = sync::decode_reply(up.receiver().handle(sync::seal_batch(h, 1, body)));
    EXPECT_TRUE(reply.ok());
    return reply.ok() ? *reply : sync::Reply();
  };
  EXPECT_EQ(reply_to(1, 5, 0).answer(), sync::Answer::kOk);
  for (const uint8_t parent : {0, 2, 3}) {
    const sync::Reply reply = reply_to(2, 6, parent);
    EXPECT_EQ(reply.answer(), sync::Answer::kRetired) << "parent " << int{parent};
    EXPECT_EQ(reply.header.seq, 0u);
    EXPECT_EQ(reply.header.lsn_hi, 5u) << "the generation of the live stream";
    EXPECT_EQ(reply.header.digest, stream(1));
  }
  EXPECT_EQ(reply_to(2, 4, 1).answer(), sync::Answer::kRetired);
  EXPECT_EQ(reply_to(2, 5, 1).answer(), sync::Answer::kRetired);
  EXPECT_EQ(reply_to(2, 6, 1).answer(), sync::Answer::kOk);
  EXPECT_EQ(reply_to(3, 7, 1).answer(), sync::Answer::kRetired) << "that one was retired";
  EXPECT_EQ(reply_to(3, 7, 2).answer(), sync::Answer::kOk);
}

// Once is enough: over a folder each answer is a journey.
TEST_F(Streams, WhoTakesALiveStreamsPlaceGoesBeyondItsGeneration) {
  first.start("r", R"({"n":1})");
  first.sync_with(up);
  sync::StreamId live{};
  {
    first.set("r", "n", "2");
    const std::string batch = first.frozen();
    live = sync::decode_batch_header(batch)->stream;
    first.feed(answer_to(batch, sync::Answer::kGap));
  }
  const std::string batch = first.next();
  const auto sent = sync::decode_batch_header(batch);
  ASSERT_TRUE(sent.ok());
  ASSERT_EQ(sent->seq, 1u);
  first.feed(retired(batch, live, 100));
  const auto again = sync::decode_batch_header(first.next());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->parent, live);
  EXPECT_EQ(again->generation, 101u);
  EXPECT_NE(again->stream, sent->stream) << "the first batch of that one may have arrived elsewhere";
}

// That somebody said "moved" is good for one upstream, until that has taken a batch.
TEST_F(Streams, WhoWasToldIsNotBelievedForEver) {
  first.start("r", R"({"n":1})");
  first.sync_with(up);
  Site& moved = site("moved");
  first.copy_to(moved);
  first.close();
  moved.open();
  ASSERT_TRUE(moved.store().upstream().resolve_copy(true).ok());
  moved.set("r", "n", "2");
  moved.sync_with(up);
  moved.set("r", "n", "3");
  moved.feed(answer_to(moved.frozen(), sync::Answer::kGap));
  moved.feed(retired(moved.next(), sync::StreamId{7}, 9));
  EXPECT_EQ(moved.sync_state().sender.halt, Halt::kForked);
}

// The streams of the store that it was copied from are none of its own.
TEST_F(Streams, ACopyThatIsAStoreOfItsOwnHasNoEarlierStreams) {
  first.start("r", R"({"n":1})");
  first.sync_with(up);
  first.set("r", "n", "2");
  const std::string batch = first.frozen();
  const sync::StreamId before = sync::decode_batch_header(batch)->stream;
  first.feed(answer_to(batch, sync::Answer::kGap));
  first.sync_with(up);
  Site& copy = site("copy");
  first.copy_to(copy);
  copy.open();
  ASSERT_TRUE(copy.store().upstream().resolve_copy(false).ok());
  copy.start("mine");
  copy.feed(retired(copy.frozen(), before, 9));
  EXPECT_EQ(copy.sync_state().sender.halt, Halt::kForked);
}

// What one upstream was asked says nothing of another.
TEST_F(Streams, AStoreThatIsAttachedElsewhereInItsPullAsksFromTheBeginning) {
  for (int i = 0; i < 1100; ++i) {
    first.start("r" + std::to_string(i));
  }
  first.sync_with(up);
  Site& moved = site("moved");
  first.copy_to(moved);
  first.close();
  moved.open();
  ASSERT_TRUE(moved.store().upstream().resolve_copy(true).ok());
  const std::string begin = moved.next();
  auto asked = sync::decode_question(begin);
  ASSERT_TRUE(asked.ok());
  const std::string first_id = asked->runs.at(0).id;
  moved.feed(up.receiver().handle(begin));
  asked = sync::decode_question(moved.next());
  ASSERT_TRUE(asked.ok());
  ASSERT_NE(asked->runs.at(0).id, first_id) << "the second portion";
  ASSERT_TRUE(moved.store().upstream().attach("elsewhere", {}).ok());
  asked = sync::decode_question(moved.frozen());
  ASSERT_TRUE(asked.ok());
  EXPECT_EQ(asked->runs.at(0).id, first_id);
}

}  // namespace
}  // namespace cairn::tests
