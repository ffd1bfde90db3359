// A run that a worker's store owns, changed at its upstream by HTTP clients while the worker changes it too: real
// processes, a proxy that loses and repeats before each of both, and SIGKILL of the worker and of the server.
// CAIRN_OWNED_ROUNDS=50 is the long form, CAIRN_CHAOS_SEED draws other histories.
#include <optional>
#include <vector>

#include "tests/chaos/chaos_fixture.h"
#include "tests/chaos/owner_ledger.h"
#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kClients = 3;
constexpr auto kUnderWay = std::chrono::milliseconds(400);  // at most, before a kill

/// Changes the run as the npm client does, one request after the other. One that got no answer may have happened: it is
/// sent again with its key until there is one.
class HttpClient {
 public:
  HttpClient(std::string address, std::string run, int64_t writer)
      : address_(std::move(address)), run_(std::move(run)), writer_(writer), thread_([this] { work(); }) {}
  ~HttpClient() { stop(); }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  /// After the request that is under way.
  void stop() {
    stop_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  [[nodiscard]] int64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] int64_t sent_again() const { return sent_again_; }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }  // after stop()

 private:
  void work() {
    for (int64_t number = 1; !stop_ && wrong_.empty(); ++number) {
      const Json operations = {{{"type", "increment"}, {"key", "n"}, {"value", kOthersIncrement}},
                               {{"type", "append"}, {"key", "log"}, {"value", item_of(writer_, number)}}};
      const std::string body = Json{{"operations", operations}}.dump();
      const std::string request = "PUT /api/v1/runs/" + run_ + "/metadata HTTP/1.1\r\nHost: " + address_ +
                                  "\r\nContent-Type: application/json\r\nx-trigger-request-idempotency-key: " + run_ +
                                  "-" + std::to_string(writer_) + "-" + std::to_string(number) +
                                  "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
      Reply reply = ask(request);
      const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
      for (; reply.status == 0 || reply.status == 503; reply = ask(request)) {
        if (std::chrono::steady_clock::now() > until) {
          wrong_ = "no answer for two minutes";
          return;
        }
        ++sent_again_;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      check(reply, number);
      acknowledged_ = number;
    }
  }
  [[nodiscard]] Reply ask(const std::string& request) const {
    Client client(address_, Client::kMayFail);
    return client.fd() >= 0 && client.send(request) ? client.read_reply() : Reply();
  }
  /// What is acknowledged has taken effect, once, and so has all that was before.
  void check(const Reply& reply, int64_t number) {
    const Json answer = Json::parse(reply.body, nullptr, false);
    int64_t found = 0;
    bool in_order = reply.status == 200 && answer.is_object();
    for (const Json& item : in_order ? answer["metadata"]["log"] : Json::array()) {
      if (writer_of(item.get<int64_t>()) == writer_) {
        in_order = in_order && item == item_of(writer_, ++found);
      }
    }
    if (!in_order || found != number) {
      wrong_ = "change " + std::to_string(number) + " of writer " + std::to_string(writer_) + " was answered " +
               reply.head + reply.body;
    }
  }

  const std::string address_;
  const std::string run_;
  const int64_t writer_;
  std::string wrong_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> acknowledged_{0}, sent_again_{0};
  std::thread thread_;
};

class OwnedRun : public ChaosTest {
 protected:
  void TearDown() override {
    if (worker_ > 0) {
      end_worker(SIGKILL);
    }
    ChaosTest::TearDown();
  }
  void start_upstream() {
    start_server({"--host", clients_.address()});
    const std::string text = read_file(path("up.out"));
    server_address_ = Json::parse(text.substr(0, text.find('\n'))).value("listening", "");
    clients_.forward_to(static_cast<uint16_t>(std::stoi(server_address_.substr(server_address_.rfind(':') + 1))));
  }
  void kill_upstream() {
    kill_server(SIGKILL);
    clients_.forward_to(0);
  }
  void start_worker() {
    std::array<std::string, 5> arguments = {CAIRN_CHAOS_OWNER, store(), path("ledger-" + run_), proxy_.url(), run_};
    std::array<char*, 6> argv{};
    for (size_t i = 0; i < arguments.size(); ++i) {
      argv.at(i) = arguments.at(i).data();
    }
    ASSERT_EQ(posix_spawn(&worker_, CAIRN_CHAOS_OWNER, nullptr, nullptr, argv.data(), environ), 0);
  }
  void end_worker(int signal) {
    if (signal == 0) {
      ledger_->stop = 1;
    } else {
      ::kill(worker_, signal);
    }
    int status = 0;
    EXPECT_EQ(waitpid(worker_, &status, 0), worker_);
    worker_ = -1;
    const bool as_told = signal == 0 ? WIFEXITED(status) && WEXITSTATUS(status) == 0 : WIFSIGNALED(status);
    EXPECT_TRUE(as_told) << "the worker ended by itself: " << ledger_->what;
  }

  Reply ask(const std::string& method, const std::string& target, const std::string& body = "") {
    Client client(server_address_);
    client.send(method + " " + target + " HTTP/1.1\r\nHost: " + server_address_ +
                "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                body);
    return client.read_reply();
  }
  /// Status, tags and end are the owner's, whoever asks.
  void expect_refused() {
    const std::string owner = cairn({"stats", "--json"}).parsed()["store_id"];
    const std::array<std::array<std::string, 2>, 4> requests = {{
        {"/api/v2/runs/" + run_ + "/cancel", ""},
        {"/api/v1/runs/" + run_ + "/tags", R"({"tags":["seen"]})"},
        {"/cairn/v1/runs/" + run_ + "/status", R"({"status":"WAITING"})"},
        {"/cairn/v1/runs/" + run_ + "/finish", R"({"output":{"pages":12}})"},
    }};
    for (const auto& [target, body] : requests) {
      const Reply reply = ask("POST", target, body);
      EXPECT_EQ(reply.status, 422u) << target << ": " << reply.body;
      EXPECT_THAT(Json::parse(reply.body, nullptr, false).value("error", ""), HasSubstr(owner)) << target;
      ++refusals_;
    }
  }
  void wait_a_little() {
    std::this_thread::sleep_for(std::chrono::microseconds(random_.below(1000 * kUnderWay.count())));
  }

  void round(int number) {
    run_ = "owned-" + std::to_string(number);
    ledger_ = OwnerLedger::map(path("ledger-" + run_));
    start_worker();
    ASSERT_TRUE(
        tests::wait_for([&] { return ledger_->wrong != 0 || ask("GET", "/api/v3/runs/" + run_).status == 200; }));
    proxy_.set_drawing(true);
    clients_.set_drawing(true);
    std::vector<std::unique_ptr<HttpClient>> clients;
    for (int64_t writer = 1; writer <= kClients; ++writer) {
      clients.push_back(std::make_unique<HttpClient>(clients_.address(), run_, writer));
    }
    wait_a_little();
    expect_refused();
    // Each alone, and both at once; the worker first or the server first.
    const bool worker_first = random_.coin();
    for (int kill = 0; kill < 3; ++kill) {
      wait_a_little();
      const bool worker = kill == 2 || (kill == 0) == worker_first;
      const bool server = kill == 2 || !worker;
      if (worker) {
        end_worker(SIGKILL);
        ++kills_;
      }
      if (server) {
        kill_upstream();
        ++server_kills_;
        wait_a_little();
        start_upstream();
      }
      if (worker) {
        start_worker();
      }
    }
    wait_a_little();
    expect_refused();
    EXPECT_TRUE(tests::wait_for([&] { return ledger_->met > 0 || ledger_->wrong != 0; }))
        << "nothing of what clients did at the upstream reached the owner while it wrote";
    finish_round(clients);
  }
  void finish_round(std::vector<std::unique_ptr<HttpClient>>& clients) {
    std::vector<int64_t> done(static_cast<size_t>(kWriters));
    for (size_t i = 0; i < clients.size(); ++i) {
      clients[i]->stop();
      EXPECT_EQ(clients[i]->wrong(), "");
      done[i + 1] = clients[i]->acknowledged();
      of_clients_ += clients[i]->acknowledged();
      sent_again_ += clients[i]->sent_again();
    }
    ledger_->pause = 1;
    proxy_.set_drawing(false);
    clients_.set_drawing(false);
    const auto text = [this](const std::string& directory) {
      const StoredRuns runs = runs_of(directory);
      return runs.count(run_) == 0 ? std::string("none") : text_of_run(runs.at(run_));
    };
    EXPECT_TRUE(tests::wait_for([&] { return ledger_->wrong != 0 || text(store()) == text(up()); }));
    EXPECT_EQ(ledger_->wrong, 0u) << ledger_->what;
    EXPECT_EQ(text(store()), text(up()));
    EXPECT_THAT(text(up()), ::testing::StartsWith("EXECUTING owned")) << "as its owner says";
    EXPECT_EQ(text(up()).find('#'), std::string::npos) << "it has no tag";
    done[0] = ledger_->acknowledged;
    of_worker_ += done[0];
    open_took_ += ledger_->open_took;
    expect_document(done);
    end_worker(0);
  }
  /// The sum, and each change of each writer once, in its order.
  void expect_document(const std::vector<int64_t>& done) {
    const Json document = Json::parse(ask("GET", "/api/v1/runs/" + run_ + "/metadata").body)["metadata"];
    int64_t sum = done[0];
    for (size_t writer = 1; writer < done.size(); ++writer) {
      sum += kOthersIncrement * done[writer];
    }
    EXPECT_EQ(document["n"], sum);
    std::vector<int64_t> found(static_cast<size_t>(kWriters));
    for (const Json& item : document["log"]) {
      const int64_t writer = writer_of(item.get<int64_t>());
      EXPECT_EQ(item, item_of(writer, ++found[static_cast<size_t>(writer)])) << "of writer " << writer;
    }
    EXPECT_EQ(found, done);
  }

  testing::SeededRandom random_{testing::derive_seed(seed(), 1)};
  ChaosProxy clients_{testing::derive_seed(seed(), 2)};
  std::string server_address_;
  std::string run_;
  OwnerLedger* ledger_ = nullptr;
  pid_t worker_ = -1;
  int kills_ = 0, server_kills_ = 0, refusals_ = 0;
  int64_t of_worker_ = 0, of_clients_ = 0, sent_again_ = 0, open_took_ = 0;
};

TEST_F(OwnedRun, ClientsAndItsOwnerChangeItAtOnceWhateverIsKilled) {
  const char* wanted = std::getenv("CAIRN_OWNED_ROUNDS");
  const int rounds = wanted != nullptr ? std::atoi(wanted) : 3;
  start_upstream();
  for (int number = 0; number < rounds && !HasFailure(); ++number) {
    SCOPED_TRACE("round " + std::to_string(number) + ", seed " + std::to_string(seed()));
    round(number);
  }
  std::printf(
      "chaos: a run that its owner and clients change: rounds %d, kills of the owner %d, of the server %d; changes of "
      "the owner %ld, of clients %ld; requests sent again %ld; open at a kill and done %ld; refused %d%s\n",
      rounds, kills_, server_kills_, static_cast<long>(of_worker_), static_cast<long>(of_clients_),
      static_cast<long>(sent_again_), static_cast<long>(open_took_), refusals_,
      HasFailure() ? "" : "; lost 0, doubled 0");
  std::printf("  proxy of the owner: %s\n  proxy of the clients: %s\n", proxy_.report().c_str(),
              clients_.report().c_str());
}

}  // namespace
}  // namespace cairn::tests
