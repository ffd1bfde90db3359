// `cairn serve` as a service: what it tells its supervisor, the sockets it is given, what it writes of requests, and
// what monitoring sees.
#ifdef CAIRN_TOOLS_NETWORK

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <regex>

#include "tests/cli/server_fixture.h"
#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Service : public ServerTest {
 protected:
  static Reply ask(const std::string& address, const std::string& line, const std::string& headers = "",
                   const std::string& body = "") {
    Client client(address);
    client.send(line + " HTTP/1.1\r\nHost: " + address + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
                headers + "\r\n" + body);
    return client.read_reply();
  }
  [[nodiscard]] std::string said() const { return read_file(path("up.err")); }
  std::string write_token(const std::string& name) {
    const std::string token = name + "-token-5c9d3b7a1e8f4026b1d7c2a9e0f6d384";
    std::ofstream(path(name)) << token << "\n";
    ::chmod(path(name).c_str(), 0600);
    return token;
  }
};

/// What systemd would hear.
class Listener {
 public:
  explicit Listener(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un at = {};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, sizeof at.sun_path - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    const timeval patience = {20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Listener() { ::close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  /// The next word, leaving those out that begin with `but`.
  [[nodiscard]] std::string next(const std::string& but = "nothing") const {
    std::string text;
    do {
      char buffer[256];
      const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n < 0) {
        return "nothing came";
      }
      text.assign(buffer, static_cast<size_t>(n));
    } while (text.starts_with(but));
    return text;
  }

 private:
  const int fd_;
};

TEST_F(Service, TellsWhoStartedItWhatItDoes) {
  const Listener systemd(path("notify"));
  environment_ = {"NOTIFY_SOCKET=" + path("notify")};
  const std::string address = serve();
  EXPECT_EQ(systemd.next(), "READY=1");
  EXPECT_EQ(ask(address, "GET /healthz").status, 200u) << "when it says so, it is so";
  ::kill(pids_["up"], SIGHUP);
  EXPECT_TRUE(std::regex_match(systemd.next(), std::regex("RELOADING=1\nMONOTONIC_USEC=[0-9]+")));
  EXPECT_EQ(systemd.next(), "READY=1");
  end("up", SIGTERM);
  EXPECT_EQ(systemd.next(), "STOPPING=1") << "nobody asked for signs of life";
}

TEST_F(Service, GivesSignsOfLifeWhereTheyAreWaitedFor) {
  const Listener systemd(path("notify"));
  environment_ = {"NOTIFY_SOCKET=" + path("notify"), "WATCHDOG_USEC=600000"};
  serve();
  EXPECT_EQ(systemd.next("WATCHDOG"), "READY=1");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(systemd.next(), "WATCHDOG=1");
  }
  end("up", SIGTERM);
  environment_ = {"NOTIFY_SOCKET=" + path("notify"), "WATCHDOG_USEC=600000", "WATCHDOG_PID=1"};
  serve();
  EXPECT_EQ(systemd.next("WATCHDOG"), "STOPPING=1");
  EXPECT_EQ(systemd.next(), "READY=1");
  end("up", SIGTERM);
  EXPECT_EQ(systemd.next(), "STOPPING=1") << "they are meant for another process";
}

TEST_F(Service, ListensOnSocketsThatItIsGiven) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof at;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&at), bytes), 0);
  ASSERT_EQ(::listen(listener, 5), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&at), &bytes);
  const std::string address = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  Client early(address);  // before there is a server: it waits
  early.send("GET /healthz HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
  const auto start = [&](const std::string& pid) {
    const pid_t started = start_after(
        [&] {
          dup2(listener, 3);
          setenv("LISTEN_PID", pid.empty() ? std::to_string(getpid()).c_str() : pid.c_str(), 1);
          setenv("LISTEN_FDS", "1", 1);
          dup2(::open(path("out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
        },
        {"serve"});
    servers_.push_back(started);
    return started;
  };
  const pid_t first = start("");
  EXPECT_EQ(early.read_reply().body, "ok\n");
  EXPECT_TRUE(tests::wait_for([&] { return !read_file(path("out")).empty(); }));
  EXPECT_EQ(read_file(path("out")).find("listening on " + address + "\n"), 0u) << "and nowhere else";
  ::kill(first, SIGTERM);
  waitpid(first, nullptr, 0);
  servers_.clear();
  Client between(address);  // the socket is still there
  between.send("GET /healthz HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
  start("");
  EXPECT_EQ(between.read_reply().body, "ok\n");
  ::close(listener);
}

TEST_F(Service, WritesALineForEachRequestIfAskedTo) {
  const std::string api = write_token("api");
  const std::string device = write_token("device");
  const std::string address =
      serve("up", {"--log", "json", "--token-file", path("api"), "--sync-token-file", path("device")});
  const auto bearer = [](const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; };
  Reply made = ask(address, "POST /api/v1/tasks/t/trigger?token=" + api, bearer(api), "{}");
  ASSERT_EQ(made.status, 200u) << made.body;
  const std::string run = Json::parse(made.body).value("id", "");
  ask(address, "GET /api/v3/runs/" + run + "?x=" + device, bearer(api));
  ask(address, "GET /healthz", bearer(device));
  ask(address, "GET /realtime/v1/runs/" + run + "?offset=-1", bearer(made.headers["x-trigger-jwt"]));
  ask(address, "GET /nothing");
  const auto lines = [&] {
    std::vector<Json> out;
    std::istringstream in(said());
    for (std::string line; std::getline(in, line);) {
      const Json parsed = Json::parse(line, nullptr, false);
      if (parsed.contains("route")) {
        out.push_back(parsed);
      }
    }
    return out;
  };
  ASSERT_TRUE(tests::wait_for([&] { return lines().size() == 5; })) << said();
  const std::vector<Json> all = lines();
  const auto line = [&](size_t i) {
    return all[i].value("method", "") + " " + all[i].value("route", "") + " " + all[i].value("path", "") + " " +
           std::to_string(all[i].value("status", 0)) + " " + all[i].value("principal", "");
  };
  EXPECT_EQ(line(0), "POST /api/v1/tasks/:task/trigger /api/v1/tasks/t/trigger 200 API key");
  EXPECT_EQ(line(1), "GET /api/v3/runs/:id /api/v3/runs/" + run + " 200 API key");
  EXPECT_EQ(line(2), "GET /healthz /healthz 403 sync token");
  EXPECT_EQ(line(3), "GET /realtime/v1/runs/:id /realtime/v1/runs/" + run + " 200 public token");
  EXPECT_EQ(line(4), "GET  /nothing 401 none");
  EXPECT_EQ(all[0].value("id", ""), made.headers["x-request-id"]);
  EXPECT_EQ(all[0].value("bytes", size_t{0}), made.body.size());
  EXPECT_GT(all[0].value("ms", 0.0), 0.0);
  for (const std::string& secret : {api, device, made.headers["x-trigger-jwt"]}) {
    EXPECT_THAT(said(), Not(HasSubstr(secret)));
  }
}

TEST_F(Service, WritesTextIfThatIsAskedFor) {
  const std::string address = serve("up", {"--log", "text"});
  ask(address, "GET /healthz?secret");
  ASSERT_TRUE(tests::wait_for([&] { return said().find("/healthz") != std::string::npos; }));
  EXPECT_TRUE(std::regex_search(said(), std::regex("T[0-9:.]+Z GET /healthz 200 3 bytes [0-9.]+ ms none [0-9a-f-]+\n")))
      << said();
  EXPECT_THAT(said(), Not(HasSubstr("secret")));
  EXPECT_EQ(bare({"--store", path("other"), "serve", "--log", "xml"}).exit, 64);
}

TEST_F(Service, WritesNothingOfRequestsUnlessAsked) {
  const std::string address = serve();
  EXPECT_EQ(ask(address, "GET /healthz").headers.count("x-request-id"), 0u);
  end("up", SIGTERM);
  EXPECT_EQ(said(), "");
}

TEST_F(Service, SaysWhetherItTakesUpdates) {
  const std::string address = serve();
  Reply reply = ask(address, "GET /readyz");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body, "ready\n");
  Client late(address);
  late.send("GET /readyz HTTP/1.1\r\nHost: " + address + "\r\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // so the server has begun to read it
  ::kill(pids_["up"], SIGTERM);
  ASSERT_TRUE(tests::wait_for([&] { return !Client::is_listening(address); }));
  late.send("\r\n");
  reply = late.read_reply();
  EXPECT_EQ(reply.status, 503u);
  EXPECT_EQ(reply.body, "not ready: the server is being stopped\n");
}

#ifdef CAIRN_TOOLS_METRICS
/// The value of a line of /metrics, as "cairn_runs{status=\"QUEUED\"}"; -1: it is not there.
double figure(const std::string& metrics, const std::string& name) {
  const size_t at = ("\n" + metrics).find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::strtod(metrics.c_str() + at + name.size() + 1, nullptr);
}

TEST_F(Service, ItsFiguresMoveAsRequestsAreMade) {
  const std::string address = serve();
  const auto metrics = [&] { return ask(address, "GET /metrics").body; };
  const std::string before = metrics();
  EXPECT_EQ(figure(before, "cairn_runs{status=\"QUEUED\"}"), 0);
  EXPECT_EQ(figure(before, "cairn_latched"), 0);
  EXPECT_GT(figure(before, "cairn_store_bytes{part=\"log\"}"), 0);
  const std::string run = Json::parse(ask(address, "POST /api/v1/tasks/t/trigger", "", "{}").body).value("id", "");
  ask(address, "PUT /api/v1/runs/" + run + "/metadata", "",
      R"({"operations":[{"type":"increment","key":"n","value":1},{"type":"increment","key":"n","value":1},{"type":"remove","key":"none","value":1}]})");
  ask(address, "GET /api/v3/runs/none");
  ask(address, "GET /strange/" + run);
  const std::string after = metrics();
  EXPECT_EQ(figure(after, "cairn_runs{status=\"QUEUED\"}"), 1);
  EXPECT_EQ(figure(after, "cairn_run_updates_total{op=\"increment\"}"), 2);
  EXPECT_EQ(figure(after, "cairn_run_updates_total{op=\"set\"}"), 0);
  EXPECT_EQ(figure(after, "cairn_unapplied_operations_total{reason=\"missing_key\"}"), 1);
  EXPECT_EQ(figure(after, "cairn_http_requests_total{route=\"/api/v3/runs/:id\",method=\"GET\",code=\"404\"}"), 1);
  EXPECT_EQ(figure(after, "cairn_http_requests_total{route=\"none\",method=\"GET\",code=\"404\"}"), 1);
  EXPECT_EQ(figure(after, "cairn_http_request_seconds_count{route=\"/api/v1/runs/:id/metadata\"}"), 1);
  EXPECT_EQ(figure(after, "cairn_http_request_seconds_bucket{route=\"/api/v1/runs/:id/metadata\",le=\"+Inf\"}"), 1);
  EXPECT_GE(figure(after, "cairn_http_connections"), 1);
  EXPECT_THAT(after, Not(HasSubstr(run))) << "no label is a run's";
  EXPECT_EQ(ask(address, "POST /cairn/v1/runs/" + run + "/finish").status, 200u);
  const std::string ended = metrics();
  EXPECT_EQ(figure(ended, "cairn_runs{status=\"QUEUED\"}"), 0);
  EXPECT_EQ(figure(ended, "cairn_runs{status=\"COMPLETED\"}"), 1);
  end("up", SIGTERM);
  EXPECT_EQ(figure(ask(serve(), "GET /metrics").body, "cairn_runs{status=\"COMPLETED\"}"), 1) << "after a restart too";
}

TEST_F(Service, ItsFiguresNeedATokenUnlessTheyAreOpen) {
  const std::string token = write_token("api");
  const std::string shut = serve("up", {"--token-file", path("api")});
  EXPECT_EQ(ask(shut, "GET /metrics").status, 401u);
  EXPECT_EQ(ask(shut, "GET /metrics", "Authorization: Bearer " + token + "\r\n").status, 200u);
  const std::string open = serve("open", {"--token-file", path("api"), "--metrics-open"});
  EXPECT_EQ(ask(open, "GET /metrics").status, 200u);
  EXPECT_EQ(ask(open, "GET /healthz").status, 401u) << "nothing else";
}
#endif

TEST_F(Service, ErasesWhatEndedLongEnoughAgo) {
  const std::string address = serve("up", {"--retain-finished", "300ms"});
  const std::string run = Json::parse(ask(address, "POST /api/v1/tasks/t/trigger", "", "{}").body).value("id", "");
  const std::string other = Json::parse(ask(address, "POST /api/v1/tasks/t/trigger", "", "{}").body).value("id", "");
  EXPECT_EQ(ask(address, "POST /cairn/v1/runs/" + run + "/finish").status, 200u);
  EXPECT_TRUE(tests::wait_for([&] { return ask(address, "GET /api/v3/runs/" + run).status == 404; }));
  EXPECT_EQ(ask(address, "GET /api/v3/runs/" + other).status, 200u);
}

}  // namespace
}  // namespace cairn::tests
#endif
