// What the listener tells of each request when it is over.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <mutex>
#include <vector>

#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

class EndedRequests : public HttpTest {
 protected:
  EndedRequests() {
    options_.on_end = [this](const http::Ended& e) {
      const std::lock_guard lock(ended_mutex_);
      lines_.push_back(std::string(e.method) + " " + std::string(e.path) + " route=" + std::string(e.route) + " " +
                       std::to_string(e.status) + " " + std::to_string(e.bytes) + " role=" + std::to_string(e.role));
      ids_.emplace_back(e.id);
      durations_us_.push_back(e.duration_us);
    };
    service_.admission.route = "/of/:all";
  }
  ~EndedRequests() override { server_.reset(); }  // before what it calls
  /// Of the `count` first.
  std::vector<std::string> lines(size_t count) {
    wait_for([&] {
      const std::lock_guard lock(ended_mutex_);
      return lines_.size() >= count;
    });
    const std::lock_guard lock(ended_mutex_);
    return lines_;
  }

  std::mutex ended_mutex_;
  std::vector<std::string> lines_;
  std::vector<std::string> ids_;
  std::vector<int64_t> durations_us_;
};

TEST_F(EndedRequests, AreToldOneByOneWithoutTheirQuery) {
  start();
  Client client = connect();
  client.send(get("/a?token=secret"));
  const Reply reply = client.read_reply();
  client.send(request("HEAD /b HTTP/1.1"));
  client.read_reply(true);
  client.send(post("hello"));
  client.read_reply();
  const std::vector<std::string> wanted = {"GET /a route=/of/:all 200 " + std::to_string(reply.body.size()) + " role=0",
                                           "HEAD /b route=/of/:all 200 0 role=0",
                                           "POST /p route=/of/:all 200 14 role=0"};
  EXPECT_EQ(lines(3), wanted);
  EXPECT_EQ(reply.headers.count("x-request-id"), 0u) << "nobody asked for it";
}

TEST_F(EndedRequests, TheRefusedAreToldToo) {
  options_.authenticate = who_has(kToken);
  start();
  (void)ask(get("/a"));
  (void)ask(get("/b", std::string("Authorization: Bearer ") + kToken + "\r\n"));
  (void)ask("GET /c HTTP/1.1\r\nHost: elsewhere\r\n\r\n");
  (void)ask("nonsense\r\n\r\n");
  const auto told = lines(4);
  ASSERT_EQ(told.size(), 4u);
  EXPECT_EQ(told[0].substr(0, 33), "GET /a route=/of/:all 401 " + told[0].substr(26, 7));
  EXPECT_EQ(told[1], "GET /b route=/of/:all 200 8 role=1");
  EXPECT_EQ(told[2].find("GET /c route= 421 "), 0u) << told[2];
  EXPECT_EQ(told[3].find("  route= 400 "), 0u) << told[3];
}

TEST_F(EndedRequests, WhoGoesBeforeTheResponseHasStatusZero) {
  std::atomic<bool> goes_on{false};
  handler_ = [&](const http::Request&) {
    wait_for([&] { return goes_on.load(); });
    return http::Response();
  };
  start();
  {
    Client client = connect();
    client.send(get("/slow"));
    ASSERT_TRUE(wait_for([&] { return !served().empty(); }));
    client.vanish();
  }
  goes_on = true;
  const auto told = lines(1);
  ASSERT_EQ(told.size(), 1u);
  // Its kernel may take the response before the reset is seen.
  EXPECT_TRUE(told[0] == "GET /slow route=/of/:all 0 0 role=0" || told[0] == "GET /slow route=/of/:all 200 0 role=0")
      << told[0];
}

TEST_F(EndedRequests, TheTimeIsThatUntilTheEndOfTheResponse) {
  handler_ = [](const http::Request&) {
    usleep(50'000);
    return http::Response();
  };
  start();
  (void)ask(get());
  (void)lines(1);
  ASSERT_EQ(durations_us_.size(), 1u);
  EXPECT_GE(durations_us_[0], 50'000);
  EXPECT_LT(durations_us_[0], 20'000'000);
}

TEST_F(EndedRequests, HaveAnIdThatTheResponseNames) {
  options_.request_ids = true;
  start();
  Reply one = ask(get());
  Reply two = ask(get("/", "X-Request-Id: from-a_proxy.1\r\n"));
  Reply three = ask(get("/", "X-Request-Id: no \"word\"\r\n"));
  Reply refused = ask(get("/", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"));
  (void)lines(4);
  EXPECT_EQ(ids_, (std::vector<std::string>{one.headers["x-request-id"], "from-a_proxy.1",
                                            three.headers["x-request-id"], refused.headers["x-request-id"]}));
  EXPECT_FALSE(ids_[0].empty());
  EXPECT_NE(ids_[0], ids_[2]);
  EXPECT_EQ(three.headers["x-request-id"].find('"'), std::string::npos);
}

TEST_F(EndedRequests, AnOpenRouteAsksNobody) {
  options_.authenticate = who_has(kToken);
  service_.admission.open = true;
  start();
  EXPECT_EQ(ask(get()).status, 200u);
  EXPECT_EQ(ask(get("/", "Authorization: Bearer wrong-wrong-wrong-wrong-wrong-wrong\r\n")).status, 200u);
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n").status, 421u) << "that is not a question of who";
}

class GivenSockets : public HttpTest {
 protected:
  GivenSockets() { options_.listen = {}; }
  /// One of a unix socket's file, which listens unless `type` says otherwise.
  int make(const std::string& path, mode_t mode, int type = SOCK_STREAM) {
    sockaddr_un at = {};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, sizeof at.sun_path - 1);
    const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    EXPECT_TRUE(type != SOCK_STREAM || ::listen(fd, 10) == 0);
    return fd;
  }
};

TEST_F(GivenSockets, AreListenedOnAndLeftToTheirMaker) {
  const std::string path = directory() + "/s";
  options_.sockets = {make(path, 0600)};
  start();
  EXPECT_EQ(address(), "unix:" + path);
  EXPECT_EQ(status_of(get()), 200u);
  stop();
  EXPECT_TRUE(std::filesystem::exists(path)) << "whoever made the file removes it";
}

TEST_F(GivenSockets, AnyMayNotReachThemWithoutAToken) {
  options_.sockets = {make(directory() + "/s", 0666)};
  EXPECT_EQ(try_start().code, Code::kUnsafe);
  options_ = {};
  options_.sockets = {make(directory() + "/t", 0666)};
  options_.authenticate = who_has(kToken);
  start();
  EXPECT_EQ(status_of(get()), 401u);
}

TEST_F(GivenSockets, WhatDoesNotListenIsRefused) {
  options_.sockets = {make(directory() + "/s", 0600), make(directory() + "/d", 0600, SOCK_DGRAM)};
  const Status status = try_start();
  EXPECT_EQ(status.code, Code::kInvalidArgument);
  EXPECT_STREQ(status.what, "a descriptor that was given is not a listening TCP or unix socket");
  options_ = {};
  options_.sockets = {9999};
  EXPECT_EQ(try_start().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::tests
