// Who may ask: addresses, Host, Origin, token.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/http/listen.h"
#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

class Access : public HttpTest {
 protected:
  void use_token() { options_.authenticate = who_has(kToken); }
  [[nodiscard]] std::string port() const { return address().substr(address().rfind(':') + 1); }
  [[nodiscard]] unsigned status_for_host(const std::string& host) const {
    return status_of("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  }
  [[nodiscard]] static std::string bearer(const std::string& token) {
    return "Authorization: Bearer " + token + "\r\n";
  }
};

TEST_F(Access, AddressesAreReadOrRefused) {
  for (const char* good : {"127.0.0.1:4020", "[::1]:0", "0.0.0.0:1", "[::]:65535", "unix:/a/b"}) {
    const auto address = http::Listen::parse(good);
    ASSERT_TRUE(address.ok()) << good;
    EXPECT_EQ(address->text(), good);
  }
  for (const char* bad :
       {"", "4020", ":4020", "localhost:4020", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:4 ", "127.1:4020", "::1:4020", "[::1]", "[::1:4020", "unix:", "unix:relative", "unix:@a"}) {
    EXPECT_EQ(http::Listen::parse(bad).code(), Code::kInvalidArgument) << bad;
  }
  EXPECT_FALSE(http::Listen::parse("unix:/" + std::string(107, 'x')).ok());
  for (const char* local : {"127.0.0.1:0", "127.9.9.9:0", "[::1]:0", "unix:/a"}) {
    EXPECT_TRUE(http::Listen::parse(local)->is_local()) << local;
  }
  for (const char* open : {"0.0.0.0:0", "[::]:0", "192.168.1.1:0", "128.0.0.1:0", "[::ffff:127.0.0.1]:0"}) {
    EXPECT_FALSE(http::Listen::parse(open)->is_local()) << open;
  }
}

TEST_F(Access, NothingToListenOnIsRefused) {
  options_.listen.clear();
  EXPECT_EQ(try_start().code, Code::kInvalidArgument);
}

TEST_F(Access, AnAddressOthersCanReachNeedsTokenAndTls) {
  for (const char* open : {"0.0.0.0:0", "[::]:0"}) {
    for (const bool with_token : {false, true}) {
      options_ = {};
      options_.listen = {"127.0.0.1:0", open};
      if (with_token) {
        use_token();
      }
      const Status status = try_start();
      EXPECT_EQ(status.code, Code::kUnsafe);
      EXPECT_NE(std::string(status.what).find("token and a TLS certificate"), std::string::npos) << status.what;
    }
  }
}

TEST_F(Access, ATakenPortIsBusy) {
  start();
  http::ServerOptions second;
  second.listen = {address()};
  EXPECT_EQ(http::Server::start(std::move(second), service_).code(), Code::kBusy);
}

TEST_F(Access, IPv6LoopbackIsServed) {
  options_.listen = {"[::1]:0"};
  start();
  EXPECT_EQ(status_of(get()), 200u);
}

TEST_F(Access, OnlyTheServersOwnNamesAreServed) {
  options_.hosts = {"cairn.example:8443", "Proxy.Example"};
  start();
  for (const std::string& good : {"127.0.0.1:" + port(), "localhost:" + port(), "LocalHost:" + port(),
                                  "[::1]:" + port(), std::string("cairn.example:8443"), std::string("proxy.example")}) {
    EXPECT_EQ(status_for_host(good), 200u) << good;
  }
  for (const std::string& bad :
       {std::string("evil.example"), "evil.example:" + port(), std::string("127.0.0.1"), std::string("localhost"),
        std::string("127.0.0.1:1"), "localhost.:" + port(), "127.0.0.1:0" + port(), "localhost:" + port() + ":",
        "x@localhost:" + port(), "localhost:" + port() + ".evil.example", std::string("cairn.example"),
        "0.0.0.0:" + port(), "2130706433:" + port(), "127.0.0.1:" + port() + ",evil.example", std::string("")}) {
    expect_refused(421, "GET / HTTP/1.1\r\nHost: " + bad + "\r\n\r\n");
  }
}

TEST_F(Access, AMissingOrSecondHostIsRefused) {
  start();
  expect_refused(400, "GET / HTTP/1.1\r\n\r\n");
  expect_refused(400, "GET / HTTP/1.0\r\n\r\n");
  expect_refused(400, get("/", "Host: " + address() + "\r\n"));
  expect_refused(400, get("/", "hOST: evil.example\r\n"));
}

TEST_F(Access, TargetsThatNameAServerAreRefused) {
  start();
  expect_refused(400, get("http://" + address() + "/"));
  expect_refused(400, get("http://evil.example/"));
  expect_refused(400, get(address()));
  expect_refused(400, request("CONNECT " + address() + " HTTP/1.1"));
  expect_refused(400, request("OPTIONS * HTTP/1.1"));
}

TEST_F(Access, PagesOfOtherOriginsAreRefused) {
  options_.hosts = {"cairn.example"};
  start();
  const auto from = [&](const std::string& origin) { return get("/", "Origin: " + origin + "\r\n"); };
  for (const std::string& good :
       {"http://" + address(), "http://localhost:" + port(), std::string("https://cairn.example")}) {
    EXPECT_EQ(status_of(from(good)), 200u) << good;
  }
  for (const std::string& bad : {std::string("http://evil.example"), std::string("null"), std::string(""),
                                 "https://" + address(), std::string("http://127.0.0.1"), "http://" + address() + "0",
                                 "http://" + address() + ".evil.example", address()}) {
    expect_refused(403, from(bad));
  }
  expect_refused(400, get("/", "Origin: http://" + address() + "\r\nOrigin: http://" + address() + "\r\n"));
}

TEST_F(Access, ChangesOnBehalfOfOtherSitesAreRefused) {
  start();
  EXPECT_EQ(status_of(post("x", "Sec-Fetch-Site: same-origin\r\n")), 200u);
  EXPECT_EQ(status_of(post("x", "Sec-Fetch-Site: none\r\n")), 200u);
  EXPECT_EQ(status_of(get("/", "Sec-Fetch-Site: cross-site\r\n")), 200u);  // a link to a page
  expect_refused(403, post("x", "Sec-Fetch-Site: cross-site\r\n"));
  expect_refused(403, post("x", "Sec-Fetch-Site: same-site\r\n"));
  expect_refused(403, post("x", "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n"));
}

TEST_F(Access, WithoutTheTokenNothingIsServed) {
  use_token();
  start();
  EXPECT_EQ(status_of(get("/", bearer(kToken))), 200u);
  EXPECT_EQ(status_of(get("/", std::string("authorization: bearer  ") + kToken + "\r\n")), 200u);
  const std::string token = kToken;
  for (const std::string& headers : {std::string(), bearer(token + "x"), bearer(token.substr(1)), bearer(""),
                                     "Authorization: " + token + "\r\n", "Authorization: Basic " + token + "\r\n",
                                     "Authorization: Bearer" + token + "\r\n", "Cookie: token=" + token + "\r\n"}) {
    expect_refused(401, get("/?token=" + token, headers));
  }
  EXPECT_EQ(ask(get()).headers["www-authenticate"], "Bearer");
  expect_refused(400, get("/", bearer(kToken) + bearer(kToken)));
  expect_refused(401, post("body", bearer("wrong")));  // before the body is looked at
}

TEST_F(Access, TheTokenIsSeenByNobody) {
  use_token();
  handler_ = [](const http::Request& request) -> http::Response {
    if (request.path == "/throws") {
      throw std::runtime_error(std::string("with ") + kToken);
    }
    http::Response out;
    for (const auto& [name, value] : request.headers) {
      out.body.append(name).append(": ").append(value).append("\n");
    }
    return out;
  };
  start();
  std::string seen;
  for (const char* target : {"/", "/throws", "/../", "/%00"}) {
    const Reply reply = ask(get(target, bearer(kToken)));
    seen += reply.head + reply.body;
  }
  const std::string wrong = std::string(kToken) + "2";
  for (const std::string& bytes :
       {get("/", bearer(wrong)), get("/" + wrong, "X: \x01" + wrong + "\r\n"), "GET " + wrong}) {
    Client client = connect();
    client.send(bytes);
    client.end_sending();
    seen += client.read_to_end();
  }
  stop();
  EXPECT_NE(seen.find("401"), std::string::npos);
  EXPECT_EQ((seen + logged()).find("canary"), std::string::npos) << seen << logged();
  for (const http::Request& request : served()) {
    EXPECT_EQ(request.header("Authorization"), "");
  }
}

TEST_F(Access, TooManyWrongTokensAreSlowedDownButNeverTheRightOne) {
  use_token();
  options_.limits.guesses_max = 5;
  options_.limits.guesses_ms = 1'000'000;
  start();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(status_of(get("/", bearer("wrong"))), 401u);
  }
  for (int i = 0; i < 3; ++i) {
    const Reply reply = ask(get("/", bearer("wrong")));
    EXPECT_EQ(reply.status, 429u);
    EXPECT_EQ(reply.headers.count("retry-after"), 1u);
    EXPECT_EQ(status_of(get("/", bearer(kToken))), 200u);
    EXPECT_EQ(status_of(get()), 401u);  // no token is no guess
  }
}

TEST_F(Access, WrongTokensAreForgottenAfterAWhile) {
  use_token();
  options_.limits.guesses_max = 2;
  options_.limits.guesses_ms = 1;
  start();
  for (int i = 0; i < 6; ++i) {
    usleep(5000);
    EXPECT_EQ(status_of(get("/", bearer("wrong"))), 401u);
  }
}

TEST_F(Access, ConnectionsAreNotInheritedByPrograms) {
  start();
  Client client = connect();
  client.send(get());
  EXPECT_EQ(client.read_reply().status, 200u);
  for (int fd = 3; fd < 256; ++fd) {
    const int flags = fcntl(fd, F_GETFD);
    sockaddr_storage storage = {};
    socklen_t bytes = sizeof storage;
    if (flags < 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &bytes) != 0) {
      continue;
    }
    EXPECT_TRUE((flags & FD_CLOEXEC) != 0) << fd;
  }
}

}  // namespace
}  // namespace cairn::tests
