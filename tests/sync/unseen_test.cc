// What others write upstream reaches the owner of a run by itself.
#include "engine/store/unseen_writes.h"
#include "engine/sync/following.h"
#include "engine/watch/watch.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

sync::SenderOptions polls(int64_t interval_ms = 5000) {
  sync::SenderOptions o;
  o.poll_interval_ms = interval_ms;
  return o;
}

class Unseen : public SyncTest {
 protected:
  void SetUp() override {
    up.open();
    worker.open();
    worker.attach(polls());
  }
  /// Messages that `from` gives while this time passes, each answered by `to`.
  static int pass(Site& from, Site& to, int64_t ms) {
    int messages = 0;
    for (int64_t at = 0; at <= ms; at += 100) {
      for (std::string m = from.next(); !m.empty(); m = from.next()) {
        ++messages;
        from.feed(to.receiver().handle(m));
      }
      from.clock().advance_ms(100);
    }
    return messages;
  }
  /// As a server does: what is staged goes into the log soon.
  void write_upstream(const std::string& id, const std::string& key, const std::string& json) {
    up.set(id, key, json);
    EXPECT_TRUE(up.store().barrier().ok());
  }
  static uint64_t version(Site& s, const std::string& id) { return s.run(id)->version.load(); }
};

TEST_F(Unseen, AnIdleOwnerHasWhatOthersWroteWithinItsInterval) {
  worker.start("r", R"({"n":1})");
  worker.sync_with(up);
  write_upstream("r", "stop", "true");
  write_upstream("r", "stop", "true");
  const int messages = pass(worker, up, 5500);
  EXPECT_EQ(worker.state("r"), R"({"n":1,"stop":true})");
  EXPECT_LE(messages, 3);
  EXPECT_EQ(up.state("r"), R"({"n":1,"stop":true})");
}

TEST_F(Unseen, ASenderThatIsBusyIsToldByTheReplyToItsBatch) {
  worker.start("r", "{}");
  worker.start("busy", "{}");
  worker.sync_with(up);
  worker.attach(polls(3'600'000));  // not by asking
  pass(worker, up, 2000);
  write_upstream("r", "stop", "true");
  worker.set("busy", "n", "1");
  pass(worker, up, 3000);
  EXPECT_EQ(worker.state("r"), R"({"stop":true})");
}

TEST_F(Unseen, AnOwnerWithoutUnfinishedRunsAsksNothing) {
  EXPECT_EQ(pass(worker, up, 20'000), 0);
  worker.start("r", "{}");
  worker.finish("r");
  worker.sync_with(up);
  EXPECT_EQ(pass(worker, up, 20'000), 0);
}

TEST_F(Unseen, NeverMeansNever) {
  worker.attach(polls(0));
  worker.start("r", "{}");
  worker.sync_with(up);
  write_upstream("r", "stop", "true");
  EXPECT_EQ(pass(worker, up, 60'000), 0);
  EXPECT_EQ(worker.state("r"), "{}");
  worker.attach(polls());
  pass(worker, up, 100);
  EXPECT_EQ(worker.state("r"), R"({"stop":true})");
}

TEST_F(Unseen, ItAsksOnceAnInterval) {
  worker.start("r", "{}");
  worker.sync_with(up);
  const int messages = pass(worker, up, 60'000);
  EXPECT_GE(messages, 11);
  EXPECT_LE(messages, 14);
}

TEST_F(Unseen, WhatWasWrittenWhileTheOwnerWasClosedIsThereAfterItsOpen) {
  worker.start("r", "{}");
  worker.sync_with(up);
  worker.close();
  write_upstream("r", "stop", "true");
  worker.open();
  worker.attach(polls());
  pass(worker, up, 100);
  EXPECT_EQ(worker.state("r"), R"({"stop":true})");
}

TEST_F(Unseen, ARunThatCannotBeReadThereHoldsTheOthersUpNot) {
  worker.start("good", "{}");
  worker.start("sick", R"({"text":"needle-of-the-sick-one"})");
  worker.sync_with(up);
  write_upstream("good", "stop", "true");
  write_upstream("sick", "stop", "true");
  up.reopen();  // all of it is in the tables
  std::fstream file(up.directory() + "/data/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  size_t found = 0;
  for (size_t at = bytes.find("needle-of"); at != std::string::npos; at = bytes.find("needle-of", at + 1)) {
    file.seekp(static_cast<std::streamoff>(at)).put('N');
    ++found;
  }
  file.close();
  ASSERT_GT(found, 0u);
  ASSERT_EQ(up.state("sick"), "code " + std::to_string(static_cast<int>(Code::kCorrupt)));
  pass(worker, up, 12'000);
  EXPECT_EQ(worker.state("good"), R"({"stop":true})");
  EXPECT_EQ(worker.state("sick"), R"({"text":"needle-of-the-sick-one"})");
}

TEST_F(Unseen, WhatWasWrittenBeforeTheUpstreamWasRestartedIsNotForgotten) {
  worker.start("r", "{}");
  worker.start("s", "{}");
  worker.sync_with(up);
  pass(worker, up, 6000);
  write_upstream("r", "stop", "true");
  up.reopen();
  pass(worker, up, 7000);
  EXPECT_EQ(worker.state("r"), R"({"stop":true})");
  up.reopen();
  write_upstream("s", "stop", "true");
  worker.set("r", "n", "1");
  pass(worker, up, 7000);
  EXPECT_EQ(worker.state("s"), R"({"stop":true})");
  EXPECT_EQ(up.state("r"), R"({"stop":true,"n":1})");
}

TEST_F(Unseen, AWriteBetweenTheAnswerAndTheNextQuestionIsNotMissed) {
  worker.start("r", "{}");
  worker.sync_with(up);
  pass(worker, up, 1000);
  for (int i = 0; i < 50; ++i) {
    write_upstream("r", "n", std::to_string(i));
    pass(worker, up, 700);
  }
  pass(worker, up, 6000);
  EXPECT_EQ(worker.state("r"), R"({"n":49})");
}

TEST_F(Unseen, OnlyTheOwnerOfARunIsToldOfIt) {
  Site& other = sender("other");
  other.attach(polls());
  worker.start("r", "{}");
  other.start("o", "{}");
  worker.sync_with(up);
  other.sync_with(up);
  pass(worker, up, 1000);
  pass(other, up, 1000);
  write_upstream("r", "stop", "true");
  const uint64_t before = version(other, "o");
  const int asked = pass(other, up, 6000);
  EXPECT_LE(asked, 2);
  EXPECT_EQ(version(other, "o"), before);
  pass(worker, up, 6000);
  EXPECT_EQ(worker.state("r"), R"({"stop":true})");
}

TEST_F(Unseen, WhatTheOwnerSendsIsNoNewsToIt) {
  worker.start("r", "{}");
  worker.sync_with(up);
  write_upstream("r", "theirs", "1");
  pass(worker, up, 6000);
  worker.set("r", "mine", "1");
  const std::string batch = worker.frozen();
  const auto reply = sync::decode_reply(up.receiver().handle(batch));
  ASSERT_TRUE(reply.ok());
  EXPECT_NE(reply->unseen.feed, 0u);
  EXPECT_TRUE(reply->unseen.runs.empty());
}

TEST_F(Unseen, ALocalWriteThatWaitsStaysOnTop) {
  worker.start("r", R"({"n":1})");
  worker.sync_with(up);
  write_upstream("r", "n", "5");
  write_upstream("r", "theirs", "true");
  worker.set("r", "n", "9");
  pass(worker, up, 8000);
  EXPECT_EQ(worker.state("r"), R"({"n":9,"theirs":true})");
  EXPECT_EQ(up.state("r"), R"({"n":9,"theirs":true})");
}

TEST_F(Unseen, AnotherStoresDeltaIsToldToTheOwner) {
  Site& other = sender("other");
  worker.start("parent", R"({"n":1})");
  worker.sync_with(up);
  pass(worker, up, 1000);
  other.start("child", "{}", "parent");
  other.increment_parent("child", 4);
  other.sync_with(up);
  pass(worker, up, 6000);
  EXPECT_EQ(worker.state("parent"), R"({"n":5})");
}

TEST_F(Unseen, ThroughARelay) {
  Site& relay = sender("relay");
  relay.attach(polls(2000));
  worker.start("r", R"({"n":1})");
  worker.sync_with(relay);
  relay.sync_with(up);
  pass(worker, relay, 500);
  pass(relay, up, 500);
  write_upstream("r", "stop", "true");
  for (int i = 0; i < 80; ++i) {
    pass(relay, up, 0);
    pass(worker, relay, 0);
  }
  EXPECT_EQ(relay.state("r"), R"({"n":1,"stop":true})");
  EXPECT_EQ(worker.state("r"), R"({"n":1,"stop":true})");
  // The owner's next word leaves it there, at both.
  worker.set("r", "n", "2");
  pass(worker, relay, 3000);
  pass(relay, up, 3000);
  EXPECT_EQ(relay.state("r"), R"({"n":2,"stop":true})");
  EXPECT_EQ(up.state("r"), R"({"n":2,"stop":true})");
}

TEST_F(Unseen, ARelayKnowsAfterAReopenThatOthersWriteTheRun) {
  Site& relay = sender("relay");
  relay.attach(polls(2000));
  worker.start("r", R"({"n":1})");
  worker.sync_with(relay);
  relay.sync_with(up);
  write_upstream("r", "stop", "true");
  pass(relay, up, 3000);
  relay.reopen();
  relay.attach(polls(2000));
  worker.set("r", "n", "2");  // as values: the owner has not heard of it
  pass(worker, relay, 8000);
  pass(relay, up, 3000);
  EXPECT_EQ(worker.state("r"), R"({"n":2,"stop":true})");
  EXPECT_EQ(relay.state("r"), R"({"n":2,"stop":true})");
  EXPECT_EQ(up.state("r"), R"({"n":2,"stop":true})");
}

TEST_F(Unseen, MoreRunsThanOneQuestionHas) {
  constexpr int kRuns = 2500;
  for (int i = 0; i < kRuns; ++i) {
    worker.start("r" + std::to_string(i), "{}");
  }
  worker.sync_with(up);
  for (int i = 0; i < kRuns; ++i) {
    up.set("r" + std::to_string(i), "stop", "true");
  }
  EXPECT_TRUE(up.store().barrier().ok());
  pass(worker, up, 12'000);
  int stopped = 0;
  for (const auto& [id, state] : worker.all()) {
    stopped += state.find(R"({"stop":true})") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(stopped, kRuns);
}

TEST_F(Unseen, AnUpstreamThatDoesNotKnowTheQuestionIsNotAskedForEver) {
  worker.start("r", "{}");
  worker.sync_with(up);
  worker.reopen();
  worker.attach(polls());
  int questions = 0;
  for (int i = 0; i < 300; ++i) {
    for (std::string m = worker.next(); !m.empty(); m = worker.next()) {
      const bool asks = sync::kind_of(m) == sync::MessageKind::kQuestion;
      questions += asks ? 1 : 0;
      worker.feed(asks ? sync::encode_reply({.answer = static_cast<uint8_t>(sync::Answer::kRefused)}, {})
                       : up.receiver().handle(m));
    }
    worker.clock().advance_ms(100);
    if (i % 50 == 0) {
      worker.set("r", "n", std::to_string(i));
    }
  }
  EXPECT_EQ(questions, 4) << "bytes may be damaged on the way";
  EXPECT_EQ(up.state("r"), worker.state("r"));
  EXPECT_EQ(worker.sync_state().last_error, "");
}

// Its states begin anew there, and are lower than those that were seen before.
TEST_F(Unseen, AnUpstreamThatLostAllIsHeardAgain) {
  worker.start("r", "{}");
  worker.sync_with(up);
  for (int i = 0; i < 30; ++i) {
    write_upstream("r", "n", std::to_string(i));
  }
  pass(worker, up, 6000);
  EXPECT_EQ(worker.state("r"), R"({"n":29})");
  up.close();
  std::filesystem::remove_all(up.directory());
  up.open();
  worker.set("r", "mine", "1");
  pass(worker, up, 70'000);
  ASSERT_EQ(up.state("r"), R"({"n":29,"mine":1})");
  write_upstream("r", "stop", "true");
  pass(worker, up, 8000);
  EXPECT_EQ(worker.state("r"), R"({"n":29,"mine":1,"stop":true})");
}

TEST_F(Unseen, AnIdleStoreOfManyFinishedRunsReadsFewOfThem) {
  for (int i = 0; i < 300; ++i) {
    worker.start("f" + std::to_string(i), "{}");
    worker.finish("f" + std::to_string(i));
  }
  worker.start("r", "{}");
  worker.sync_with(up);
  pass(worker, up, 1000);
  ASSERT_TRUE(worker.store().checkpoint().ok());
  const uint64_t before = worker.store().stats().table_reads;
  EXPECT_GE(pass(worker, up, 20'000), 3);
  EXPECT_LT(worker.store().stats().table_reads - before, 300u);
}

TEST_F(Unseen, AWatchInTheWorkerSeesIt) {
  worker.start("r", "{}");
  worker.sync_with(up);
  const uint64_t before = version(worker, "r");
  write_upstream("r", "stop", "true");
  pass(worker, up, 6000);
  EXPECT_GT(version(worker, "r"), before);
}

TEST_F(Unseen, TooManyForOneOwnerBeginAFeedAnew) {
  worker.start("r", "{}");
  worker.sync_with(up);
  pass(worker, up, 500);
  engine::UnseenWrites writes(up.store().options().hooks);
  const sync::OwnerId owner = {1};
  writes.follow(owner);
  const uint64_t feed = writes.of(owner).feed;
  engine::Run run("x", 1);
  const engine::RunGuard guard(run.lock);
  run.record.origin.owner = owner;
  writes.add(run);
  EXPECT_EQ(writes.of(owner).runs, std::vector<std::string>{"x"});
  writes.asked(owner, "x");
  EXPECT_TRUE(writes.of(owner).runs.empty());
  for (size_t i = 0; i <= engine::UnseenWrites::kRunsMax; ++i) {
    engine::Run each("x" + std::to_string(i), i + 2);
    const engine::RunGuard each_guard(each.lock);
    each.record.origin.owner = owner;
    writes.add(each);
  }
  EXPECT_EQ(writes.of(owner).feed, 0u);
  writes.follow(owner);
  EXPECT_NE(writes.of(owner).feed, 0u);
  EXPECT_NE(writes.of(owner).feed, feed);
}

}  // namespace
}  // namespace cairn::tests
