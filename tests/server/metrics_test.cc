// What is told to Prometheus, and to who asks whether the server is ready.
#include <random>

#ifdef CAIRN_TOOLS_METRICS
#include "api/metrics/durable_lag.h"
#endif
#include "api/server/histogram.h"
#include "api/server/store_service.h"
#include "engine/store/store_storage.h"
#include "engine/store/upstream.h"
#include "engine/sync/receiver.h"
#include "tests/http/http_fixture.h"
#include "tests/support/crashing_store.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;

class StatusCounts : public StoreTest {
 protected:
  engine::StoreOptions counted() {
    engine::StoreOptions o = options();
    o.count_runs = true;
    return o;
  }
  /// As a walk over all runs finds them.
  static std::string walked(engine::Store& store) {
    std::array<uint64_t, engine::kRunStatuses> counts{};
    EXPECT_TRUE(store
                    .each(
                        [&](const engine::RunView& run) {
                          counts.at(static_cast<size_t>(run.record.status)) += run.record.foreign ? 0 : 1;
                          return true;
                        },
                        false)
                    .ok());
    return text(counts);
  }
  static std::string kept(engine::Store& store) { return text(store.stats().runs); }
  static std::string text(const std::array<uint64_t, engine::kRunStatuses>& counts) {
    std::string out;
    for (size_t i = 0; i < counts.size(); ++i) {
      out += counts.at(i) == 0 ? ""
                               : std::string(engine::status_name(static_cast<RunStatus>(i))) + " " +
                                     std::to_string(counts.at(i)) + " ";
    }
    return out;
  }
};

/// Everything that gives a run a status, or takes the run away, drawn from all of it.
class DrawnChanges {
 public:
  explicit DrawnChanges(unsigned seed) : random_(seed) {}

  void make(engine::Store& store) {
    const std::string id = "r" + std::to_string(draw(60));
    switch (draw(9)) {
      case 0:
      case 1:
      case 2: {
        engine::StartOptions start;
        start.id = id;
        start.status = draw(2) == 0 ? RunStatus::kQueued : RunStatus::kExecuting;
        start.parent = draw(4) == 0 ? "elsewhere" + std::to_string(draw(5)) : "";
        auto run = store.start(start);
        if (run.ok() && !start.parent.empty()) {
          (void)store.parent(**run);
        }
        break;
      }
      case 3:
        with(store, id, [&](engine::Run& run) { (void)store.finish(run, final()); });
        break;
      case 4:
        with(store, id, [&](engine::Run& run) { (void)store.set_status(run, unfinished()); });
        break;
      case 5:
        (void)store.erase(id);
        break;
      case 6: {
        engine::RunRecord record;
        record.id = draw(5) == 0 ? "elsewhere" + std::to_string(draw(5)) : id;
        record.status = draw(2) == 0 ? final() : unfinished();
        record.sequence = 1;
        record.created_us = record.updated_us = 1'700'000'000'000'000;
        record.finished_us = engine::is_final(record.status) ? record.updated_us : 0;
        (void)store.import_run(std::move(record), draw(2) == 0);
        break;
      }
      case 7:
        with(store, id, [&](engine::Run& run) {  // a change of a finished run, which stays what it is
          engine::RunChangeRequest request;
          request.add_tags = {"t" + std::to_string(draw(100))};
          request.on_finished = draw(2) == 0;
          if (draw(2) == 0) {
            request.to = draw(2) == 0 ? final() : unfinished();
          }
          (void)store.change(run, request);
        });
        break;
      default:
        (void)store.resume(id);
    }
  }
  int draw(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }

 private:
  template <class F>
  static void with(engine::Store& store, const std::string& id, F f) {
    if (auto run = store.find(id); run.ok()) {
      f(**run);
    }
  }
  RunStatus final() {
    constexpr std::array kFinal = {RunStatus::kCompleted,     RunStatus::kCanceled, RunStatus::kFailed,
                                   RunStatus::kSystemFailure, RunStatus::kExpired,  RunStatus::kTimedOut};
    return kFinal.at(static_cast<size_t>(draw(kFinal.size())));
  }
  RunStatus unfinished() {
    constexpr std::array kUnfinished = {RunStatus::kQueued, RunStatus::kExecuting, RunStatus::kWaiting,
                                        RunStatus::kCrashed, RunStatus::kDelayed};
    return kUnfinished.at(static_cast<size_t>(draw(kUnfinished.size())));
  }

  std::mt19937 random_;
};

TEST_F(StatusCounts, EqualAWalkAfterAnyChange) {
  for (unsigned seed = 1; seed <= 3; ++seed) {
    open(counted());
    DrawnChanges changes(seed);
    for (int i = 0; i < 3000; ++i) {
      changes.make(*store_);
      if (i % 50 == 0) {
        ASSERT_EQ(kept(*store_), walked(*store_)) << "seed " << seed << ", change " << i;
      }
      if (i % 1000 == 500) {
        close();
        open(counted());
        ASSERT_EQ(kept(*store_), walked(*store_)) << "seed " << seed << ", opened after change " << i;
      }
    }
    EXPECT_EQ(kept(*store_), walked(*store_)) << "seed " << seed;
    EXPECT_NE(kept(*store_), "");
    close();
  }
}

TEST_F(StatusCounts, EqualAWalkOfWhatComesFromOtherStores) {
  open(counted());
  TemporaryDirectory elsewhere;
  engine::StoreOptions o = options();
  o.directory = elsewhere.path() + "/store";
  auto other = engine::Store::open(std::move(o));
  ASSERT_TRUE(other.ok() && (*other)->upstream().attach("test", {}).ok());
  engine::sync::StoreStorage storage(*store_);
  engine::sync::Receiver receiver(storage);
  DrawnChanges there(7);
  DrawnChanges here(8);
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 20; ++i) {
      there.make(**other);
    }
    here.make(*store_);
    ASSERT_TRUE((*other)->barrier().ok());
    for (int i = 0; i < 5; ++i) {
      std::string message;
      ASSERT_TRUE((*other)->upstream().control(engine::Upstream::Control::kHurry).ok());
      ASSERT_TRUE((*other)->upstream().next(message).ok());
      if (message.empty()) {
        break;
      }
      ASSERT_TRUE((*other)->upstream().feed(receiver.handle(message)).ok());
    }
    ASSERT_EQ(kept(*store_), walked(*store_)) << round;
  }
  EXPECT_GT(receiver.counters().entries, 100u);
  ASSERT_TRUE((*other)->close(0).ok());
}

TEST_F(StatusCounts, FollowRetention) {
  engine::StoreOptions o = counted();
  o.retain_finished_max = 10;
  open(o);
  for (int i = 0; i < 100; ++i) {
    auto run = start("r" + std::to_string(i));
    ASSERT_TRUE(store_->finish(*run, RunStatus::kCompleted).ok());
  }
  ASSERT_TRUE(store_->barrier().ok());
  for (int i = 0; i < 100 && kept(*store_) != "COMPLETED 10 "; ++i) {
    ASSERT_TRUE(store_->step(0).ok());
  }
  EXPECT_EQ(kept(*store_), "COMPLETED 10 ");
  EXPECT_EQ(walked(*store_), "COMPLETED 10 ");
}

TEST(HistogramOfDelays, CountsUpToEachBoundAndAboveAll) {
  server::Histogram histogram(server::kDelayBounds);
  for (const double value : {0.0, 0.005, 0.0051, 10.0, 11.0}) {
    histogram.add(value);
  }
  EXPECT_EQ(histogram.count(0), 2u);
  EXPECT_EQ(histogram.count(1), 1u);
  EXPECT_EQ(histogram.count(histogram.bounds().size() - 1), 1u);
  EXPECT_EQ(histogram.count(histogram.bounds().size()), 1u);
  EXPECT_NEAR(histogram.sum(), 21.0101, 1e-4);
}

#ifdef CAIRN_TOOLS_METRICS
class Lag : public CrashingStoreTest {
 protected:
  double at(int64_t now_ms) { return lag_.seconds(*store_, now_ms); }
  metrics::DurableLag lag_;
};

TEST_F(Lag, IsTheTimeSinceWhatTheDiskHasNot) {
  open();
  const auto run = start("r");
  ASSERT_TRUE(store_->barrier().ok());
  lag_.look(*store_, 1'000);
  EXPECT_EQ(at(90'000), 0) << "nothing waits";
  lag_.look(*store_, 90'000);
  EXPECT_EQ(set(run, "n", "1"), Code::kOk);
  EXPECT_EQ(at(90'100), 0.1) << "not since it was idle";
  lag_.look(*store_, 90'100);
  lag_.look(*store_, 90'200);
  EXPECT_EQ(at(95'000), 5) << "what came after the look at 90,000 may not be there";
  files_->fail({FileCall::kWrite, 1, kFull, true});
  EXPECT_FALSE(store_->barrier().ok());
  EXPECT_EQ(at(96'000), 6) << "a flush that failed is none";
  files_->fail_none();
  ASSERT_TRUE(store_->barrier().ok());
  EXPECT_EQ(at(97'000), 0);
  EXPECT_EQ(set(run, "n", "2"), Code::kOk);
  EXPECT_LE(at(97'000), 6.8) << "as of the last look";
  lag_.look(*store_, 97'000);
  lag_.look(*store_, 97'100);
  EXPECT_GE(at(97'200), 0.1);
}
#endif

class Readiness : public CrashingStoreTest {
 protected:
  std::string ready() {
    engine::sync::StoreStorage storage(*store_);
    engine::sync::Receiver receiver(storage);
    server::StoreService service(*store_, receiver, {});
    http::ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    auto server = http::Server::start(std::move(options), service.routes());
    EXPECT_TRUE(server.ok());
    const std::string address = (*server)->addresses().front();
    Client client(address);
    client.send("GET /readyz HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
    const Reply reply = client.read_reply();
    return std::to_string(reply.status) + " " + reply.body;
  }
};

TEST_F(Readiness, IsWhetherUpdatesAreTaken) {
  open();
  const auto run = start("r");
  EXPECT_EQ(ready(), "200 ready\n");
  files_->fail({FileCall::kSync, 1, kBroken});
  EXPECT_NE(set(run, "n", "1", engine::Durability::kPower), Code::kOk);
  EXPECT_EQ(ready(), "503 not ready: the store failed to write, and must be opened again\n");
}

TEST_F(Readiness, AFullDiskIsSaid) {
  open();
  const auto run = start("r");
  EXPECT_EQ(set(run, "n", "1"), Code::kOk);
  files_->fail({FileCall::kWrite, 1, kFull, true});
  EXPECT_EQ(store_->barrier().code, Code::kNoSpace);
  EXPECT_EQ(ready(), "503 not ready: the disk is full\n");
  files_->fail_none();
  EXPECT_TRUE(store_->barrier().ok());
  EXPECT_EQ(ready(), "200 ready\n");
}

}  // namespace
}  // namespace cairn::tests
