// How a run was triggered goes with it.
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using engine::RunDetails;
using engine::RunStatus;

class Triggered : public SyncTest {
 protected:
  engine::RunRef trigger(const std::string& id, const RunDetails& details) {
    engine::StartOptions o;
    o.id = id;
    o.status = RunStatus::kQueued;
    o.details = details;
    auto run = worker.store().start(o);
    EXPECT_TRUE(run.ok()) << engine::error_detail().message;
    return *run;
  }
  static RunDetails details(Site& site, const std::string& id) {
    auto view = site.store().peek(id, true);
    EXPECT_TRUE(view.ok() && *view && (*view)->record.details) << id;
    return *(*view)->record.details;
  }
};

TEST_F(Triggered, DetailsArriveAndFollowTheStatus) {
  RunDetails d;
  d.ttl = "10m";
  d.is_test = true;
  d.batch = "batch_1";
  d.batch_index = 3;
  d.function = engine::TriggerFunction::kBatchTrigger;
  d.idempotency_key = "k";
  auto run = trigger("r", d);
  worker.sync_with(up);
  EXPECT_EQ(details(up, "r"), details(worker, "r"));
  EXPECT_EQ(details(up, "r").batch, "batch_1");
  worker.clock().advance_ms(5000);
  ASSERT_TRUE(worker.store().set_status(*run, RunStatus::kExecuting).ok());
  worker.sync_with(up);
  EXPECT_NE(details(worker, "r").started_us, 0);
  EXPECT_EQ(details(up, "r"), details(worker, "r"));
  up.reopen();
  EXPECT_EQ(details(up, "r"), details(worker, "r"));
}

TEST_F(Triggered, ItIsNotOrphanedUpstream) {
  trigger("r", {});
  worker.sync_with(up);
  up.reopen();
  auto view = up.store().peek("r", false);
  ASSERT_TRUE(view.ok() && *view);
  EXPECT_FALSE((*view)->orphaned);
}

// A later version's sender, through a relay and a receiver of this one.
TEST_F(Triggered, MembersThatNobodyHereKnowsPassThrough) {
  RunDetails d;
  d.ttl = "1h";
  d.unknown = std::string("\x20\x92\x01\xa1x", 5);
  trigger("r", d);
  worker.sync_with(up);
  EXPECT_EQ(details(up, "r").unknown, d.unknown);
  worker.set("r", "progress", "1");
  worker.sync_with(up);
  worker.finish("r");
  worker.sync_with(up);
  up.reopen();
  EXPECT_EQ(details(up, "r").unknown, d.unknown);
  EXPECT_EQ(up.state("r"), R"(COMPLETED {"progress":1})");
}

TEST_F(Triggered, ARunWithoutDetailsIsSentAsBefore) {
  worker.start("r");
  const std::string message = worker.frozen();
  auto batch = sync::decode_batch(message);
  ASSERT_TRUE(batch.ok());
  ASSERT_EQ(batch->entries.size(), 1U);
  EXPECT_FALSE(batch->entries[0].head->details);
}

class SentTexts : public SyncTest {
 protected:
  static std::shared_ptr<const engine::RunTexts> all(size_t bytes) {
    engine::RunTexts texts;
    for (const engine::TextKind kind : engine::kTextKinds) {
      texts.of(kind) =
          engine::TypedText{"text/plain", std::string(bytes, static_cast<char>('a' + static_cast<int>(kind)))};
    }
    return std::make_shared<const engine::RunTexts>(std::move(texts));
  }
  engine::RunRef trigger(const std::string& id, std::shared_ptr<const engine::RunTexts> texts) {
    engine::StartOptions o;
    o.id = id;
    o.status = RunStatus::kQueued;
    o.with.texts = std::move(texts);
    auto run = worker.store().start(o);
    EXPECT_TRUE(run.ok()) << engine::error_detail().message;
    return run.ok() ? *run : nullptr;
  }
  static engine::RunTexts at(Site& site, const std::string& id) {
    auto texts = site.store().texts(id);
    EXPECT_TRUE(texts.ok()) << engine::error_detail().message;
    return texts.ok() ? *texts : engine::RunTexts();
  }
};

TEST_F(SentTexts, ArriveOnceAndNeverAgainWithAnUpdate) {
  trigger("r", all(10'000));
  worker.sync_with(up);
  EXPECT_EQ(at(up, "r"), *all(10'000));
  const uint64_t sent = worker.bytes_sent;
  for (int i = 0; i < 5; ++i) {
    worker.set("r", "progress", std::to_string(i));
    worker.sync_with(up);
  }
  EXPECT_LT(worker.bytes_sent - sent, 5000U);
  EXPECT_EQ(at(up, "r"), *all(10'000));
  up.reopen();
  EXPECT_EQ(at(up, "r"), *all(10'000));
}

TEST_F(SentTexts, OutputComesWithTheEnd) {
  auto run = trigger("r", nullptr);
  worker.sync_with(up);
  engine::RunChangeRequest end;
  end.to = RunStatus::kCompleted;
  engine::RunTexts output;
  output.output = engine::TypedText{"application/json", R"({"ok":true})"};
  end.with.texts = std::make_shared<const engine::RunTexts>(output);
  ASSERT_TRUE(worker.store().change(*run, end)->done);
  worker.sync_with(up);
  EXPECT_EQ(at(up, "r"), output);
  EXPECT_EQ(up.state("r"), "COMPLETED {}");
}

// A run with all three at the limit fits the log of a store of the default segments, and a message.
TEST_F(SentTexts, AtTheLimitSyncIntoAStoreOfDefaultSegments) {
  Site& large = site("large");
  large.segment_bytes = 4u << 20;
  large.open();
  Site& from = site("from");
  from.segment_bytes = 4u << 20;
  from.open();
  from.attach();
  engine::StartOptions o;
  o.id = "r";
  o.with.texts = all(256u << 10);
  o.metadata = {{"k", Value(std::string(4000, 'x'))}};
  ASSERT_TRUE(from.store().start(o).ok()) << engine::error_detail().message;
  from.sync_with(large);
  EXPECT_TRUE(from.dead().empty());
  EXPECT_EQ(at(large, "r"), *all(256u << 10));
  large.reopen();
  EXPECT_EQ(at(large, "r"), *all(256u << 10));
}

TEST_F(SentTexts, AreSentAgainToAnUpstreamThatLostThem) {
  trigger("r", all(100));
  worker.sync_with(up);
  Site& other = site("other");
  other.open();
  worker.set("r", "n", "1");
  worker.sync_with(other);
  worker.sync_later_with(other);
  EXPECT_EQ(at(other, "r"), *all(100));
}

TEST_F(SentTexts, ThatWereFrozenComeBackWithTheirRow) {
  trigger("r", all(100));
  const std::string lost = worker.frozen();
  worker.reopen();
  worker.set("r", "n", "1");
  worker.sync_later_with(up);
  EXPECT_EQ(at(up, "r"), *all(100));
  EXPECT_EQ(up.state("r"), R"(QUEUED {"n":1})");
}

// Bytes that a later version could send: a member of the entry, and a kind of text, that nobody here knows.
TEST_F(SentTexts, MembersOfALaterVersionArePassedOver) {
  sync::Entry entry;
  entry.id = "r";
  entry.life = 1;
  entry.sequence = 1;
  entry.head.emplace();
  entry.replace = true;
  entry.texts.payload = engine::TypedText{"t", "x"};
  std::string body;
  sync::append_entry(body, entry, 0);
  const std::string members("\x81\x01\x81\x01\x92\xa1t\xa1x", 9);
  ASSERT_TRUE(body.ends_with(members));
  body.resize(body.size() - members.size());
  body += std::string("\x82\x01\x82\x01\x92\xa1t\xa1x\x08\xc3\x09\x81\xa1k\x01", 16);
  sync::Entry read;
  engine::MsgpackCursor in(body);
  ASSERT_TRUE(sync::read_entry(in, 0, read));
  EXPECT_TRUE(in.at_end());
  EXPECT_EQ(read.texts, entry.texts);
}

}  // namespace
}  // namespace cairn::tests
