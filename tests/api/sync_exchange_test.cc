// Two stores through the calls of cairn.h: what one has the other has in the end, whatever happens on the way.
#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/api/sync_fixture.h"

namespace cairn::tests {
namespace {

using SyncExchange = SyncApiTest;
using SyncRefresh = SyncApiTest;

// --- what travels ---

TEST_F(SyncExchange, ValuesIncrementsAppendsTagsAndTheEnd) {
  worker.start("r", R"({"n":1,"text":"a"})", nullptr, {"one", "two"});
  worker.start("q");
  EXPECT_EQ(worker.send_to(up), 1);
  EXPECT_EQ(up.look("r"), R"(#one #two {"n":1,"text":"a"})");
  worker.set("r", "text", R"({"deep":[1,2.5,null,"\u00fc"]})");
  worker.increment("r", "n", 41);
  worker.append("r", "list", 7);
  worker.append("r", "list", 8);
  const char* tag = "three";
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_tags(worker.run("r"), &tag, 1));
  worker.send_to(up);
  EXPECT_EQ(up.look("r"), worker.look("r"));
  EXPECT_EQ(up.look("r"), "#three {\"n\":42,\"text\":{\"deep\":[1,2.5,null,\"\xc3\xbc\"]},\"list\":[7,8]}");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_fail(worker.run("r"), CAIRN_RUN_FAILED, "out of luck", 11));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_finish(worker.run("q"), CAIRN_RUN_COMPLETED));
  worker.send_to(up);
  EXPECT_EQ(up.look("r").substr(0, 26), "FAILED #three out of luck ");
  EXPECT_EQ(up.look("q"), "COMPLETED {}");
  expect_equal();
  up.reopen();
  worker.reopen();
  expect_equal();
}

TEST_F(SyncExchange, AnErasedRunIsGoneThereAndItsNextLifeIsNew) {
  worker.start("r", R"({"n":1})");
  worker.send_to(up);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_erase(worker.store(), "r"));
  worker.send_to(up);
  EXPECT_EQ(up.look("r"), "none");
  worker.start("r", R"({"other":2})");
  worker.send_to(up);
  EXPECT_EQ(up.look("r"), R"({"other":2})");
}

TEST_F(SyncExchange, AChildsIncrementsOfAParentElsewhereReachIt) {
  worker.start("p", R"({"n":1})");
  worker.send_to(up);
  SyncSide other(directory_.path() + "/other");
  other.open();
  other.attach();
  other.start("c", "{}", "p");
  CAIRN_EXPECT(CAIRN_ACCEPTED, cairn_run_increment_int64(other.parent_of("c"), "n", 1, 5));
  other.send_to(up);
  EXPECT_EQ(up.look("p"), R"({"n":6})");
  EXPECT_EQ(up.look("c"), "{}");
}

// --- what is lost, and what comes twice ---

TEST_F(SyncExchange, TheSameMessageToTheByteAfterAFailureAndAReopen) {
  worker.start("r", R"({"n":0})");
  worker.send_to(up);
  for (int round = 1; round <= 5; ++round) {
    worker.increment("r", "n");
    const std::string first = worker.next();
    ASSERT_FALSE(first.empty());
    up.receive(first);  // its answer is lost
    worker.lose();
    worker.increment("r", "n");
    EXPECT_EQ(worker.next(), first);
    worker.reopen();
    EXPECT_EQ(worker.next(), first);
    worker.lose();
    worker.send_to(up);
    EXPECT_EQ(up.look("r"), "{\"n\":" + std::to_string(2 * round) + "}");
  }
}

TEST_F(SyncExchange, ADuplicateIsAnsweredAndChangesNothing) {
  worker.start("r", R"({"n":0})");
  worker.send_to(up);
  worker.increment("r", "n");
  const std::string message = worker.next();
  up.receive(message);
  const std::string after = up.look();
  const std::string again = up.receive(message);
  EXPECT_FALSE(again.empty());
  up.reopen();
  EXPECT_EQ(up.receive(message), again) << "also after the receiver's death";
  EXPECT_EQ(up.look(), after);
  worker.feed(again);
  EXPECT_EQ(worker.next(), "");
  EXPECT_NE(worker.state().flags & CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED, 0u);
}

TEST_F(SyncExchange, AnOldAnswerIsIgnored) {
  worker.start("r", R"({"n":0})");
  const std::string early = worker.next();
  const std::string early_answer = up.receive(early);
  worker.feed(early_answer);
  worker.increment("r", "n");
  const std::string later = worker.next();
  ASSERT_FALSE(later.empty());
  worker.feed(early_answer);
  EXPECT_EQ(worker.state().failures, 0u);
  EXPECT_EQ(worker.state("r").in_flight_runs, 1u) << "the answer to this one is still to come";
  worker.feed(up.receive(later));
  EXPECT_EQ(worker.state("r").in_flight_runs, 0u);
  worker.feed(early_answer);  // nothing is under way
  expect_equal();
  EXPECT_EQ(worker.state().batches, 2u);
}

TEST_F(SyncExchange, SpoiledMessagesChangeNothingAndSayWhy) {
  worker.start("r", R"({"n":1,"t":"x"})");
  const std::string message = worker.next();
  for (size_t at = 0; at < message.size(); ++at) {
    std::string spoiled = message;
    spoiled[at] = static_cast<char>(spoiled[at] ^ (1 << (at % 8)));
    std::string answer;
    const cairn_status s = cairn_sync_receive(up.store(), spoiled.data(), spoiled.size(), append_bytes, &answer);
    ASSERT_TRUE(s == CAIRN_CORRUPT || s == CAIRN_NEWER_VERSION) << at << ": " << s;
    ASSERT_STRNE(last_error().message, "") << at;
    ASSERT_FALSE(answer.empty()) << at;
    ASSERT_EQ(up.receive(message.substr(0, at), CAIRN_CORRUPT).empty(), false) << at;
  }
  for (const std::string& junk : {std::string(), std::string("<html>"), std::string(4096, '\0'), message + "x"}) {
    EXPECT_FALSE(up.receive(junk, CAIRN_CORRUPT).empty());
  }
  EXPECT_EQ(up.look(), "");
  // What the receiver answers to spoiled bytes sends them again.
  worker.feed(up.receive("junk", CAIRN_CORRUPT));
  EXPECT_STRNE(worker.state().last_error, "");
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  EXPECT_EQ(worker.next(), message);
  worker.feed(up.receive(message));
  expect_equal();
}

TEST_F(SyncExchange, SpoiledAnswersLoseNothingAndSayWhy) {
  worker.start("r", R"({"n":1})");
  const std::string message = worker.next();
  const std::string answer = up.receive(message);
  uint64_t failures = 0;
  const auto refuse = [&](const std::string& spoiled, const std::string& what) {
    worker.feed(spoiled);
    const cairn_sync_state state = worker.state();
    ASSERT_EQ(state.failures, ++failures) << what;
    ASSERT_STRNE(state.last_error, "") << what;
    ASSERT_EQ(state.batches, 0u) << what;
    CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
    ASSERT_EQ(worker.next_now(), message) << what;
  };
  for (size_t at = 0; at < answer.size(); ++at) {
    std::string spoiled = answer;
    spoiled[at] = static_cast<char>(spoiled[at] ^ (1 << (at % 8)));
    refuse(spoiled, "bit of byte " + std::to_string(at));
    refuse(answer.substr(0, at), std::to_string(at) + " bytes");
  }
  refuse("<html>502 Bad Gateway</html>", "a proxy's page");
  refuse(answer + "x", "too long");
  refuse(message, "the message itself");
  worker.feed(answer);
  EXPECT_STREQ(worker.state().last_error, "");
  EXPECT_EQ(worker.state().batches, 1u);
  expect_equal();
}

TEST_F(SyncExchange, SpoiledAnswersToAQuestionAreAskedForAgain) {
  worker.start("r", R"({"n":1})");
  worker.send_to(up);
  up.set("r", "note", "1");
  worker.refresh("r");
  const std::string question = worker.next();
  const std::string documents = up.receive(question);
  for (size_t at = 0; at < documents.size(); ++at) {
    std::string spoiled = documents;
    spoiled[at] = static_cast<char>(spoiled[at] ^ (1 << (at % 8)));
    worker.feed(spoiled);
    ASSERT_STRNE(worker.state().last_error, "") << at;
    CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
    ASSERT_FALSE(worker.next_now().empty()) << at;
  }
  EXPECT_EQ(worker.look("r"), R"({"n":1})");
  worker.feed(documents);  // of an earlier question by now
  EXPECT_STRNE(worker.state().last_error, "");
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_RESUME));
  worker.send_to(up);
  EXPECT_EQ(worker.look("r"), R"({"n":1,"note":1})");
}

// --- runs that came in ---

TEST_F(SyncExchange, AReceivedRunsMetadataCanBeChangedItsStatusCannot) {
  worker.start("r", R"({"n":1})");
  worker.send_to(up);
  up.set("r", "note", R"("seen")");
  up.increment("r", "n");
  EXPECT_EQ(up.look("r"), R"({"n":2,"note":"seen"})");
  const char* tag = "mine";
  EXPECT_TRUE(CAIRN_FAILED(cairn_run_finish(up.run("r"), CAIRN_RUN_COMPLETED)));
  EXPECT_STRNE(last_error().message, "");
  EXPECT_TRUE(CAIRN_FAILED(cairn_run_set_status(up.run("r"), CAIRN_RUN_WAITING)));
  EXPECT_TRUE(CAIRN_FAILED(cairn_run_set_tags(up.run("r"), &tag, 1)));
  EXPECT_EQ(up.look("r"), R"({"n":2,"note":"seen"})");
  worker.increment("r", "n", 10);
  worker.send_to(up);
  EXPECT_EQ(up.look("r"), R"({"n":12,"note":"seen"})") << "forms travel from then on";
  EXPECT_NE(worker.state("r").flags & CAIRN_SYNC_STATE_FORMS, 0u);
}

TEST_F(SyncRefresh, BringsTheUpstreamsEditDownAndKeepsWhatIsNotSentYet) {
  worker.start("r", R"({"a":1,"n":0})");
  worker.send_to(up);
  up.set("r", "note", "1");
  up.set("r", "a", "9");
  up.increment("r", "n", 5);
  worker.set("r", "a", "2");
  worker.increment("r", "n");
  worker.refresh("r");
  EXPECT_EQ(worker.look("r"), R"({"a":2,"n":1})") << "not before the upstream was asked";
  worker.send_to(up);
  worker.refresh("r");
  worker.send_to(up);
  EXPECT_EQ(worker.look("r"), R"({"a":2,"n":6,"note":1})") << "its owner wins where both set a key";
  expect_equal();
  worker.reopen();
  expect_equal();
}

TEST_F(SyncRefresh, NeverGoesBackwards) {
  worker.start("p", R"({"n":0})");
  worker.send_to(up);
  SyncSide other(directory_.path() + "/other");
  other.open();
  other.attach();
  other.start("c", "{}", "p");
  cairn_run* parent = other.parent_of("c");
  const auto n = [&] {
    int64_t value = -1;
    const cairn_status s = cairn_run_get_int64(parent, "n", 1, &value);
    return s == CAIRN_OK ? value : -s;
  };
  other.send_to(up);
  up.set("p", "n", "1");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_refresh(parent));
  other.send_to(up);
  EXPECT_EQ(n(), 1);
  // An answer from before is not taken for a newer one: its question is over.
  CAIRN_EXPECT(CAIRN_OK, cairn_run_refresh(parent));
  const std::string old = up.receive(other.next());
  other.lose();
  up.set("p", "n", "2");
  other.send_to(up);
  EXPECT_EQ(n(), 2);
  other.feed(old);
  EXPECT_EQ(n(), 2);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_refresh(parent));
  (void)other.next();
  other.feed(old);
  EXPECT_EQ(n(), 2);
  other.lose();
  other.send_to(up);
  EXPECT_EQ(n(), 2);
}

// The upstream was restored from a copy: what it says is older than what was seen of it.
TEST_F(SyncRefresh, AnOlderUpstreamDoesNotTakeTheOwnersRunBack) {
  worker.start("r", R"({"n":0})");
  worker.send_to(up);
  SyncSide older(directory_.path() + "/older");
  up.close();
  older.copy_of(up);
  up.open();
  up.set("r", "note", "1");
  worker.set("r", "n", "5");
  worker.send_to(up);
  worker.refresh("r");
  worker.send_to(up);
  EXPECT_EQ(worker.look("r"), R"({"n":5,"note":1})");
  older.open();
  worker.refresh("r");
  worker.send_to(older);
  EXPECT_EQ(worker.look("r"), R"({"n":5,"note":1})");
}

TEST_F(SyncRefresh, WithoutAnUpstreamTheLocalStateStays) {
  up.start("alone", R"({"n":1})");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_refresh(up.run("alone")));
  EXPECT_EQ(up.look("alone"), R"({"n":1})");
}

// --- dead letters ---

class SyncDeadLetters : public SyncApiTest {
 protected:
  void SetUp() override {
    up.metadata_bytes_max = 100;
    SyncApiTest::SetUp();
    worker.start("big", "{\"text\":\"" + std::string(200, 'x') + "\"}");
    worker.start("small", R"({"n":1})");
    worker.send_to(up);
  }
  cairn_status release(const char* run, int32_t how) { return cairn_sync_release(worker.store(), run, how); }
};

TEST_F(SyncDeadLetters, AreListedAndHoldNobodyElseUp) {
  ASSERT_EQ(worker.dead().size(), 1u);
  EXPECT_EQ(worker.dead()[0].substr(0, 5), "big: ");
  EXPECT_GT(worker.dead()[0].size(), 5u) << "a reason";
  EXPECT_EQ(up.look("big"), "none");
  EXPECT_EQ(up.look("small"), R"({"n":1})");
  EXPECT_EQ(worker.state().held_runs, 1u);
  EXPECT_EQ(worker.state("big").held_runs, 1u);
  EXPECT_EQ(worker.state("small").held_runs, 0u);
  EXPECT_EQ(worker.state().flags & CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED, 0u);
  worker.reopen();
  EXPECT_EQ(worker.dead().size(), 1u);
  CAIRN_EXPECT(CAIRN_NOT_FOUND, release("small", CAIRN_SYNC_RETRY));
  CAIRN_EXPECT(CAIRN_NOT_FOUND, release("none", CAIRN_SYNC_SKIP));
}

TEST_F(SyncDeadLetters, TheVisitEndsWhenItIsToldTo) {
  worker.start("big2", "{\"text\":\"" + std::string(200, 'x') + "\"}");
  worker.send_to(up);
  ASSERT_EQ(worker.dead().size(), 2u);
  int visits = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_dead_letters(
                             worker.store(),
                             [](void* context, const char*, const char*, int64_t) {
                               return static_cast<int32_t>(++*static_cast<int*>(context));
                             },
                             &visits));
  EXPECT_EQ(visits, 1);
}

TEST_F(SyncDeadLetters, ARetrySendsTheSameAgain) {
  CAIRN_EXPECT(CAIRN_OK, release("big", CAIRN_SYNC_RETRY));
  EXPECT_TRUE(worker.dead().empty());
  worker.send_to(up);
  EXPECT_EQ(worker.dead().size(), 1u) << "it is as large as before";
  up.close();
  up.metadata_bytes_max = 4096;
  up.open();
  CAIRN_EXPECT(CAIRN_OK, release("big", CAIRN_SYNC_RETRY));
  worker.send_to(up);
  EXPECT_TRUE(worker.dead().empty());
  expect_equal();
}

TEST_F(SyncDeadLetters, ASkipGivesTheChangeUpAndSendsWhatCameAfterIt) {
  worker.set("small", "text", "\"" + std::string(200, 'y') + "\"");
  worker.send_to(up);
  ASSERT_EQ(worker.dead().size(), 2u);
  worker.set("small", "text", "0");
  worker.set("small", "n", "2");
  CAIRN_EXPECT(CAIRN_OK, release("small", CAIRN_SYNC_SKIP));
  worker.send_to(up);
  EXPECT_EQ(up.look("small"), R"({"n":2,"text":0})");
  CAIRN_EXPECT(CAIRN_OK, release("big", CAIRN_SYNC_SKIP));
  worker.send_to(up);
  EXPECT_TRUE(worker.dead().empty());
  EXPECT_EQ(up.look("big"), "none");
  EXPECT_EQ(worker.state().held_runs, 0u);
}

TEST_F(SyncDeadLetters, AReplaceSendsAllOfTheRunAsItIsNow) {
  worker.set("big", "text", R"("short")");
  worker.send_to(up);
  EXPECT_EQ(up.look("big"), "none") << "held";
  CAIRN_EXPECT(CAIRN_OK, release("big", CAIRN_SYNC_REPLACE));
  worker.send_to(up);
  EXPECT_EQ(up.look("big"), R"({"text":"short"})");
  EXPECT_TRUE(worker.dead().empty());
  expect_equal();
}

TEST_F(SyncDeadLetters, WhatWasDoneToAnothersRunCannotBeReplaced) {
  SyncSide other(directory_.path() + "/other");
  other.open();
  other.attach();
  other.start("c", "{}", "small");
  const std::string text = "\"" + std::string(200, 'z') + "\"";
  CAIRN_EXPECT(CAIRN_ACCEPTED, cairn_run_set_json(other.parent_of("c"), "t", 1, text.data(), text.size()));
  other.send_to(up);
  ASSERT_EQ(other.dead().size(), 1u);
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_release(other.store(), "small", CAIRN_SYNC_REPLACE));
  EXPECT_EQ(other.dead().size(), 1u);
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_release(other.store(), "small", CAIRN_SYNC_SKIP));
  EXPECT_TRUE(other.dead().empty());
}

// --- copies ---

class SyncCopies : public SyncApiTest {
 protected:
  void SetUp() override {
    SyncApiTest::SetUp();
    worker.start("r", R"({"n":1})");
    worker.send_to(up);
    worker.set("r", "n", "2");
    worker.close();
    copy.copy_of(worker);
    copy.open();
  }
  SyncSide copy{directory_.path() + "/copy"};
};

TEST_F(SyncCopies, NothingIsSentUntilSomebodyDecides) {
  EXPECT_NE(copy.state().flags & CAIRN_SYNC_STATE_COPIED, 0u);
  EXPECT_EQ(copy.state().flags & CAIRN_SYNC_STATE_ALL_ACKNOWLEDGED, 0u);
  EXPECT_EQ(copy.state().next_try_ms, -1);
  EXPECT_EQ(copy.next(), "");
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_sync_detach(copy.store()));
  CAIRN_EXPECT(CAIRN_TIMEOUT, cairn_sync_wait(copy.store(), 1));
  copy.reopen();
  EXPECT_NE(copy.state().flags & CAIRN_SYNC_STATE_COPIED, 0u) << "a reopen decides nothing";
}

TEST_F(SyncCopies, AStoreThatMovedGoesOn) {
  CAIRN_EXPECT(CAIRN_OK, copy.control(CAIRN_SYNC_MOVED));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, copy.control(CAIRN_SYNC_MOVED));
  EXPECT_EQ(copy.state().flags & CAIRN_SYNC_STATE_COPIED, 0u);
  copy.send_to(up);
  EXPECT_EQ(up.look("r"), R"({"n":2})");
  EXPECT_TRUE(copy.dead().empty());
}

TEST_F(SyncCopies, ACopyIsAStoreOfItsOwn) {
  CAIRN_EXPECT(CAIRN_OK, copy.control(CAIRN_SYNC_COPIED));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, copy.control(CAIRN_SYNC_COPIED));
  copy.set("r", "n", "99");
  copy.start("mine", "{}");
  copy.send_to(up);
  EXPECT_EQ(up.look("r"), R"({"n":1})") << "the run stays the old store's";
  EXPECT_EQ(up.look("mine"), "{}");
  worker.open();
  worker.send_to(up);
  EXPECT_EQ(up.look("r"), R"({"n":2})");
}

TEST_F(SyncCopies, TwoThatSendUnderOneNameAreFoundOut) {
  CAIRN_EXPECT(CAIRN_OK, copy.control(CAIRN_SYNC_MOVED));  // which is not so
  copy.set("r", "n", "3");
  copy.send_to(up);
  worker.open();
  worker.send_to(up);
  EXPECT_NE(worker.state().flags & CAIRN_SYNC_STATE_FORKED, 0u);
  EXPECT_STRNE(worker.state().last_error, "");
  EXPECT_EQ(up.look("r"), R"({"n":3})");
  CAIRN_EXPECT(CAIRN_OK, worker.control(CAIRN_SYNC_COPIED));
  worker.start("mine", "{}");
  worker.send_to(up);
  EXPECT_EQ(up.look("mine"), "{}");
}

// --- threads ---

TEST_F(SyncExchange, OneThreadCarriesWhileTwoWrite) {
  constexpr int kUpdates = 2000;
  worker.start("a", R"({"n":0})");
  worker.start("b", R"({"n":0})");
  std::atomic<int> writers{2};
  const auto write = [&](const char* id) {
    cairn_run* run = nullptr;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_open(worker.store(), id, &run));
    for (int i = 0; i < kUpdates; ++i) {
      CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run, "n", 1, 1));
      if (i % 100 == 0) {
        CAIRN_EXPECT(CAIRN_OK, cairn_store_barrier(worker.store()));
      }
    }
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
    --writers;
  };
  std::thread first(write, "a");
  std::thread second(write, "b");
  int messages = 0;
  while (writers > 0) {
    messages += worker.send_to(up);
    (void)worker.state("a");
  }
  first.join();
  second.join();
  messages += worker.send_to(up);
  EXPECT_GT(messages, 0);
  EXPECT_EQ(up.look("a"), "{\"n\":" + std::to_string(kUpdates) + "}");
  expect_equal();
}

TEST_F(SyncExchange, WaitReturnsOnceAnotherThreadHasCarriedIt) {
  worker.start("r", R"({"n":1})");
  std::atomic<bool> stop{false};
  std::thread carrier([&] {
    while (!stop) {
      const std::string message = worker.next_now();
      if (!message.empty()) {
        worker.feed(up.receive(message));
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (int i = 2; i < 6; ++i) {
    worker.set("r", "n", std::to_string(i));
    CAIRN_EXPECT(CAIRN_OK, cairn_sync_wait(worker.store(), -1));
    EXPECT_EQ(up.look("r"), "{\"n\":" + std::to_string(i) + "}");
  }
  stop = true;
  carrier.join();
}

TEST_F(SyncExchange, SeveralThreadsMayReceiveAtOnce) {
  constexpr int kSenders = 3;
  std::vector<std::unique_ptr<SyncSide>> senders;
  std::vector<std::thread> threads;
  for (int i = 0; i < kSenders; ++i) {
    senders.push_back(std::make_unique<SyncSide>(directory_.path() + "/sender" + std::to_string(i)));
    senders.back()->open();
    senders.back()->attach();
  }
  for (int i = 0; i < kSenders; ++i) {
    threads.emplace_back([this, i, &sender = *senders[static_cast<size_t>(i)]] {
      const std::string id = "s" + std::to_string(i);
      sender.start(id, R"({"n":0})");
      for (int n = 0; n < 50; ++n) {
        sender.increment(id, "n");
        sender.send_to(up);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (int i = 0; i < kSenders; ++i) {
    EXPECT_EQ(up.look("s" + std::to_string(i)), R"({"n":50})");
  }
}

}  // namespace
}  // namespace cairn::tests
