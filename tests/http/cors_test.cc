// Pages of other origins: those that are allowed, and no others.
#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

constexpr const char* kPage = "https://app.example";

class CorsTest : public HttpTest {
 protected:
  CorsTest() {
    options_.cors.origins = {kPage, "http://localhost:3000"};
    options_.cors.expose_headers = "x-own, x-other";
    options_.authenticate = who_has(kToken);
  }
  [[nodiscard]] static std::string from(const std::string& origin, const std::string& more = "") {
    return "Origin: " + origin + "\r\n" + more;
  }
  [[nodiscard]] static std::string key() { return std::string("Authorization: Bearer ") + kToken + "\r\n"; }
};

TEST_F(CorsTest, APreflightIsAnsweredBeforeAnybodyIsAskedWhoTheyAre) {
  start();
  Client client = connect();
  for (int i = 0; i < 3; ++i) {
    client.send(request("OPTIONS /a?live=" + std::to_string(i) + " HTTP/1.1",
                        from(kPage,
                             "Access-Control-Request-Method: PUT\r\n"
                             "Access-Control-Request-Headers: authorization,x-one\r\n")));
    Reply reply = client.read_reply();
    EXPECT_EQ(reply.status, 204u);
    EXPECT_EQ(reply.headers["access-control-allow-origin"], kPage);
    EXPECT_EQ(reply.headers["access-control-allow-methods"], "GET, POST, PUT, OPTIONS");
    EXPECT_EQ(reply.headers["access-control-allow-headers"], "authorization,x-one");
    EXPECT_EQ(reply.headers["access-control-max-age"], "7200");
    EXPECT_EQ(reply.headers["vary"], "Origin");
    EXPECT_EQ(reply.headers.count("access-control-allow-credentials"), 0u);
  }
  EXPECT_EQ(server_->counters().accepted, 1u);
  EXPECT_EQ(served().size(), 0u);
}

TEST_F(CorsTest, WhatIsNoPreflightProvesWhoSendsIt) {
  start();
  const std::string method = "Access-Control-Request-Method: PUT\r\n";
  expect_refused(401, request("OPTIONS /a HTTP/1.1", from(kPage)));
  expect_refused(401, request("OPTIONS /a HTTP/1.1", from(kPage, method + "Content-Length: 1\r\n")) + "x");
  expect_refused(401, request("OPTIONS /a HTTP/1.1", method));
  expect_refused(403, request("OPTIONS /a HTTP/1.1", from("https://evil.example", method)));
  expect_refused(400, request("OPTIONS /a HTTP/1.1", from(kPage, method + from(kPage))));
  expect_refused(400, request("OPTIONS /../a HTTP/1.1", from(kPage, method)));
  expect_refused(401, get("/", from(kPage)));
}

TEST_F(CorsTest, AnAllowedPageMayReadEachAnswerAndEachRefusal) {
  start();
  const std::vector<std::pair<unsigned, std::string>> requests = {
      {200, get("/", from(kPage, key()))},
      {200, post("x", from(kPage, key() + "Sec-Fetch-Site: cross-site\r\n"))},
      {401, get("/", from(kPage))},
      {400, get("/..", from(kPage, key()))},
      {413, request("POST /p HTTP/1.1", from(kPage, key() + "Content-Length: 99999999\r\n"))},
      {417, request("POST /p HTTP/1.1", from(kPage, key() + "Content-Length: 1\r\nExpect: x\r\n"))}};
  for (const auto& [status, bytes] : requests) {
    Reply reply = ask(bytes);
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.headers["access-control-allow-origin"], kPage) << status;
    EXPECT_EQ(reply.headers["access-control-expose-headers"], "x-own, x-other") << status;
    EXPECT_EQ(reply.headers["vary"], "Origin") << status;
  }
}

TEST_F(CorsTest, OthersGetNoSuchHeader) {
  start();
  for (const char* origin : {"https://evil.example", "null", "https://app.example.evil", "http://app.example",
                             "https://app.example:444", "https://APP.example", "*"}) {
    Reply reply = ask(get("/", from(origin, key())));
    EXPECT_EQ(reply.status, 403u) << origin;
    EXPECT_EQ(reply.headers.count("access-control-allow-origin"), 0u) << origin;
  }
  Reply own = ask(get("/", from("http://" + address(), key())));
  EXPECT_EQ(own.status, 200u);
  EXPECT_EQ(own.headers.count("access-control-allow-origin"), 0u);
  Reply none = ask(get("/", key()));
  EXPECT_EQ(none.status, 200u);
  EXPECT_EQ(none.headers["vary"], "Origin") << "a cache keeps it for no page";
}

TEST_F(CorsTest, ThePageOfOneRequestIsNotThatOfTheNext) {
  start();
  Client client = connect();
  client.send(get("/", from(kPage, key())) + get("/", key()));
  EXPECT_EQ(client.read_reply().headers["access-control-allow-origin"], kPage);
  EXPECT_EQ(client.read_reply().headers.count("access-control-allow-origin"), 0u);
}

TEST_F(CorsTest, WithoutAllowedPagesThereIsNothingOfIt) {
  options_.cors.origins.clear();
  start();
  expect_refused(403, request("OPTIONS /a HTTP/1.1", from(kPage, "Access-Control-Request-Method: PUT\r\n")));
  Reply reply = ask(get("/", key()));
  EXPECT_EQ(reply.headers.count("vary"), 0u);
}

}  // namespace
}  // namespace cairn::tests
