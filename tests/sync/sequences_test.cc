// Sequences of events, each of which once lost, doubled or stopped something.
#include <atomic>
#include <cstring>
#include <fstream>
#include <thread>

#include "engine/maintenance/backup.h"
#include "engine/store/upstream.h"
#include "tests/support/fault_files.h"
#include "tests/sync/site.h"

namespace cairn::tests {
namespace {

using sync::Halt;

class Sequences : public SyncTest {
 protected:
  static void attach(Site& s, const std::string& name) {
    ASSERT_TRUE(s.store().upstream().attach(name, {}).ok());
    s.clock().advance_ms(120'000);
  }
  /// A run that others write, refreshed or not; then the upstream gets another name.
  void expect_no_dead_letter_under_another_name(bool refreshed) {
    worker.start("p", R"({"n":0})");
    worker.sync_with(up);
    Site& child = sender("child");
    child.start("c", "{}", "p");
    child.increment_parent("c", 5);
    child.sync_with(up);
    if (refreshed) {
      ASSERT_TRUE(worker.store().refresh("p").ok());
      worker.sync_with(up);
      ASSERT_EQ(worker.state("p"), R"({"n":5})");
    }
    attach(worker, "the same under another name");
    worker.sync_with(up);
    EXPECT_EQ(worker.dead(), std::vector<std::string>{});
    worker.apply("p", OperationType::kIncrement, "n", "1");
    worker.sync_with(up);
    EXPECT_EQ(up.state("p"), R"({"n":6})");
  }
  std::string image_of(Site& s) {
    std::string image = s.directory() + ".image";
    s.close();
    std::filesystem::copy(s.directory(), image, std::filesystem::copy_options::recursive);
    s.open();
    return image;
  }
};

// A root has no upstream: nothing of what waits there for an owner can have been sent.
TEST_F(Sequences, ABackupOfARootGivesTheOwnerWhatWaited) {
  Site& child = sender("child");
  child.start("c", "{}", "p");
  child.increment_parent("c", 5);
  child.sync_with(up);
  ASSERT_TRUE(up.store().barrier().ok());
  Site& backup = site("backup");
  engine::BackupOptions o;
  o.directory = up.directory();
  o.target = backup.directory();
  ASSERT_TRUE(engine::back_up(o).ok());
  backup.open();
  std::vector<std::pair<std::string, sync::DeadLetter>> letters;
  const Status s = backup.store().upstream().dead_letters(10, letters);
  EXPECT_TRUE(s.ok()) << "nobody can see or release it: " << said(s);
  worker.start("p", R"({"n":0})");
  worker.sync_with(backup);
  EXPECT_EQ(backup.state("p"), R"({"n":5})");
}

// The stream of one sender has the number of another's owner.
class StreamCalledLikeAnOwner : public Sequences {
 protected:
  void send_by_a_stream_called_like_the_worker() {
    sync::BatchHeader h;
    h.owner.fill(7);
    const auto victim = worker.sync_state().sender.owner;
    std::memcpy(h.stream.data(), victim.data(), h.stream.size());
    h.seq = 1;
    h.generation = 1;
    std::string body;
    sync::Entry e;
    e.kind = sync::EntryKind::kErase;
    e.id = "none";
    e.life = 1;
    e.sequence = 1;
    sync::append_entry(body, e, 0);
    (void)up.receiver().handle(sync::seal_batch(h, 1, body));
  }
  void expect_that_the_worker_is_taken() {
    for (int i = 0; i < 5; ++i) {
      const std::string message = worker.next();
      if (!message.empty()) {
        worker.feed(up.receiver().handle(message));
      }
      worker.clock().advance_ms(120'000);
    }
    EXPECT_EQ(up.state("r"), "{}") << worker.sync_state().last_error;
  }
};

TEST_F(StreamCalledLikeAnOwner, KeepsNobodyOut) {
  worker.start("r");
  send_by_a_stream_called_like_the_worker();
  up.reopen();
  expect_that_the_worker_is_taken();
}

TEST_F(StreamCalledLikeAnOwner, KeepsNobodyOutWithoutARestart) {
  worker.start("r");
  send_by_a_stream_called_like_the_worker();
  ASSERT_TRUE(up.store().barrier().ok());
  ASSERT_TRUE(up.store().checkpoint().ok());
  expect_that_the_worker_is_taken();
}

class Interleaved final : public sync::ReceiverStorage {
 public:
  explicit Interleaved(engine::Store& store) : storage_(store) {}
  Result<std::optional<sync::StreamCursor>> cursor(const sync::StreamId& s) override { return storage_.cursor(s); }
  Result<std::optional<sync::LiveStream>> live(const sync::OwnerId& o) override { return storage_.live(o); }
  Status take(const sync::Batch& b, sync::StreamCursor& next, bool first, size_t& limit) override {
    if (before_take) {
      std::exchange(before_take, nullptr)();
    }
    return storage_.take(b, next, first, limit);
  }
  Status documents(const sync::Question& q, sync::Documents& d) override { return storage_.documents(q, d); }
  sync::Unseen unseen(const sync::OwnerId& o) override { return storage_.unseen(o); }
  void heard(const sync::OwnerId& o, const sync::About* about) override { storage_.heard(o, about); }
  std::function<void()> before_take;

 private:
  sync::StoreStorage storage_;
};

// The second of two sends the next batch of the stream at the moment at which the first one's new stream retires it.
TEST_F(Sequences, ARetiredStreamStaysRetiredThoughItsNextBatchCameAtThatMoment) {
  Site& first = machine_of("first");
  Site& second = machine_of("second");
  Site& other = site("other");
  other.open();
  first.open();
  first.attach();
  first.start("r", R"({"n":1})");
  Interleaved storage(up.store());
  sync::Receiver receiver(storage);
  const auto send = [&](Site& s) {
    (void)s.store().upstream().control(engine::Upstream::Control::kHurry);
    for (std::string m = s.next(); !m.empty(); m = s.next()) {
      s.feed(receiver.handle(m));
      (void)s.store().upstream().control(engine::Upstream::Control::kHurry);
    }
  };
  send(first);
  first.copy_to(second);
  second.open();
  first.set("r", "n", "2");
  first.sync_with(other);  // a gap: the first one has a new stream, with the old one as parent
  second.set("r", "who", "2");
  (void)second.store().upstream().control(engine::Upstream::Control::kHurry);
  const std::string of_second = second.next();
  std::thread meanwhile;
  std::atomic<bool> done{false};
  storage.before_take = [&] {
    first.set("r", "n", "3");
    attach(first, "up again");
    meanwhile = std::thread([&] {
      send(first);
      done = true;
    });
    for (int i = 0; i < 50 && !done; ++i) {  // it goes on now, or waits for this batch
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  };
  second.feed(receiver.handle(of_second));
  meanwhile.join();
  EXPECT_EQ(first.sync_state().sender.halt, Halt::kNone);
  for (int i = 0; i < 3; ++i) {
    second.set("r", "m", std::to_string(i));
    send(second);
    first.set("r", "n", std::to_string(i));
    send(first);
  }
  EXPECT_TRUE(first.sync_state().sender.halt == Halt::kForked || second.sync_state().sender.halt == Halt::kForked)
      << "both go on: " << up.state("r");
}

// The upstream lost what it had; the host asks for what others wrote.
TEST_F(Sequences, ARefreshFromAnUpstreamThatWasRestoredTakesNothingBack) {
  worker.start("r", R"({"n":1})");
  worker.sync_with(up);
  const std::string image = image_of(up);
  worker.set("r", "n", "2");
  worker.sync_with(up);
  up.replace_by(image);
  ASSERT_TRUE(worker.store().refresh("r").ok());
  worker.sync_with(up);
  EXPECT_EQ(worker.state("r"), R"({"n":2})");
}

// And where it is known already that all must be sent again.
TEST_F(Sequences, ARefreshBeforeAllIsSentAgainTakesNothingBack) {
  worker.start("q", R"({"n":1})");
  worker.start("r", R"({"n":1})");
  worker.sync_with(up);
  const std::string image = image_of(up);
  for (const char* v : {"2", "3"}) {
    worker.set("r", "n", v);
    worker.sync_with(up);
  }
  up.replace_by(image);
  worker.set("q", "n", "2");
  (void)worker.store().upstream().control(engine::Upstream::Control::kHurry);
  worker.feed(up.receiver().handle(worker.next()));
  ASSERT_TRUE(worker.sync_state().sender.resends);
  ASSERT_TRUE(worker.store().refresh("r").ok());
  worker.sync_with(up);
  EXPECT_EQ(worker.state("r"), R"({"n":3})");
  EXPECT_EQ(up.state("r"), R"({"n":3})");
}

TEST_F(Sequences, ARunThatWasRefreshedIsNoDeadLetterWhenAllIsSentAgain) {
  expect_no_dead_letter_under_another_name(true);
}
// As a measure: the same without the refresh.
TEST_F(Sequences, ARunThatWasNotRefreshedIsNoDeadLetterEither) { expect_no_dead_letter_under_another_name(false); }

// A store restored to before the run was started; a child of that run is started again.
class RestoredSequences : public Sequences, public ::testing::WithParamInterface<OperationType> {};
TEST_P(RestoredSequences, ADeltaForARunThatWasThisStoresOwn) {
  Site& machine = machine_of("machine");
  Site& snapshot = machine_of("snapshot");
  machine.open();
  machine.attach();
  machine.start("a", "{}");
  machine.sync_with(up);
  machine.copy_to(snapshot);
  for (int i = 0; i < 8; ++i) {
    machine.set("a", "i", std::to_string(i));
    machine.sync_with(up);
  }
  machine.start("p", R"({"n":1})");
  machine.sync_with(up);
  machine.set("p", "n", "2");
  machine.sync_with(up);
  machine.close();
  snapshot.open();
  snapshot.start("c", "{}", "p");
  snapshot.apply_to_parent("c", GetParam(), "k", "1");
  for (int i = 0; i < 30; ++i) {
    std::string message;
    ASSERT_TRUE(snapshot.store().barrier().ok());
    const Status n = snapshot.store().upstream().next(message);
    ASSERT_TRUE(n.ok()) << said(n);
    if (!message.empty()) {
      const Status s = snapshot.store().upstream().feed(up.receiver().handle(message));
      EXPECT_TRUE(s.ok()) << i << ": " << said(s);
    }
    snapshot.clock().advance_ms(120'000);
  }
  EXPECT_FALSE(snapshot.sync_state().sender.pulls()) << "it asks for ever";
  EXPECT_EQ(up.state("c"), "{}");
  snapshot.reopen();
  EXPECT_EQ(snapshot.state("c"), "{}");
  const std::string p = snapshot.state("p");
  EXPECT_EQ(p.substr(0, 4), "wait") << p;
}
INSTANTIATE_TEST_SUITE_P(Forms, RestoredSequences, ::testing::Values(OperationType::kSet, OperationType::kIncrement));

// The first batch of a stream was taken by one upstream, and the answer lost; then the store went to the other.
TEST_F(Sequences, AStoreWhoseFirstAnswerWasLostIsKnownAtBothUpstreams) {
  Site& other = site("other");
  other.open();
  worker.start("r", R"({"n":1})");
  attach(worker, "up");
  worker.sync_with(up);
  attach(worker, "other");
  worker.set("r", "n", "2");
  worker.sync_with(other);
  attach(worker, "up");
  worker.set("r", "n", "3");
  // gap, retired, and the first batch of the third stream
  for (int i = 0; i < 10; ++i) {
    (void)worker.store().upstream().control(engine::Upstream::Control::kHurry);
    const std::string message = worker.next();
    ASSERT_FALSE(message.empty());
    const std::string answer = up.receiver().handle(message);
    const auto reply = sync::decode_reply(answer);
    ASSERT_TRUE(reply.ok());
    if (reply->answer() == sync::Answer::kOk) {
      (void)worker.store().upstream().failed(sync::Failure::kTransient, "lost", 0);
      break;
    }
    worker.feed(answer);
  }
  ASSERT_EQ(up.state("r"), R"({"n":3})");
  attach(worker, "other");
  worker.set("r", "n", "4");
  worker.sync_with(other);
  ASSERT_EQ(other.state("r"), R"({"n":4})");
  attach(worker, "up");
  worker.set("r", "n", "5");
  worker.sync_with(up);
  EXPECT_EQ(worker.sync_state().sender.halt, Halt::kNone) << worker.sync_state().last_error;
  EXPECT_EQ(up.state("r"), R"({"n":5})");
}

// Somebody says "moved", and the store goes to an upstream that knows its name from a later generation.
TEST_F(Sequences, WhoWasToldAtOneUpstreamAndGoesToAnotherIsHeard) {
  Site& other = site("other");
  other.open();
  Site& first = machine_of("first");
  Site& second = machine_of("second");
  first.open();
  first.attach();
  first.start("r", R"({"n":1})");
  first.sync_with(up);
  first.copy_to(second);
  second.open();
  for (int i = 0; i < 6; ++i) {
    first.set("r", "n", std::to_string(10 + i));
    attach(first, i % 2 == 0 ? "other" : "elsewhere");
    first.sync_with(i % 2 == 0                              ? other
                    : site("elsewhere").directory().empty() ? other
                                                            : [&]() -> Site& {
      Site& e = site("elsewhere");
      static bool opened = false;
      if (!std::exchange(opened, true)) {
        e.open();
      }
      return e;
    }());
  }
  attach(first, "other");
  first.set("r", "n", "20");
  first.sync_with(other);
  ASSERT_EQ(other.state("r"), R"({"n":20})");
  attach(first, "up");
  first.set("r", "n", "21");
  first.sync_with(up);
  second.set("r", "n", "30");
  second.sync_with(up);
  ASSERT_EQ(second.sync_state().sender.halt, Halt::kForked);
  first.close();
  ASSERT_TRUE(second.store().upstream().resolve_copy(true).ok());
  // `up` answers the pull, and is not there any more when the batch is to come: the other one takes its place.
  Site& lost = site("lost");
  lost.open();
  attach(second, "lost");
  for (int i = 0; i < 20 && second.sync_state().sender.pulls(); ++i) {
    (void)second.store().upstream().control(engine::Upstream::Control::kHurry);
    const std::string m = second.next();
    if (!m.empty() && sync::kind_of(m) == sync::MessageKind::kBatch) {
      (void)second.store().upstream().failed(sync::Failure::kTransient, "gone", 0);
    } else if (!m.empty()) {
      second.feed(lost.receiver().handle(m));
    }
  }
  ASSERT_FALSE(second.sync_state().sender.pulls());
  attach(second, "other");
  second.set("r", "n", "31");
  second.sync_with(other);
  if (second.sync_state().sender.halt == Halt::kNone && second.sync_state().all_acknowledged) {
    EXPECT_EQ(other.state("r"), second.state("r")) << "it was told that all arrived";
  }
}

// A repaired store waits for somebody to attach it.
TEST_F(Sequences, RetentionOfARepairedStoreTakesNothingThatTheUpstreamLacks) {
  worker.close();
  worker.retain_finished_ms = 1000;
  worker.open();
  worker.attach();
  worker.start("unsent", R"({"n":1})");
  worker.finish("unsent");
  for (int i = 0; i < 5; ++i) {
    worker.clock().advance_ms(120'000);
    ASSERT_TRUE(worker.store().step(1'000'000).ok());
  }
  ASSERT_EQ(worker.state("unsent"), R"(COMPLETED {"n":1})") << "it is kept until it is upstream";
  ASSERT_TRUE(worker.store().checkpoint().ok());
  worker.start("x");
  worker.close();
  damage_log(worker);
  repair(worker);
  worker.open();
  ASSERT_EQ(worker.state("unsent"), R"(COMPLETED {"n":1})");
  for (int i = 0; i < 50; ++i) {
    worker.clock().advance_ms(120'000);
    ASSERT_TRUE(worker.store().step(1'000'000).ok());
  }
  EXPECT_EQ(worker.state("unsent"), R"(COMPLETED {"n":1})");
  worker.attach();
  worker.sync_with(up);
  EXPECT_EQ(up.state("unsent"), R"(COMPLETED {"n":1})");
}

// The same, detached.
TEST_F(Sequences, RetentionOfADetachedStoreTakesNothingThatWasOnItsWay) {
  worker.close();
  worker.retain_finished_ms = 1000;
  worker.open();
  worker.attach();
  worker.start("unsent", R"({"n":1})");
  worker.finish("unsent");
  ASSERT_TRUE(worker.store().upstream().detach().ok());
  for (int i = 0; i < 5; ++i) {
    worker.clock().advance_ms(120'000);
    ASSERT_TRUE(worker.store().step(1'000'000).ok());
  }
  attach(worker, "test");
  worker.sync_with(up);
  EXPECT_EQ(up.state("unsent"), R"(COMPLETED {"n":1})");
}

// A relay's delta was on its way, and had arrived; the relay is repaired, and the owner comes before it has an upstream
// again.
TEST_F(Sequences, ARepairedRelaySendsADeltaOnce) {
  Site& relay = site("relay");
  Site& child = site("child");
  relay.open();
  relay.attach();
  child.open();
  child.attach();
  child.start("c", "{}", "p");
  child.increment_parent("c", 5);
  child.sync_with(relay);
  (void)relay.store().upstream().control(engine::Upstream::Control::kHurry);
  up.receiver().handle(relay.next());  // and the answer is lost
  relay.start("x");
  relay.close();
  damage_log(relay);
  repair(relay);
  relay.open();
  worker.start("p", R"({"n":10})");
  worker.sync_with(relay);
  relay.attach();
  relay.sync_with(up);
  ASSERT_EQ(relay.dead(), std::vector<std::string>{"p: may have been sent"});
  ASSERT_TRUE(relay.store().upstream().release_dead("p", sync::Outbox::Release::kSkip).ok());
  relay.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":15})");
}
// Repaired without its state, and then moved to a disk that is whole.
TEST_F(Sequences, ARepairedStoreThatIsMovedKeepsItsName) {
  worker.start("r", R"({"n":0})");
  worker.sync_with(up);
  const auto owner = worker.sync_state().sender.owner;
  worker.set("r", "n", "7");
  worker.close();
  std::filesystem::remove_all(worker.directory() + "/data");
  repair(worker);
  Site& moved = site("moved");
  std::filesystem::copy(worker.directory(), moved.directory(), std::filesystem::copy_options::recursive);
  moved.open();
  moved.attach();
  ASSERT_TRUE(moved.store().upstream().resolve_copy(true).ok());
  EXPECT_EQ(moved.sync_state().sender.owner, owner);
  moved.sync_with(up);
  EXPECT_EQ(moved.dead(), std::vector<std::string>{});
  EXPECT_EQ(up.state("r"), R"({"n":7})");
  worker.open();
}

// Many runs wait for their owner, and each has just been changed.
TEST_F(Sequences, TheOwnersFirstWordOfManyRunsFoldsTheLogAFewTimes) {
  std::vector<engine::RunRef> parents;
  for (int i = 0; i < 200; ++i) {
    const std::string n = std::to_string(i);
    up.start("c" + n, "{}", "p" + n);
    auto parent = up.store().parent(*up.run("c" + n));
    ASSERT_TRUE(parent.ok());
    parents.push_back(*parent);
    worker.start("p" + n, R"({"n":0})");
  }
  ASSERT_TRUE(up.store().barrier().ok());
  ASSERT_TRUE(up.store().checkpoint().ok());
  for (const engine::RunRef& p : parents) {
    up.apply(p, OperationType::kIncrement, "n", "1");
  }
  const uint64_t before = up.store().stats().checkpoints;
  worker.sync_with(up);
  EXPECT_LT(up.store().stats().checkpoints - before, 10u);
  EXPECT_EQ(up.state("p7"), R"({"n":1})");
}

// And a pull of many runs that have just been changed.
TEST_F(Sequences, APullOfManyBusyRunsFoldsTheLogAFewTimes) {
  Site& machine = machine_of("machine");
  Site& snapshot = machine_of("snapshot");
  machine.open();
  machine.attach();
  for (int i = 0; i < 200; ++i) {
    machine.start("r" + std::to_string(i), "{}");
  }
  machine.sync_with(up);
  machine.copy_to(snapshot);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 200; ++i) {
      machine.set("r" + std::to_string(i), "m", std::to_string(round));
    }
    machine.sync_with(up);
  }
  machine.close();
  snapshot.open();
  snapshot.set("r0", "x", "1");
  snapshot.feed(up.receiver().handle(snapshot.next()));
  ASSERT_EQ(snapshot.sync_state().sender.pull, sync::Pull::kRestored);
  const std::string question = snapshot.next();
  for (int i = 0; i < 200; ++i) {
    snapshot.set("r" + std::to_string(i), "y", "1");
  }
  const uint64_t before = snapshot.store().stats().checkpoints;
  snapshot.feed(up.receiver().handle(question));
  EXPECT_LT(snapshot.store().stats().checkpoints - before, 10u);
}

// What others wrote was looked at often; then it turns out that the store was restored.
TEST_F(Sequences, ARestoredStoreThatRefreshedStillLearnsThatItsRunHadFinished) {
  Site& machine = machine_of("machine");
  Site& snapshot = machine_of("snapshot");
  Site& child = site("child");
  machine.open();
  machine.attach();
  machine.start("p", R"({"n":0})");
  machine.start("q", "{}");
  machine.sync_with(up);
  child.open();
  child.attach();
  child.start("c", "{}", "p");
  machine.copy_to(snapshot);
  machine.finish("p");
  machine.sync_with(up);
  machine.set("q", "n", "1");
  machine.sync_with(up);
  machine.close();
  ASSERT_EQ(up.state("p"), R"(COMPLETED {"n":0})");
  snapshot.open();
  for (int i = 0; i < 3; ++i) {
    child.increment_parent("c");
    child.sync_with(up);
    ASSERT_TRUE(snapshot.store().refresh("p").ok());
    snapshot.sync_with(up);
  }
  snapshot.set("q", "m", "1");
  snapshot.sync_with(up);
  EXPECT_EQ(snapshot.state("p"), up.state("p"));
}

// The process is killed when the documents of a pull are in the log, and that something was newer is not yet noted.
TEST_F(Sequences, AMovedStoreThatIsKilledInItsPullKnowsThatItWasRestored) {
  Site& machine = site("machine");
  Site& snapshot = machine_of("snapshot");
  machine.open();
  machine.attach();
  machine.start("r", R"({"n":1})");
  machine.sync_with(up);
  machine.copy_to(snapshot);
  machine.set("r", "n", "2");
  machine.sync_with(up);
  machine.close();
  snapshot.open();
  ASSERT_EQ(snapshot.sync_state().sender.halt, Halt::kCopied);
  ASSERT_TRUE(snapshot.store().upstream().resolve_copy(true).ok());
  const std::string question = snapshot.next();
  const std::string answer = up.receiver().handle(question);
  snapshot.close();
  const std::string image = snapshot.directory() + ".image";
  {
    auto files = wal::open_posix_files(snapshot.directory());
    ASSERT_TRUE(files.ok());
    testing::FixedIdentityFiles identity(std::move(*files));
    testing::FaultFiles watched(identity);
    bool armed = false;
    watched.before = [&](testing::FileCall call, const std::string&) {
      if (armed && call == testing::FileCall::kSync) {
        armed = false;
        std::filesystem::copy(snapshot.directory(), image, std::filesystem::copy_options::recursive);
      }
    };
    engine::StoreOptions o;
    o.directory = snapshot.directory();
    o.segment_bytes = snapshot.segment_bytes;
    testing::use_clock(o.hooks, snapshot);
    o.hooks.files = &watched;
    auto opened = engine::Store::open(std::move(o));
    ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
    std::string again;
    ASSERT_TRUE((*opened)->upstream().next(again).ok());
    ASSERT_EQ(again, question);
    armed = true;
    ASSERT_TRUE((*opened)->upstream().feed(answer).ok());
    ASSERT_FALSE(armed);
    ASSERT_TRUE((*opened)->close(0).ok());
  }
  std::filesystem::remove_all(snapshot.directory());
  std::filesystem::rename(image, snapshot.directory());
  snapshot.open();
  if (snapshot.sync_state().sender.halt == Halt::kCopied) {
    GTEST_SKIP() << "the image is seen as a copy";
  }
  EXPECT_EQ(snapshot.state("r"), R"({"n":2})");
  snapshot.sync_with(up);
  snapshot.set("r", "x", "1");
  snapshot.sync_with(up);
  EXPECT_EQ(snapshot.sync_state().sender.halt, Halt::kNone) << snapshot.sync_state().last_error;
  EXPECT_EQ(up.state("r"), R"({"n":2,"x":1})");
}

// What cannot be taken of a pull's answer is asked for again, but not at once.
TEST_F(Sequences, AnAnswerOfAPullThatCannotBeKeptIsWaitedFor) {
  Site& machine = machine_of("machine");
  Site& snapshot = machine_of("snapshot");
  machine.open();
  machine.attach();
  machine.start("r", R"({"n":1})");
  machine.sync_with(up);
  machine.copy_to(snapshot);
  for (const char* v : {"2", "3"}) {
    machine.set("r", "n", v);
    machine.sync_with(up);
  }
  machine.close();
  snapshot.close();
  auto files = wal::open_posix_files(snapshot.directory());
  ASSERT_TRUE(files.ok());
  testing::FixedIdentityFiles identity(std::move(*files));
  testing::FaultFiles failing(identity);
  engine::StoreOptions o;
  o.directory = snapshot.directory();
  o.segment_bytes = snapshot.segment_bytes;
  testing::use_clock(o.hooks, snapshot);
  o.hooks.files = &failing;
  auto opened = engine::Store::open(std::move(o));
  ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
  engine::Store& store = **opened;
  auto run = store.find("r");
  ASSERT_TRUE(run.ok());
  ASSERT_TRUE(update(store, **run, OperationType::kSet, "x", Value(int64_t{1})).worked());
  ASSERT_TRUE(store.barrier().ok());
  std::string message;
  ASSERT_TRUE(store.upstream().next(message).ok());
  ASSERT_TRUE(store.upstream().feed(up.receiver().handle(message)).ok());
  failing.fail(
      {.call = testing::FileCall::kWrite, .nth = 1, .status = Status(Code::kNoSpace, "full", 28), .sticky = true});
  int asked = 0;
  for (int i = 0; i < 10; ++i) {
    (void)store.upstream().next(message);
    if (!message.empty()) {
      ++asked;
      (void)store.upstream().feed(up.receiver().handle(message));
    }
  }
  EXPECT_LE(asked, 2) << "without a wait in between";
  failing.fail_none();
  (void)store.close(0);
}

// Others began to write the run after the state that was restored: this store does not know yet that they do.
TEST_F(Sequences, WhatARestoredStoreIncrementsInARunThatOthersWriteIsTheSameAtBothEnds) {
  Site& machine = machine_of("machine");
  Site& snapshot = machine_of("snapshot");
  Site& child = site("child");
  machine.open();
  machine.attach();
  machine.start("p", R"({"n":0})");
  machine.sync_with(up);
  child.open();
  child.attach();
  child.start("c", "{}", "p");
  machine.copy_to(snapshot);
  child.increment_parent("c", 5);
  child.sync_with(up);
  for (const char* v : {"1", "2"}) {
    machine.set("p", "m", v);
    machine.sync_with(up);
  }
  machine.close();
  snapshot.open();
  snapshot.apply("p", OperationType::kIncrement, "n", "1");
  snapshot.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":6,"m":2})");
  EXPECT_EQ(snapshot.state("p"), up.state("p"));
}

// A run that others write is refreshed twice while a change of this store's waits.
TEST_F(Sequences, ARunThatIsRefreshedWhileAChangeWaitsIsCountedOnce) {
  Site& child = site("child");
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  child.open();
  child.attach();
  child.start("c", "{}", "p");
  for (int i = 0; i < 3; ++i) {
    child.increment_parent("c", 10);
    child.sync_with(up);
    worker.apply("p", OperationType::kIncrement, "n", "1");
    ASSERT_TRUE(worker.store().barrier().ok());
    ASSERT_TRUE(worker.store().refresh("p").ok());
    const std::string question = worker.next();
    worker.feed(up.receiver().handle(question));
  }
  worker.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":33})");
  EXPECT_EQ(worker.state("p"), R"({"n":33})");
  EXPECT_EQ(worker.dead(), std::vector<std::string>{});
}

// Detached while an answer is under way; attached to the other one, and back.
TEST_F(Sequences, ADetachedStoreThatIsAttachedElsewhereAndBack) {
  Site& other = site("other");
  Site& child = site("child");
  other.open();
  worker.start("p", R"({"n":0})");
  worker.sync_with(up);
  child.open();
  child.attach();
  child.start("c", "{}", "p");
  child.sync_with(up);
  child.increment_parent("c", 5);
  (void)child.store().upstream().control(engine::Upstream::Control::kHurry);
  up.receiver().handle(child.next());  // and the answer is lost
  ASSERT_TRUE(child.store().upstream().detach().ok());
  attach(child, "other");
  child.sync_with(other);
  ASSERT_TRUE(child.store().upstream().detach().ok());
  attach(child, "test");
  child.sync_with(up);
  EXPECT_EQ(up.state("p"), R"({"n":5})");
  EXPECT_EQ(child.sync_state().sender.halt, Halt::kNone);
}

// What went on before the owner came is on top of the run further up; what comes after it goes on as a set.
TEST_F(Sequences, FractionsThatWentOnBeforeTheOwnerCameStay) {
  Site& relay = site("relay");
  Site& child = site("child");
  relay.open();
  relay.attach();
  child.open();
  child.attach();
  child.start("c", "{}", "p");
  const auto all = [&] {
    child.sync_with(relay);
    relay.sync_with(up);
  };
  child.apply_to_parent("c", OperationType::kIncrement, "f", "0.5");
  all();
  worker.start("p", R"({"f":0.0})");
  worker.sync_with(relay);
  all();
  ASSERT_EQ(up.state("p"), R"({"f":0.5})");
  child.apply_to_parent("c", OperationType::kIncrement, "f", "0.25");
  child.apply_to_parent("c", OperationType::kIncrement, "f", "0.25");
  all();
  EXPECT_EQ(up.state("p"), R"({"f":1})") << "at the relay " << relay.state("p");
}

}  // namespace
}  // namespace cairn::tests
