// Who may ask a `cairn serve`, as its options say.
#ifdef CAIRN_TOOLS_NETWORK

#include <netinet/in.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "tests/cli/server_fixture.h"
#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class Serve : public ServerTest {
 protected:
  /// Writes a token of this name into a file of this name, or of another one.
  std::string write_token(const std::string& name, const std::string& file = "") {
    const std::string token = name + "-token-5c9d3b7a1e8f4026b1d7c2a9e0f6d384";
    const std::string at = path(file.empty() ? name : file);
    std::ofstream(at + ".new") << token << "\n";
    ::chmod((at + ".new").c_str(), 0600);
    std::filesystem::rename(at + ".new", at);
    return token;
  }
  [[nodiscard]] std::string said(const std::string& name = "up") const { return read_file(path(name + ".err")); }
  /// Asks for a reload, and waits until the server has said `text`.
  void reload(const std::string& text) {
    const size_t before = said().size();
    ::kill(pids_["up"], SIGHUP);
    EXPECT_TRUE(tests::wait_for([&] { return said().find(text, before) != std::string::npos; })) << text << "\n"
                                                                                                 << said();
  }
  static Reply ask(const std::string& address, const std::string& line, const std::string& headers = "") {
    Client client(address);
    client.send(line + " HTTP/1.1\r\nHost: " + address + "\r\n" + headers + "\r\n");
    return client.read_reply();
  }
  static std::string bearer(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }
};

TEST_F(Serve, EachTokenOpensWhatItIsFor) {
  const std::string api = write_token("api");
  const std::string next = write_token("next");
  const std::string device = write_token("device");
  const std::string address =
      serve("up", {"--token-file", path("api"), "--token-file", path("next"), "--sync-token-file", path("device")});
  EXPECT_EQ(ask(address, "GET /healthz", bearer(api)).body, "ok\n");
  EXPECT_EQ(ask(address, "GET /healthz", bearer(next)).body, "ok\n");
  EXPECT_EQ(ask(address, "GET /healthz", bearer(device)).status, 403u);
  EXPECT_EQ(ask(address, "GET /healthz").status, 401u);
  for (const std::string& token : {api, next, device}) {
    EXPECT_EQ(ask(address, "POST /v1/sync", bearer(token)).status, 415u) << "it is let in, and has sent no message";
  }
  EXPECT_EQ(ask(address, "POST /v1/sync", bearer("wrong-token-5c9d3b7a1e8f4026b1d7c2a9e0f6d384")).status, 401u);
}

TEST_F(Serve, PagesThatAreNamedMayAskAndNoOthers) {
  const std::string address = serve("up", {"--allow-origin", "https://app.example"});
  const std::string page = "Origin: https://app.example\r\n";
  Reply preflight = ask(address, "OPTIONS /healthz?x=1", page + "Access-Control-Request-Method: GET\r\n");
  EXPECT_EQ(preflight.status, 204u);
  Reply reply = ask(address, "GET /healthz", page);
  EXPECT_EQ(reply.body, "ok\n");
  EXPECT_EQ(reply.headers["access-control-allow-origin"], "https://app.example");
  EXPECT_THAT(reply.headers["access-control-expose-headers"], HasSubstr("electric-offset"));
  EXPECT_EQ(ask(address, "GET /healthz", "Origin: https://other.example\r\n").status, 403u);
}

TEST_F(Serve, AReloadExchangesATokenWithoutAGap) {
  const std::string old_token = write_token("old", "first");
  write_token("old", "second");
  const std::string address = serve("up", {"--token-file", path("first"), "--token-file", path("second")});
  const auto trigger = [&](const std::string& token) {
    return ask(address, "POST /api/v1/tasks/t/trigger", bearer(token) + "Content-Length: 2\r\n\r\n{}");
  };
  const auto follow = [&](Reply& triggered) {
    return ask(address, "GET /realtime/v1/runs/" + Json::parse(triggered.body).value("id", "") + "?offset=-1",
               bearer(triggered.headers["x-trigger-jwt"]))
        .status;
  };
  Reply by_old = trigger(old_token);
  ASSERT_EQ(by_old.status, 200u) << by_old.body;
  EXPECT_EQ(follow(by_old), 200u);
  const std::string new_token = write_token("new", "first");
  EXPECT_EQ(ask(address, "GET /healthz", bearer(new_token)).status, 401u) << "nobody has said so yet";
  reload("the tokens of the files count");
  EXPECT_EQ(ask(address, "GET /healthz", bearer(old_token)).status, 200u);
  EXPECT_EQ(ask(address, "GET /healthz", bearer(new_token)).status, 200u);
  Reply by_new = trigger(new_token);
  EXPECT_EQ(follow(by_old), 200u) << "what the old one signed is good still";
  EXPECT_EQ(follow(by_new), 200u);
  write_token("new", "second");
  reload("the tokens of the files count");
  EXPECT_EQ(ask(address, "GET /healthz", bearer(old_token)).status, 401u);
  EXPECT_EQ(ask(address, "GET /healthz", bearer(new_token)).status, 200u);
  EXPECT_EQ(follow(by_old), 401u);
  EXPECT_EQ(follow(by_new), 200u) << "the first of the two signs";
  for (const std::string& token : {old_token, new_token}) {
    EXPECT_THAT(said() + read_file(path("up.out")), ::testing::Not(HasSubstr(token)));
  }
}

TEST_F(Serve, AReloadEndsNoConnectionAndNoRequestThatWaits) {
  const std::string old_token = write_token("old", "token");
  const std::string address = serve("up", {"--token-file", path("token")});
  Client held(address);
  const std::string target = "GET /realtime/v1/runs?tags=a&";
  const auto of_line = [&](const std::string& line, const std::string& token) {
    return line + " HTTP/1.1\r\nHost: " + address + "\r\n" + bearer(token) + "\r\n";
  };
  held.send(of_line(target + "offset=-1", old_token));
  Reply first = held.read_reply();
  ASSERT_EQ(first.status, 200u);
  held.send(of_line(
      target + "live=true&offset=" + first.headers["electric-offset"] + "&handle=" + first.headers["electric-handle"],
      old_token));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const std::string new_token = write_token("new", "token");
  reload("the tokens of the files count");
  Reply made = ask(address, "POST /api/v1/tasks/t/trigger",
                   bearer(new_token) + "Content-Length: 26\r\n\r\n{\"options\":{\"tags\":[\"a\"]}}");
  ASSERT_EQ(made.status, 200u) << made.body;
  Reply told = held.read_reply();
  EXPECT_EQ(told.status, 200u);
  EXPECT_THAT(told.body, HasSubstr(Json::parse(made.body).value("id", "none")));
  held.send(of_line("GET /healthz", old_token));
  EXPECT_EQ(held.read_reply().status, 401u) << "the next request of the same connection";
}

TEST_F(Serve, AReloadOfWrongFilesKeepsWhatThereWas) {
  const std::string token = write_token("api");
  write_token("device");
  const std::string address = serve("up", {"--token-file", path("api"), "--sync-token-file", path("device")});
  write_token("other", "api");
  std::ofstream(path("device")) << "short\n";
  reload("reload: the tokens stay as they were: the token has fewer than 32 characters");
  EXPECT_EQ(ask(address, "GET /healthz", bearer(token)).status, 200u) << "all or none";
  std::filesystem::remove(path("device"));
  reload("reload: the tokens stay as they were: the token file cannot be opened");
  EXPECT_THAT(said(), HasSubstr("No such file or directory"));
  EXPECT_EQ(ask(address, "GET /healthz", bearer(token)).status, 200u);
  EXPECT_EQ(said().find("short\n"), std::string::npos) << "of a file that is wrong nothing is repeated";
  end("up", SIGTERM);
}

TEST_F(Serve, AReloadTakesANewCertificate) {
  const auto make_certificate = [&](const std::string& name) {
    const std::string command =
        "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=" +
        name + " -keyout " + path("key.pem") + " -out " + path("cert.pem") + " 2>/dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c, concurrency-mt-unsafe)
  };
  make_certificate("first");
  const std::string address = serve("up", {"--tls-cert", path("cert.pem"), "--tls-key", path("key.pem")});
  const auto shown = [&] {
    const std::string command =
        "openssl s_client -connect " + address + " </dev/null 2>/dev/null | grep -o 'CN = [a-z]*' > " + path("shown");
    EXPECT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c, concurrency-mt-unsafe)
    return read_file(path("shown")).substr(0, 10);
  };
  EXPECT_EQ(shown().substr(0, 10), "CN = first");
  make_certificate("later");
  reload("new connections get the certificate of the file");
  EXPECT_EQ(shown(), "CN = later");
  std::ofstream(path("cert.pem")) << "none\n";
  reload("reload: the certificate stays as it was: the TLS certificate's file holds no certificate");
  EXPECT_THAT(said(), HasSubstr(path("cert.pem")));
  EXPECT_EQ(shown(), "CN = later");
}

// An upstream that takes a message and never answers: the server is not held up by it.
TEST_F(Serve, AReloadDoesNotWaitForTheUpstream) {
  const std::string token = write_token("api");
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof at;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&at), bytes), 0);
  ASSERT_EQ(::listen(listener, 5), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&at), &bytes);
  const std::string address = serve(
      "up", {"--token-file", path("api"), "--upstream", "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port))});
  EXPECT_EQ(ask(address, "POST /api/v1/tasks/t/trigger", bearer(token) + "Content-Length: 2\r\n\r\n{}").status, 200u);
  const int upstream = ::accept(listener, nullptr, nullptr);
  ASSERT_GE(upstream, 0);
  const auto from = std::chrono::steady_clock::now();
  reload("the tokens of the files count");
  EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::seconds(10)) << "of 30 until it gives up";
  ::close(upstream);
  ::close(listener);
}

TEST_F(Serve, WhatOthersMayReadIsWarnedOfOnce) {
  const std::string token = write_token("api");
  ::chmod(path("api").c_str(), 0444);
  const std::string address = serve("up", {"--token-file", path("api"), "--sync-token-file", path("api")});
  reload("the tokens of the files count");
  EXPECT_EQ(ask(address, "GET /healthz", bearer(token)).status, 200u);
  const std::string warning = "others may read the token file; chmod 600 it: " + path("api");
  EXPECT_THAT(said(), HasSubstr(warning));
  EXPECT_EQ(said().find(warning), said().rfind(warning));
}

// A server in a terminal ends with it, as before.
TEST_F(Serve, AHangUpOfTheTerminalEndsIt) {
  std::ofstream(path("in")) << "";
  int terminal = -1;
  const pid_t pid = forkpty(&terminal, nullptr, nullptr, nullptr);
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    const std::string store_path = path("up");
    execl(CAIRN_COMMAND, CAIRN_COMMAND, "serve", "--store", store_path.c_str(), "--listen", "127.0.0.1:0", nullptr);
    _exit(126);
  }
  servers_.push_back(pid);
  std::string shown;
  char buffer[512];
  for (ssize_t n = 1; n > 0 && shown.find("listening on") == std::string::npos;) {
    n = ::read(terminal, buffer, sizeof buffer);
    shown.append(buffer, static_cast<size_t>(std::max<ssize_t>(n, 0)));
  }
  ::kill(pid, SIGHUP);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(waitpid(pid, nullptr, WNOHANG), 0) << "a reload, as long as the terminal is there";
  ::close(terminal);
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  servers_.pop_back();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status << ": as by Ctrl-C";
}

// A stop ends by itself, and a body that is cut off misleads who reads it.
TEST_F(Serve, ASecondCtrlCWaitsForTheStopToo) {
  const std::string address = serve();
  Client client(address);
  client.send("POST /v1/sync HTTP/1.1\r\nHost: " + address + "\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_EQ(client.read_reply().status, 100u) << "so the server has the head";
  client.send("x");
  ::kill(pids_["up"], SIGINT);
  ASSERT_TRUE(tests::wait_for([&] { return !Client::is_listening(address); }));
  ::kill(pids_["up"], SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  client.send("y");
  EXPECT_EQ(client.read_reply().status, 415u);
}

TEST_F(Serve, OtherMethodsAndPathsAreSaid) {
  const std::string address = serve();
  Reply reply = ask(address, "GET /v1/sync");
  EXPECT_EQ(reply.status, 405u);
  EXPECT_EQ(reply.headers["allow"], "POST");
  EXPECT_EQ(ask(address, "GET /v1%2Fsync").status, 404u);
  EXPECT_EQ(ask(address, "GET /").body, "{\"error\":\"there is nothing here\"}");
}

}  // namespace
}  // namespace cairn::tests
#endif
