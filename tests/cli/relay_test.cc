// `cairn sync --relay`: one relay for the slots of a host.
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "engine/maintenance/slots.h"
#include "engine/store/upstream.h"
#include "tests/cli/server_fixture.h"
#include "tools/serve/forwarder.h"
#include "tools/sync/carrier.h"

namespace cairn::tests {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

/// What workers tell the test, in memory that both have.
struct Shared {
  std::atomic<uint32_t> steps[8];
  std::atomic<bool> ends;
};

class RelayOfSlots : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    std::filesystem::create_directory(store());
    chmod(store().c_str(), 0700);
    shared_ = new (mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared();
  }
  void TearDown() override {
    ServerTest::TearDown();
    munmap(shared_, sizeof *shared_);
  }

  [[nodiscard]] std::string slot(uint32_t number) const { return store() + "/" + engine::slot_name(number); }
  [[nodiscard]] std::string socket() const { return store() + "/relay.sock"; }
  void start_at(uint32_t number, const std::string& id, const std::string& metadata = "{}") {
    const Ran ran = bare({"start", "--id", id, "--metadata", metadata, "--store", slot(number)});
    ASSERT_EQ(ran.exit, 0) << ran.err;
  }

  /// Until it listens.
  void start_relay(std::vector<std::string> more) {
    spawn_relay(std::move(more));
    until([&] { return read_file(path("relay.out")).find("listening") != std::string::npos; });
  }
  void spawn_relay(std::vector<std::string> more) {
    std::filesystem::remove(path("relay.out"));
    std::filesystem::remove(path("relay.err"));
    std::vector<std::string> arguments = {"sync", "--relay", "--json"};
    if (std::find(more.begin(), more.end(), "--slots") == more.end()) {
      arguments.insert(arguments.end(), {"--slots", store()});
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::ofstream(path("in")) << "";
    const pid_t pid = spawn(arguments, path("in"), false, path("relay.out"), path("relay.err"));
    servers_.push_back(pid);
    pids_["relay"] = pid;
  }
  /// By SIGTERM.
  Ran end_relay() {
    ::kill(pids_["relay"], SIGTERM);
    return wait_for_relay();
  }
  Ran wait_for_relay() {
    Ran ran;
    int status = 0;
    EXPECT_EQ(waitpid(pids_["relay"], &status, 0), pids_["relay"]);
    std::erase(servers_, pids_["relay"]);
    ran.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ran.out = read_file(path("relay.out"));
    ran.err = read_file(path("relay.err"));
    return ran;
  }
  void until(const std::function<bool()>& done) {
    const auto last = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      ASSERT_TRUE(std::chrono::steady_clock::now() < last) << read_file(path("relay.err"));
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  bool has(const std::string& name, const std::string& run) { return at(name, {"get", run}).exit == 0; }

  /// A worker of its own process: run "job-INDEX" counts its steps, and the run "boss" those of all, until it reads that
  /// it is to stop. `sends`: to the relay, by itself.
  pid_t start_worker(uint32_t index, bool sends) {
    fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      _exit(work(index, sends));
    }
    servers_.push_back(pid);
    pids_["worker" + std::to_string(index)] = pid;
    until([&] { return shared_->steps[index] > 0; });
    return pid;
  }
  int work(uint32_t index, bool sends) {
    engine::StoreOptions options = this->options();
    options.directory = store();
    options.background = true;
    auto opened = engine::open_slot(options, "");
    if (!opened.ok()) {
      return 2;
    }
    engine::Store& store = **opened;
    engine::StartOptions start;
    start.id = "job-" + std::to_string(index);
    start.parent = "boss";
    if (index == 0) {
      engine::StartOptions boss;
      boss.id = "boss";
      auto begun = store.start(boss);
    }
    auto run = store.start(start);
    auto parent = run.ok() ? store.parent(**run) : run.status();
    engine::sync::SenderOptions sender;
    sender.poll_interval_ms = 500;
    if (!parent.ok() || !store.upstream().attach("unix:" + socket(), sender).ok()) {
      return 3;
    }
    std::unique_ptr<tools::Carrier> carrier;
    if (sends) {
      auto made = tools::make_http_carrier({"unix:" + socket(), "", "", "", 5000});
      if (!made.ok()) {
        return 4;
      }
      carrier = std::move(*made);
    }
    const tools::Globals globals;
    tools::Forwarder forwarder(globals, store, std::move(carrier));
    for (;;) {
      if (store.view(**run).record.document.to_json().find("stop") != std::string::npos) {
        break;
      }
      if (!shared_->ends) {
        const Status s = store.transact({{run->get(), {engine::OperationType::kIncrement, "n", 1}},
                                         {parent->get(), {engine::OperationType::kIncrement, "total", 1}}});
        if (!s.ok() && s.code != Code::kAccepted) {
          return 5;
        }
        ++shared_->steps[index];
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    engine::Upstream::State state;
    for (int i = 0; i < 3000; ++i) {
      if (!store.upstream().state(state).ok()) {
        return 6;
      }
      if (state.all_acknowledged) {
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    (void)forwarder.end();
    return state.all_acknowledged && store.close(0).ok() ? 0 : 7;
  }

  Shared* shared_ = nullptr;
};

TEST_F(RelayOfSlots, BringsEachChangeOnceWhoeverIsKilled) {
  const std::string centre = "http://" + serve();
  start_relay({"--upstream", centre});
  struct stat info = {};
  ASSERT_EQ(lstat(socket().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode, static_cast<mode_t>(S_IFSOCK | 0600));
  start_worker(0, true);
  start_worker(1, true);
  start_worker(2, true);
  start_worker(3, false);
  until([&] { return has("up", "job-0") && has("up", "job-1") && has("up", "job-2"); });
  EXPECT_FALSE(has("up", "job-3")) << "its worker lives, and does not send";
  end("relay", SIGKILL);
  const uint32_t before = shared_->steps[2];
  until([&] { return shared_->steps[2] > before + 20 && shared_->steps[3] > 20; });
  end("worker2", SIGKILL);
  end("worker3", SIGKILL);
  start_relay({});  // it remembers the upstream
  until([&] { return has("up", "job-3"); });
  shared_->ends = true;
  for (const char* run : {"job-0", "job-1"}) {
    ASSERT_EQ(bare({"set", run, "stop", "true", "--store", centre}).exit, 0);
  }
  for (const char* worker : {"worker0", "worker1"}) {
    int status = 0;
    ASSERT_EQ(waitpid(pids_[worker], &status, 0), pids_[worker]);
    std::erase(servers_, pids_[worker]);
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0) << worker;
  }
  until([&] { return cairn({"sync"}).exit == 0; });
  const Ran ran = end_relay();
  EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
  EXPECT_FALSE(std::filesystem::exists(socket()));
  uint64_t sum = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    const std::string run = "job-" + std::to_string(i);
    const std::string n = bare({"get", run, "n", "--store", slot(i)}).out;
    EXPECT_EQ(at("up", {"get", run, "n"}).out, n) << run;
    EXPECT_GE(std::stoull(n), shared_->steps[i]) << run;
    EXPECT_LE(std::stoull(n), shared_->steps[i] + 1) << "a kill may come before the step is counted";
    sum += std::stoull(n);
  }
  EXPECT_EQ(at("up", {"get", "boss", "total"}).out, std::to_string(sum) + "\n");
  EXPECT_EQ(at("up", {"ls", "--json"}).lines().size(), 5u) << "each once";
  for (uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(bare({"verify", "--store", slot(i)}).exit, 0);
  }
  EXPECT_EQ(bare({"verify", "--store", store() + "/relay"}).exit, 0);
}

TEST_F(RelayOfSlots, EmptiesTheSlotsOfWorkersThatAreGoneButForADamagedOne) {
  start_at(0, "a");
  start_at(1, "b");
  start_at(2, "c");
  std::ofstream(slot(1) + "/STORE") << "something else";
  start_relay({"--upstream", "http://" + serve()});
  until([&] { return has("up", "a") && has("up", "c"); });
  ASSERT_EQ(bare({"set", "a", "late", "1", "--store", slot(0)}).exit, 0);
  until([&] { return at("up", {"get", "a", "late"}).out == "1\n"; });
  const Ran ran = end_relay();
  EXPECT_EQ(ran.exit, 65);
  EXPECT_THAT(ran.err, ContainsRegex("slot-001 is passed over: .*cairn verify --store"));
  EXPECT_EQ(ran.err.find("slot-001"), ran.err.rfind("slot-001 is passed over")) << "named once: " << ran.err;
  ASSERT_EQ(ran.lines().size(), 3u) << ran.out;
  EXPECT_EQ(ran.lines()[1]["emptied_slots"], 3);
  EXPECT_EQ(ran.lines()[1]["passed_over_slots"], 1);
  EXPECT_EQ(ran.lines()[2]["all_acknowledged"], true);
}

TEST_F(RelayOfSlots, OfADirectoryThereIsOne) {
  const std::string centre = "http://" + serve();
  start_at(0, "a");
  start_relay({"--upstream", centre});
  const Ran second = bare({"sync", "--relay", "--slots", store(), "--upstream", centre});
  EXPECT_EQ(second.exit, 78);
  EXPECT_THAT(second.err,
              HasSubstr("a relay of these slots runs already, as process " + std::to_string(pids_["relay"])));
  until([&] { return has("up", "a"); });
  EXPECT_THAT(cairn({"slots"}).out, ContainsRegex("\nrelay +" + std::to_string(pids_["relay"]) + "\n"));
  EXPECT_EQ(cairn({"ls", "--json"}).lines().size(), 1u) << "the relay's copy is not shown";
  EXPECT_EQ(cairn({"show", "a", "--json"}).parsed()["id"], "a");
  until([&] { return cairn({"sync"}).exit == 0; });
  const Ran sync = cairn({"sync", "--json"});
  ASSERT_EQ(sync.lines().size(), 1u) << sync.out;
  EXPECT_EQ(sync.lines()[0]["slot"], "relay");
  EXPECT_EQ(sync.lines()[0]["owner_pid"], pids_["relay"]);
  EXPECT_THAT(cairn({"sync"}).out, HasSubstr("sends what the slots have to " + centre + "\n  all is upstream\n"));
  const Ran set = cairn({"set", "a", "n", "1"});
  EXPECT_EQ(set.exit, 64) << "the slots are not the relay's";
  EXPECT_THAT(set.err, HasSubstr("--store unix:" + socket()));
  EXPECT_EQ(bare({"set", "a", "n", "1", "--store", store() + "/relay"}).exit, 0) << "the relay has a socket for it";
  EXPECT_EQ(end_relay().exit, 0);
  EXPECT_THAT(bare({"sync", "--relay", "--slots", slot(0)}).err, HasSubstr("is a store itself"));
  EXPECT_THAT(bare({"sync", "--relay", "--slots", path("other")}).err, HasSubstr("no upstream is known"));
  EXPECT_FALSE(std::filesystem::exists(path("other"))) << "nothing was made";
}

TEST_F(RelayOfSlots, SendsAtItsEndWhatItHasWithinTheDeadline) {
  const std::string address = serve();
  end("up", SIGTERM);
  start_at(0, "a");
  start_relay({"--upstream", "http://" + address, "--deadline", "200ms"});
  until([&] { return bare({"get", "a", "--store", store() + "/relay"}).exit == 0; });
  Ran ran = end_relay();
  EXPECT_EQ(ran.exit, 75) << ran.out;
  EXPECT_EQ(ran.lines().at(2)["waiting_runs"], 1);
  start_relay({"--upstream", "http://" + address, "--deadline", "30s"});
  ::kill(pids_["relay"], SIGTERM);
  ASSERT_EQ(serve("up", {}, address), address);
  ran = wait_for_relay();
  EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
  EXPECT_TRUE(has("up", "a"));
}

TEST_F(RelayOfSlots, ASecondSignalEndsTheWait) {
  start_at(0, "a");
  start_relay({"--upstream", "http://127.0.0.1:1", "--deadline", "10m"});
  until([&] { return bare({"get", "a", "--store", store() + "/relay"}).exit == 0; });
  ::kill(pids_["relay"], SIGINT);
  until([&] { return !std::filesystem::exists(socket()); });
  const Ran ran = end_relay();
  EXPECT_EQ(ran.exit, 75) << ran.out;
  EXPECT_EQ(bare({"verify", "--store", store() + "/relay"}).exit, 0);
}

TEST_F(RelayOfSlots, LeavesAloneWhatGoesElsewhere) {
  start_at(0, "mine");
  start_at(1, "relayed");
  ASSERT_EQ(bare({"sync", "--upstream", "http://127.0.0.1:1", "--deadline", "100ms", "--store", slot(0)}).exit, 75);
  start_relay({"--upstream", "http://" + serve()});
  until([&] { return has("up", "relayed"); });
  until([&] { return read_file(path("relay.err")).find("slot-000") != std::string::npos; });
  start_at(2, "new");
  const Ran sync = cairn({"sync"});
  EXPECT_EQ(sync.exit, 75) << sync.out;
  EXPECT_THAT(sync.out,
              AllOf(HasSubstr("slot-000: no process has the store open: its runs go to http://127.0.0.1:1, not"),
                    HasSubstr("slot-002: no process has the store open: the relay sends what it has")));
  const Ran ran = end_relay();
  EXPECT_EQ(ran.exit, 75) << "something waits";
  EXPECT_THAT(ran.err, HasSubstr("slot-000 is passed over: its runs go to http://127.0.0.1:1, not through the relay"));
  EXPECT_FALSE(has("up", "mine"));
}

TEST_F(RelayOfSlots, KnowsItsSocketByWhateverPath) {
  std::filesystem::create_directory_symlink(store(), path("link"));
  start_at(0, "a");
  ASSERT_EQ(
      bare({"sync", "--upstream", "unix:" + path("link") + "/relay.sock", "--deadline", "100ms", "--store", slot(0)})
          .exit,
      75);
  const std::string centre = "http://" + serve();
  int late = 0;
  for (const std::string& spelling : {store() + "/./", path("link/"), store()}) {
    ASSERT_EQ(bare({"set", "a", "late", std::to_string(++late), "--store", slot(0)}).exit, 0);
    start_at(static_cast<uint32_t>(late), "run-" + std::to_string(late));
    start_relay({"--upstream", centre, "--slots", spelling});
    const Ran ran = end_relay();
    EXPECT_EQ(ran.exit, 0) << spelling << ": " << ran.out << ran.err;
    EXPECT_THAT(ran.err, Not(HasSubstr("slot-"))) << spelling;
    EXPECT_EQ(at("up", {"get", "a", "late"}).out, std::to_string(late) + "\n") << spelling;
    EXPECT_TRUE(has("up", "run-" + std::to_string(late))) << spelling;
  }
}

TEST_F(RelayOfSlots, AtItsEndItEmptiesWhatAWorkerLeftThatWasJustKilled) {
  const std::string centre = "http://" + serve();
  start_relay({"--upstream", centre});
  start_worker(0, false);
  until([&] { return shared_->steps[0] > 20; });
  end("worker0", SIGKILL);
  Ran ran = end_relay();
  EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
  EXPECT_EQ(ran.lines().at(1)["emptied_slots"], 1);
  EXPECT_EQ(ran.lines().at(1)["waiting_slots"], 0);
  EXPECT_EQ(at("up", {"get", "job-0", "n"}).out, bare({"get", "job-0", "n", "--store", slot(0)}).out);
  start_at(1, "late");
  start_relay({"--upstream", centre, "--deadline", "1ms"});
  ran = end_relay();
  EXPECT_EQ(ran.exit, 75) << ran.out << ran.err;
  EXPECT_GE(ran.lines().at(1)["waiting_slots"], 1) << "there was no time for it";
}

TEST_F(RelayOfSlots, SaysThatALiveWorkerHasNoUpstream) {
  start_relay({"--upstream", "http://" + serve()});
  engine::StoreOptions options = this->options();
  options.directory = store();
  const auto worker = engine::open_slot(options, "");
  ASSERT_TRUE(worker.ok()) << engine::error_detail().message;
  const Ran sync = cairn({"sync"});
  EXPECT_EQ(sync.exit, 75) << sync.out;
  EXPECT_THAT(sync.out,
              HasSubstr("slot-000: process " + std::to_string(getpid()) + " has the store open, and has no upstream"));
  EXPECT_EQ(cairn({"sync", "--json"}).lines().at(1)["all_acknowledged"], false);
}

// The way that is kept is one on which something arrived, not the one that was given last.
TEST_F(RelayOfSlots, RemembersAWayOnceSomethingArrived) {
  const std::string address = serve();
  start_at(0, "a");
  start_relay({"--upstream", "http://" + address});
  ASSERT_EQ(end_relay().exit, 0);
  end("up", SIGTERM);
  const std::string token = path("token");
  std::ofstream(token) << "0123456789abcdef0123456789abcdef";
  chmod(token.c_str(), 0600);
  start_relay({"--upstream", "http://" + address, "--token-file", token});
  start_at(1, "b");
  until([&] { return bare({"get", "b", "--store", store() + "/relay"}).exit == 0; });
  end("relay", SIGKILL);
  std::filesystem::remove(token);
  ASSERT_EQ(serve("up", {}, address), address);
  start_relay({});
  const Ran ran = end_relay();  // with a message under way
  EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
  EXPECT_TRUE(has("up", "b"));
}

TEST_F(RelayOfSlots, StaysDetached) {
  const std::string centre = "http://" + serve();
  start_at(0, "a");
  start_relay({"--upstream", centre});
  ASSERT_EQ(end_relay().exit, 0);
  ASSERT_EQ(bare({"sync", "--detach", "--store", store() + "/relay"}).exit, 0);
  spawn_relay({});
  until([&] { return !read_file(path("relay.out")).empty() || !read_file(path("relay.err")).empty(); });
  const Ran ran = end_relay();
  EXPECT_EQ(ran.exit, 64) << ran.out;
  EXPECT_THAT(ran.err, HasSubstr("was detached: give --upstream URL"));
  start_relay({"--upstream", centre});
  EXPECT_EQ(end_relay().exit, 0);
}

TEST_F(RelayOfSlots, TellsWhatItFoundInAKilledWorkersSlot) {
  start_worker(0, false);
  end("worker0", SIGKILL);
  std::ofstream(slot(0) + "/STAGING") << "something else";
  start_relay({"--upstream", "http://" + serve()});
  const Ran ran = end_relay();
  EXPECT_EQ(ran.exit, 0) << ran.out;
  EXPECT_TRUE(has("up", "job-0"));
  EXPECT_THAT(ran.err, HasSubstr("slot-000: STAGING is damaged"));
}

}  // namespace
}  // namespace cairn::tests
