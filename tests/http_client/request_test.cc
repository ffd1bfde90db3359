#include <fcntl.h>
#include <zstd.h>

#include <random>

#include "tests/http_client/http_client_fixture.h"

namespace cairn::http_client {

using Requests = HttpClientTest;

namespace {

std::string noise(size_t bytes) {
  std::mt19937 random(7);
  std::string text(bytes, '\0');
  for (char& c : text) {
    c = static_cast<char>(random());
  }
  return text;
}

std::string unpacked(const std::string& body) {
  std::string text(ZSTD_getFrameContentSize(body.data(), body.size()), '\0');
  EXPECT_EQ(ZSTD_decompress(text.data(), text.size(), body.data(), body.size()), text.size());
  return text;
}

}  // namespace

TEST_F(Requests, BytesArriveAndBytesComeBack) {
  ScriptedServer server({answer(200, "reply")});
  open(server);
  const std::string body("a\0b\xff", 4);
  const Reply got = post(body, "/v1/sync/1?x=y");
  EXPECT_TRUE(got.answered());
  EXPECT_EQ(got.http_status, 200);
  EXPECT_EQ(got.body, "reply");
  EXPECT_EQ(got.error, "");
  EXPECT_EQ(got.retry_after_ms, -1);
  const auto request = server.last();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/sync/1?x=y");
  EXPECT_EQ(request.body, body);
}

TEST_F(Requests, HeadersSayWhoAsksAndNothingElse) {
  ScriptedServer server({answer(200, "")});
  open(server);
  post();
  auto headers = server.last().headers;
  EXPECT_THAT(headers["user-agent"], ::testing::StartsWith("cairn/"));
  EXPECT_EQ(headers["content-type"], "application/octet-stream");
  std::vector<std::string> names;
  for (const auto& [name, value] : headers) {
    names.push_back(name);
  }
  EXPECT_THAT(names, ::testing::ElementsAre("accept", "content-length", "content-type", "host", "user-agent"));
}

TEST_F(Requests, AHeaderOfTheCallersGoesWithItsRequestAlone) {
  ScriptedServer server({answer(200, ""), answer(200, "")});
  open(server);
  ASSERT_TRUE(client_->send("POST", "/x", "body", "text/plain", "x-key: one two").ok());
  reply();
  EXPECT_EQ(server.last().headers["x-key"], "one two");
  post();
  EXPECT_EQ(server.last().headers.count("x-key"), 0u);
}

TEST_F(Requests, MethodsFollowEachOtherOnOneClient) {
  ScriptedServer server({answer(200, "1"), answer(200, "2"), answer(200, "3"), answer(204, ""), answer(200, "5")});
  open(server);
  const auto ask = [&](const std::string& method, const std::string& body) {
    EXPECT_TRUE(client_->send(method, "/x", body, "text/plain").ok());
    return reply();
  };
  EXPECT_EQ(ask("PUT", "put").body, "1");
  EXPECT_EQ(ask("GET", "").body, "2");
  EXPECT_EQ(ask("PATCH", "patch").body, "3");
  EXPECT_EQ(ask("DELETE", "").http_status, 204);
  EXPECT_EQ(ask("POST", "").body, "5");
  std::string seen;
  for (const auto& request : server.requests()) {
    seen += request.method + " " + request.body + ";";
  }
  EXPECT_EQ(seen, "PUT put;GET ;PATCH patch;DELETE ;POST ;");
}

TEST_F(Requests, OneConnectionIsKept) {
  ScriptedServer server(std::vector<Step>(20, answer(200, "x")));
  open(server);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(post().body, "x");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(Requests, BodiesAboveTheLimitGoAsZstd) {
  ScriptedServer server({answer(200, ""), answer(200, "")});
  open(server);
  post(std::string(1024, 'a'));
  EXPECT_EQ(server.last().headers.count("content-encoding"), 0U);
  EXPECT_EQ(server.last().body, std::string(1024, 'a'));
  post(std::string(1025, 'a'));
  EXPECT_EQ(server.last().headers["content-encoding"], "zstd");
  EXPECT_LT(server.last().body.size(), 100U);
  EXPECT_EQ(unpacked(server.last().body), std::string(1025, 'a'));
}

TEST_F(Requests, BodiesThatDoNotGetSmallerGoAsTheyAre) {
  ScriptedServer server({answer(200, "")});
  open(server);
  post(noise(5000));
  EXPECT_EQ(server.last().headers.count("content-encoding"), 0U);
  EXPECT_EQ(server.last().body, noise(5000));
}

TEST_F(Requests, EmptyAndOneByteBodiesGoAsTheyAreWhateverTheLimit) {
  ScriptedServer server({answer(200, ""), answer(200, "")});
  Options options = to(server.url());
  options.compress_above_bytes = 0;
  open(std::move(options));
  post("");
  EXPECT_EQ(server.last().headers["content-length"], "0");
  post("a");
  EXPECT_EQ(server.last().body, "a");
}

TEST_F(Requests, LargeBodiesNeedNoPermission) {
  ScriptedServer server({answer(200, "got it")});
  open(server);
  const std::string body = noise(3 << 20);
  EXPECT_EQ(post(body).body, "got it");
  EXPECT_EQ(server.last().headers.count("expect"), 0U);
  EXPECT_EQ(server.last().body, body);
}

TEST_F(Requests, BytesOnTheWireAreCounted) {
  const std::string small = http(200, "reply", "X-Some: header\r\n");
  const std::string large = http(200, std::string(100'000, 'r'));
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  ScriptedServer server({raw(small), raw(large), raw(small), raw(chunked)});
  open(server);
  Reply got = post("body");
  EXPECT_EQ(got.bytes_sent, server.last().bytes);
  EXPECT_EQ(got.bytes_received, small.size());
  got = post(noise(500'000));
  EXPECT_EQ(got.bytes_sent, server.last().bytes);
  EXPECT_EQ(got.bytes_received, large.size());
  got = post(std::string(500'000, 'a'));
  EXPECT_EQ(got.bytes_sent, server.last().bytes);
  EXPECT_LT(got.bytes_sent, 1000U);
  ASSERT_TRUE(client_->send("GET", "/", "", "").ok());
  got = reply();
  EXPECT_EQ(got.bytes_sent, server.last().bytes);
  EXPECT_EQ(got.bytes_received, chunked.size());
}

TEST_F(Requests, ThePrefixOfTheUrlStandsBeforeThePath) {
  ScriptedServer server({answer(200, ""), answer(200, "")});
  open(to(server.url() + "/some/prefix/"));
  post("", "/v1");
  EXPECT_EQ(server.last().target, "/some/prefix/v1");
  post("", "/../v1");  // not folded: it stays below the prefix, or the server refuses it
  EXPECT_EQ(server.last().target, "/some/prefix/../v1");
}

TEST_F(Requests, UnixSocketsServeToo) {
  ScriptedServer server(file("socket"), {answer(200, "here"), answer(200, "again")});
  open(server);
  EXPECT_EQ(post().body, "here");
  EXPECT_EQ(post().body, "again");
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(server.last().headers["host"], "localhost");
}

TEST_F(Requests, OneIsInFlightAtATime) {
  ScriptedServer server({held("late"), answer(200, "next")});
  open(server);
  EXPECT_FALSE(client_->busy());
  EXPECT_FALSE(client_->poll(0).has_value());
  ASSERT_TRUE(send("first").ok());
  EXPECT_TRUE(client_->busy());
  EXPECT_EQ(send("second").code, Code::kBusy);
  server.release();
  EXPECT_EQ(reply().body, "late");
  EXPECT_EQ(server.last().body, "first");
  EXPECT_EQ(post().body, "next");
}

TEST_F(Requests, PollThatMayNotWaitReturnsWhileTheServerHasNotAnswered) {
  ScriptedServer server({held("late")});
  open(server);
  ASSERT_TRUE(send().ok());
  std::thread drive([&] { server.wait_for_requests(1); });
  while (server.requests().empty()) {
    EXPECT_FALSE(client_->poll(0).has_value());
  }
  drive.join();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_FALSE(client_->poll(0).has_value());
  }
  EXPECT_FALSE(client_->poll(1).has_value());
  EXPECT_FALSE(client_->poll(-1).has_value());
  EXPECT_FALSE(server.released());
  server.release();
  EXPECT_EQ(reply().body, "late");
}

TEST_F(Requests, PollThatMayNotWaitReturnsWhileTheServerReadsNothing) {
  ScriptedServer server({{Step::kDeaf, ""}});
  open(server);
  ASSERT_TRUE(send(noise(16 << 20)).ok());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_FALSE(client_->poll(0).has_value());
  }
  EXPECT_FALSE(server.released());
}

TEST_F(Requests, ACancelledRequestIsForgotten) {
  ScriptedServer server({held("of the first"), answer(200, "of the second")});
  open(server);
  ASSERT_TRUE(send("first").ok());
  client_->cancel();
  EXPECT_FALSE(client_->busy());
  EXPECT_FALSE(client_->poll(0).has_value());
  client_->cancel();
  server.release();
  ASSERT_TRUE(send("second").ok());
  EXPECT_THAT(reply().body, ::testing::StartsWith("of the "));  // the first may not have arrived
}

TEST_F(Requests, WhatNoRequestMayHoldIsRefused) {
  ScriptedServer server({answer(200, "")});
  open(server);
  const auto code = [&](const char* method, const char* path, const char* body, const char* type) {
    return client_->send(method, path, body, type).code;
  };
  EXPECT_EQ(code("HEAD", "/", "", ""), Code::kInvalidArgument);
  EXPECT_EQ(code("POST /x HTTP/1.1\r\n", "/", "", ""), Code::kInvalidArgument);
  EXPECT_EQ(code("GET", "/", "body", ""), Code::kInvalidArgument);
  EXPECT_EQ(code("POST", "", "", ""), Code::kInvalidArgument);
  EXPECT_EQ(code("POST", "@other.example/", "", ""), Code::kInvalidArgument);
  EXPECT_EQ(code("POST", "/a b", "", ""), Code::kInvalidArgument);
  EXPECT_EQ(code("POST", "/a\r\nX: y", "", ""), Code::kInvalidArgument);
  EXPECT_EQ(code("POST", "/a#b", "", ""), Code::kInvalidArgument);
  EXPECT_EQ(code("POST", "/", "", "text\r\nX: y"), Code::kInvalidArgument);
  for (const char* header : {"x", "x:y", "x: y\r\nz: 1", "x: \x7f"}) {
    EXPECT_EQ(client_->send("GET", "/", "", "", header).code, Code::kInvalidArgument) << header;
  }
  EXPECT_FALSE(client_->busy());
  EXPECT_EQ(server.connections(), 0);
  EXPECT_EQ(post().http_status, 200);
}

TEST_F(Requests, DescriptorsAreClosedWithTheClient) {
  const auto descriptors_after_use = [&] {
    {
      ScriptedServer server({answer(200, "")});
      open(server);
      post();
      client_.reset();
    }
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  const auto first = descriptors_after_use();  // with what libcurl opens once for all
  EXPECT_EQ(descriptors_after_use(), first);
}

TEST_F(Requests, ProgramsThatTheHostStartsDoNotInheritTheConnection) {
  ScriptedServer server({answer(200, "")});
  open(server);
  post();
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    sockaddr_in peer = {};
    socklen_t bytes = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &bytes) == 0 && ntohs(peer.sin_port) == server.port()) {
      ++seen;
      EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
  }
  EXPECT_EQ(seen, 1);
}

}  // namespace cairn::http_client
