// What waits for the owner of a run is large: it holds no owner up, stops nobody's sync, and does not grow for ever.
#include "engine/diff/diff.h"
#include "engine/store/upstream.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

class LargeWaiting : public SyncTest {
 protected:
  static constexpr uint32_t kLargeLimit = 120'000;

  /// Opened with a limit of `bytes` for the metadata.
  Site& large(const std::string& name) {
    Site& s = site(name);
    s.open(kLargeLimit);
    return s;
  }
  static engine::RunRef parent(Site& of) {
    auto p = of.store().parent(*of.run("c"));
    EXPECT_TRUE(p.ok()) << said(p.status());
    return *p;
  }
  /// Appends and removes a large text below `key`: what waits is large, what it makes is not.
  static void add_large(Site& of, const std::string& key, int times, size_t bytes) {
    for (int i = 0; i < times; ++i) {
      const auto type = i % 2 == 0 ? OperationType::kAppend : OperationType::kRemove;
      if (!update(of.store(), *parent(of), type, "$." + key + ".l",
                  Value(std::string(bytes, static_cast<char>('a' + i / 2))))
               .worked()) {
        return;
      }
    }
  }
  /// Operations that do not fold into each other. Returns how many were taken.
  int mix(Site& of, int times) {
    int taken = 0;
    for (int i = 0; i < times; ++i, ++mixed_) {
      const bool even = mixed_ % 2 == 0;
      taken += update(of.store(), *parent(of), even ? OperationType::kIncrement : OperationType::kAppend,
                      even ? "k" : "$.k.x", even ? Value(0.1) : Value(int64_t{1}))
                       .worked()
                   ? 1
                   : 0;
    }
    return taken;
  }
  int mix_by_transactions(Site& of, int times) {
    const engine::RunRef p = parent(of);
    const engine::RunRef c = of.run("c");
    int taken = 0;
    for (int i = 0; i < times; ++i, ++mixed_) {
      const bool even = mixed_ % 2 == 0;
      size_t failed = 0;
      const Status s = of.store().transact({{c.get(), {OperationType::kSet, "i", Value(int64_t{i})}},
                                            {p.get(),
                                             {even ? OperationType::kIncrement : OperationType::kAppend,
                                              even ? "k" : "$.k.x", even ? Value(0.1) : Value(int64_t{1})}}},
                                           engine::Durability::kDefault, &failed);
      taken += s.worked() ? 1 : 0;
    }
    return taken;
  }
  static std::string send_again(Site& of) {
    of.clock().advance_ms(61'000);
    std::string message = of.frozen();
    of.feed(backlog_for_deltas(message));
    return message;
  }

 private:
  int mixed_ = 0;
};

TEST_F(LargeWaiting, AnOwnerComesThoughItFitsNoRecordOfTheLog) {
  for (const bool is_relay : {false, true}) {
    Site& child = large(is_relay ? "child of relay" : "child");
    child.attach();
    child.start("c", "{}", "p");
    add_large(child, "k", 4, 115'000);
    add_large(child, "l", 1, 10);
    Site& centre = large(is_relay ? "relay" : "centre");
    if (is_relay) {
      centre.attach();
    }
    Site& owner = large(is_relay ? "owner of relay" : "owner");
    owner.attach();
    child.sync_later_with(centre);
    owner.start("p", R"({"k":{},"mine":")" + std::string(100'000, 'm') + "\"}");
    owner.sync_with(centre);
    EXPECT_TRUE(owner.dead().empty());
    EXPECT_EQ(centre.state("p").substr(0, 8), R"({"k":{"l)");
    centre.reopen();
    EXPECT_EQ(centre.state("p").substr(0, 8), R"({"k":{"l)");
  }
}

TEST_F(LargeWaiting, WhatCameBackAndFitsNoRecordIsHeldAndStopsNobody) {
  Site& relay = large("relay");
  Site& child = large("child");
  Site& owner = large("owner");
  for (Site* s : {&relay, &child, &owner}) {
    s->attach();
  }
  child.start("c", "{}", "p");
  child.sync_with(relay);
  relay.sync_with(up);
  std::string message;
  for (const char* const key : {"k", "l"}) {
    add_large(child, key, 4, 110'000);
    child.sync_with(relay);
    relay.clock().advance_ms(61'000);
    message = relay.frozen();
    if (key[0] == 'k') {
      relay.feed(backlog_for_deltas(message));
    }
  }
  ASSERT_GT(message.size(), 600'000u);
  owner.start("p", R"({"k":{},"l":{}})");
  owner.sync_with(relay);
  relay.feed(answer_to(message, sync::Answer::kGap));
  EXPECT_EQ(relay.dead(), std::vector<std::string>{"p: too large"});
  relay.start("r");
  relay.reopen();
  relay.attach();
  relay.sync_later_with(up);
  EXPECT_EQ(up.state("r"), "{}");
}

TEST_F(LargeWaiting, ALetterDoesNotGrowInBytesForEver) {
  worker.start("c", "{}", "p");
  size_t bytes = 0;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 20; ++i) {
      (void)update(worker.store(), *parent(worker), OperationType::kSet,
                   "key" + std::to_string(round) + "x" + std::to_string(i), Value(std::string(1000, 'x')));
    }
    send_again(worker);
    std::vector<std::pair<std::string, sync::DeadLetter>> all;
    ASSERT_TRUE(worker.store().upstream().dead_letters(100, all).ok());
    ASSERT_EQ(all.size(), 1u);
    bytes = sync::encode_dead_letter(all[0].second).size();
  }
  EXPECT_LE(bytes, 2u * 4 * 4096 + 4096);
}

TEST_F(LargeWaiting, ATransactionOfSeveralRunsIsRefusedBehindALongLetter) {
  worker.start("c", "{}", "p");
  for (int round = 0; round < 20; ++round) {
    mix(worker, 62);
    send_again(worker);
  }
  EXPECT_EQ(mix(worker, 1), 0) << "the letter is long";
  EXPECT_EQ(mix_by_transactions(worker, 3), 0);
}

// The letter holds the run that would have to be sent first, and its list is full.
TEST_F(LargeWaiting, ALetterWhoseOwnerCameIsTakenThoughTheListIsFull) {
  Site& relay = sender("relay");
  Site& child = sender("child");
  child.start("c", "{}", "p");
  mix(child, 10);
  child.sync_with(relay);
  send_again(relay);
  send_again(relay);  // tried again: the next time is later
  ASSERT_EQ(relay.dead(), std::vector<std::string>{"p: backlog"});
  worker.start("p", R"({"k":{}})");
  worker.sync_with(relay);
  for (int round = 0; round < 40 && child.dead().empty(); ++round) {
    mix(child, 60);
    child.sync_with(relay);
    ASSERT_TRUE(relay.store().checkpoint().ok());
  }
  ASSERT_EQ(child.dead(), std::vector<std::string>{"p: backlog"});
  for (int i = 0; i < 6; ++i) {
    relay.sync_later_with(up);
    child.sync_later_with(relay);
  }
  EXPECT_TRUE(relay.dead().empty());
  EXPECT_TRUE(child.dead().empty());
  EXPECT_EQ(up.state("p"), relay.state("p"));
}

}  // namespace
}  // namespace cairn::tests
