#include "api/http_client/failure.h"

#include "tests/http_client/http_client_fixture.h"

namespace cairn::http_client {

using Failures = HttpClientTest;

namespace {

std::atomic<int> g_signals = 0;

}  // namespace

TEST_F(Failures, NobodyListens) {
  std::string url;
  {
    const ScriptedServer server(std::vector<Step>{});
    url = server.url();
  }
  open(to(url));
  const Reply got = post("body", "/v1/sync?stream=1");
  EXPECT_EQ(got.failure, Failure::kTransient);
  EXPECT_EQ(got.http_status, 0);
  EXPECT_THAT(got.error, ::testing::StartsWith("POST " + url + "/v1/sync: "));
  EXPECT_THAT(got.error, Not(HasSubstr("stream")));
  EXPECT_THAT(got.error, Not(HasSubstr("\n")));
}

TEST_F(Failures, NoSuchSocket) {
  open(to("unix:" + file("nothing")));
  const Reply got = post();
  EXPECT_EQ(got.failure, Failure::kTransient);
  EXPECT_THAT(got.error, HasSubstr("unix:" + file("nothing") + "/v1/sync: "));
}

TEST_F(Failures, ConnectionsThatEndWithoutAWholeReplyAreTransient) {
  const std::string begun = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
  const std::string chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
  const std::string interim = "HTTP/1.1 100 Continue\r\n\r\n";
  const std::vector<Step> ends = {cut(""),
                                  reset(""),
                                  cut(begun),
                                  reset(begun),
                                  cut(chunk),
                                  cut("HTTP/1.1 200 OK\r\nX"),
                                  cut("HTTP/1.1 200 OK\r\nX: y\r\n"),
                                  cut("HTTP/1.1 200 OK\r\n"),
                                  cut(interim),
                                  cut(interim + "HTTP/1.1 200 OK\r\n"),
                                  {Step::kSlam, ""}};
  std::vector<Step> script = ends;
  script.push_back(answer(200, "well again"));
  ScriptedServer server(script);
  open(server);
  for (size_t i = 0; i < ends.size(); ++i) {
    const Reply got = post();
    EXPECT_EQ(got.failure, Failure::kTransient) << i << ": " << got.error;
    EXPECT_EQ(got.body, "");
    EXPECT_EQ(got.http_status, 0);
    EXPECT_NE(got.error, "");
  }
  EXPECT_EQ(post().body, "well again");
  EXPECT_EQ(server.connections(), static_cast<int>(ends.size()) + 1);
}

TEST_F(Failures, APieceOfAStatusLineIsNoAnswer) {
  for (const char* piece : {"H", "HTTP", "HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 200", "HTTP/1.1 200 OK"}) {
    ScriptedServer server({cut(piece)});
    open(server);
    EXPECT_FALSE(post().answered()) << piece;
  }
}

TEST_F(Failures, AKeptConnectionThatEndsBeforeTheReplyIsReplacedAndTheRequestSentAgain) {
  ScriptedServer server({answer(200, "first"), reset(""), answer(200, "second")});
  open(server);
  EXPECT_EQ(post("1").body, "first");
  EXPECT_EQ(post("2").body, "second");
  std::string seen;
  for (const auto& request : server.requests()) {
    seen += request.body + " on " + std::to_string(request.connection) + ";";
  }
  EXPECT_EQ(seen, "1 on 1;2 on 1;2 on 2;");
}

TEST_F(Failures, AHandshakeIsRefusedOnlyWhereTheConnectionStood) {
  const auto failure = [](const char* text) { return failure_of(CURLE_SSL_CONNECT_ERROR, text); };
  EXPECT_EQ(failure("error:0A00010B:SSL routines::wrong version number"), Failure::kTls);
  EXPECT_EQ(failure("error:0A000126:SSL routines::unexpected eof while reading"), Failure::kTransient);
  EXPECT_EQ(failure("OpenSSL SSL_connect: Connection reset by peer in connection to localhost:1 "),
            Failure::kTransient);
  EXPECT_EQ(failure("Send failure: Connection reset by peer"), Failure::kTransient);
  EXPECT_EQ(failure("Recv failure: Connection reset by peer"), Failure::kTransient);
}

TEST_F(Failures, AReplyThatTakesTooLongIsTransient) {
  ScriptedServer server({held("late"), answer(200, "next")});
  Options options = to(server.url());
  options.timeout_ms = 50;
  open(std::move(options));
  const Reply got = post();
  EXPECT_FALSE(server.released());
  EXPECT_EQ(got.failure, Failure::kTransient);
  EXPECT_THAT(got.error, HasSubstr("timed out"));
}

TEST_F(Failures, TheTimeRunsFromSendNotFromPoll) {
  ScriptedServer server({held("late")});
  Options options = to(server.url());
  options.timeout_ms = 20;
  open(std::move(options));
  ASSERT_TRUE(send().ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  const auto got = client_->poll(0);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->failure, Failure::kTransient);
}

TEST_F(Failures, AConnectionThatNobodyAcceptsIsTransient) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), bytes), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &bytes), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  std::vector<int> queued;
  for (int i = 0; i < 4; ++i) {  // the kernel drops what comes behind a full queue
    queued.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    (void)connect(queued.back(), reinterpret_cast<sockaddr*>(&address), bytes);
  }
  Options options = to("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  options.connect_timeout_ms = 50;
  open(std::move(options));
  EXPECT_EQ(post().failure, Failure::kTransient);
  for (const int fd : queued) {
    close(fd);
  }
  close(listener);
}

TEST_F(Failures, WhatIsNoHttpIsAProtocolFailure) {
  for (const char* text : {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "220 mail.example\r\n"}) {
    ScriptedServer server({cut(text)});
    open(server);
    const Reply got = post();
    EXPECT_EQ(got.failure, Failure::kProtocol) << got.error;
    EXPECT_EQ(got.body, "");
  }
}

TEST_F(Failures, EndlessHeadersEnd) {
  std::string headers;
  for (int i = 0; i < 400; ++i) {
    headers += "X-" + std::to_string(i) + ": " + std::string(1000, 'x') + "\r\n";
  }
  ScriptedServer server({answer(200, "", headers)});
  open(server);
  EXPECT_FALSE(post().answered());
}

TEST_F(Failures, BrokenConnectionsRaiseNoSignal) {
  struct sigaction counting = {};
  struct sigaction before = {};
  counting.sa_handler = [](int) { ++g_signals; };
  ASSERT_EQ(sigaction(SIGPIPE, &counting, &before), 0);
  ScriptedServer server({{Step::kDeaf, ""}, answer(200, ""), cut(http(200, "")), answer(200, "")});
  open(server);
  std::string large(16 << 20, 'x');
  for (size_t i = 0; i < large.size(); i += 2) {
    large[i] = static_cast<char>(i * 2654435761U >> 13);
  }
  ASSERT_TRUE(send(large).ok());
  server.wait_for_connections(1);
  client_->poll(1);
  server.release();
  EXPECT_EQ(reply().failure, Failure::kTransient);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(post().http_status, 200);
  }
  EXPECT_EQ(g_signals, 0);
  sigaction(SIGPIPE, &before, nullptr);
}

}  // namespace cairn::http_client
