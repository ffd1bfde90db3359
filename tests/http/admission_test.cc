// What a service admits of a request, and whom it knows.
#include <thread>

#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

/// Bounds and deadlines by the path; knows two tokens, an old one, and a cookie.
class Choosy : public http::Service {
 public:
  http::Admission admit(const http::Request& head) override {
    http::Admission out;
    out.body_bytes_max = head.path == "/large" ? 100 : 10;
    out.body_ms = head.path == "/patient" ? kNever : 50;
    if (head.method == "DELETE") {
      out.refusal = {405, "Method not allowed"};
      out.allow = "GET, POST";
    }
    EXPECT_EQ(head.principal.role, 0);
    EXPECT_EQ(head.body, "");
    return out;
  }
  void serve(http::Request request, http::Answer answer) override {
    http::Response out;
    out.body = std::to_string(request.principal.role) + request.principal.claims + request.body;
    answer.send(std::move(out));
  }
};

class AdmissionTest : public HttpTest {
 protected:
  AdmissionTest() {
    options_.authenticate = [](const http::Credentials& credentials) {
      http::Authenticated out;
      if (credentials.bearer == "one") {
        out.principal = {1, ""};
      } else if (credentials.bearer == "two") {
        out.principal = {2, "{claims}"};
      } else if (credentials.bearer.empty() && credentials.cookie == "session=1") {
        out.principal = {3, ""};
      } else {
        out.refusal = {401, credentials.bearer == "old" ? "the token is too old" : "no token"};
        out.counts = credentials.has_authorization && credentials.bearer != "old";
      }
      return out;
    };
  }
  void start_choosy() {
    auto started = http::Server::start(std::move(options_), choosy_);
    ASSERT_TRUE(started.ok()) << started.status().what;
    choosy_server_ = std::move(*started);
  }
  [[nodiscard]] Reply send(const std::string& line, const std::string& headers, const std::string& body = "") const {
    Client client(choosy_server_->addresses().front());
    client.send(line + " HTTP/1.1\r\nHost: " + choosy_server_->addresses().front() + "\r\n" + headers + "\r\n" + body);
    return client.read_reply();
  }
  [[nodiscard]] static std::string bearer(const std::string& token) {
    return "Authorization: Bearer " + token + "\r\n";
  }
  [[nodiscard]] static std::string length(size_t bytes) { return "Content-Length: " + std::to_string(bytes) + "\r\n"; }

  Choosy choosy_;
  std::unique_ptr<http::Server> choosy_server_;
};

TEST_F(AdmissionTest, ABodyIsBoundedByItsPath) {
  start_choosy();
  const std::string eleven(11, 'x');
  EXPECT_EQ(send("POST /small", bearer("one") + length(11)).status, 413u) << "before it is sent";
  EXPECT_EQ(send("POST /large", bearer("one") + length(11), eleven).body, "1" + eleven);
  EXPECT_EQ(send("POST /large", bearer("one") + length(101)).status, 413u);
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  EXPECT_EQ(send("POST /large", bearer("one") + chunked, "b\r\n" + eleven + "\r\n0\r\n\r\n").body, "1" + eleven);
  EXPECT_EQ(send("POST /small", bearer("one") + chunked, "b\r\n" + eleven + "\r\n0\r\n\r\n").status, 413u);
}

TEST_F(AdmissionTest, ABodyHasTheTimeOfItsPath) {
  start_choosy();
  EXPECT_EQ(send("POST /hasty", bearer("one") + length(2), "x").status, 408u);
  Client client(choosy_server_->addresses().front());
  client.send("POST /patient HTTP/1.1\r\nHost: " + choosy_server_->addresses().front() + "\r\n" + bearer("one") +
              length(2) + "\r\nx");
  std::this_thread::sleep_for(std::chrono::milliseconds(120));
  client.send("y");
  EXPECT_EQ(client.read_reply().body, "1xy");
}

TEST_F(AdmissionTest, AMethodThatIsNotThereIsSaidWithThoseThatAre) {
  start_choosy();
  Reply reply = send("DELETE /a", "");
  EXPECT_EQ(reply.status, 405u) << "before anybody is asked who they are";
  EXPECT_EQ(reply.headers["allow"], "GET, POST");
  EXPECT_EQ(reply.body, "{\"error\":\"Method not allowed\"}\n");
}

TEST_F(AdmissionTest, ThePrincipalIsWhoWasProved) {
  start_choosy();
  EXPECT_EQ(send("GET /", bearer("one")).body, "1");
  EXPECT_EQ(send("GET /", bearer("two")).body, "2{claims}");
  EXPECT_EQ(send("GET /", "Cookie: session=1\r\n").body, "3");
  EXPECT_EQ(send("GET /", "").status, 401u);
  EXPECT_EQ(send("GET /", "Authorization: Basic one\r\n").status, 401u);
  EXPECT_EQ(send("GET /", bearer("one") + bearer("two")).status, 400u);
}

TEST_F(AdmissionTest, ACookieProvesNothingForAPageOfAnotherSite) {
  options_.cors.origins = {"https://app.example"};
  start_choosy();
  const std::string page = "Origin: https://app.example\r\n";
  EXPECT_EQ(send("POST /", page + "Cookie: session=1\r\n").status, 401u);
  EXPECT_EQ(send("POST /", page + "Cookie: session=1\r\n" + bearer("one")).body, "1");
}

TEST_F(AdmissionTest, NeitherTokensNorCookiesReachTheService) {
  options_.authenticate = nullptr;
  start();
  EXPECT_EQ(status_of(get("/", bearer("one") + "Cookie: session=1\r\n")), 200u);
  ASSERT_EQ(served().size(), 1u);
  EXPECT_EQ(served()[0].header("Authorization"), "");
  EXPECT_EQ(served()[0].header("Cookie"), "");
}

TEST_F(AdmissionTest, OnlyGuessesAreCounted) {
  options_.limits.guesses_max = 3;
  options_.limits.guesses_ms = kNever;
  start_choosy();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(send("GET /", bearer("old")).status, 401u);
    EXPECT_EQ(send("GET /", "").status, 401u);
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(send("GET /", bearer("wrong")).status, i < 3 ? 401u : 429u) << i;
  }
  EXPECT_EQ(send("GET /", bearer("one")).status, 200u);
  EXPECT_EQ(send("GET /", bearer("old")).status, 401u);
}

}  // namespace
}  // namespace cairn::tests
