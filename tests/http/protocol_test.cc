// HTTP as clients rely on it: order, keep-alive, HEAD, Expect, and what the listener adds to responses.
#include <pthread.h>
#include <signal.h>

#include <stdexcept>
#include <thread>

#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

class Protocol : public HttpTest {};

TEST_F(Protocol, ARequestReachesTheHandlerWhole) {
  start();
  const Reply reply = ask(post("{\"a\":1}", "Content-Type: application/json\r\nX-Two:  b \r\nx-two: c\r\n"));
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body, "POST /p? {\"a\":1}");
  ASSERT_EQ(served().size(), 1u);
  const http::Request request = served()[0];
  EXPECT_EQ(request.header("content-TYPE"), "application/json");
  EXPECT_EQ(request.header("X-Two"), "b");
  EXPECT_EQ(request.header("None"), "");
  EXPECT_EQ(request.headers.size(), 5u);
}

TEST_F(Protocol, ResponsesCarryWhatKeepsBrowsersSafeAndNoServerName) {
  start();
  for (const std::string& bytes : {get(), get("/..")}) {
    Reply reply = ask(bytes);
    EXPECT_EQ(reply.headers["x-content-type-options"], "nosniff");
    EXPECT_EQ(reply.headers["cache-control"], "no-store");
    EXPECT_EQ(reply.headers.count("server"), 0u);
    EXPECT_EQ(reply.headers["date"].size(), std::string("Sun, 06 Nov 1994 08:49:37 GMT").size());
  }
}

// A fault that is blocked ends the process at once, also where the store has a handler for it.
TEST_F(Protocol, HandlersTakeFaultsAndNoOtherSignals) {
  handler_ = [](const http::Request&) {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    http::Response out;
    for (const int one : {SIGBUS, SIGSEGV, SIGTERM, SIGINT}) {
      out.body += sigismember(&blocked, one) == 1 ? "b" : "t";
    }
    return out;
  };
  start();
  Client client = connect();
  client.send(get());
  EXPECT_EQ(client.read_reply().body, "ttbb");
}

TEST_F(Protocol, HeadersOfTheHandlerAreSent) {
  handler_ = [](const http::Request&) {
    http::Response out;
    out.status = 404;
    out.content_type = "text/html";
    out.headers = {{"Cache-Control", "max-age=60"}, {"X-Own", "a b"}};
    return out;
  };
  start();
  Reply reply = ask(get());
  EXPECT_TRUE(reply.head.starts_with("HTTP/1.1 404 Not Found\r\n")) << reply.head;
  EXPECT_EQ(reply.headers["cache-control"], "max-age=60");
  EXPECT_EQ(reply.headers["x-own"], "a b");
  EXPECT_EQ(reply.headers["content-type"], "text/html");
  EXPECT_EQ(reply.headers["content-length"], "0");
}

TEST_F(Protocol, HeadersThatWouldSplitTheResponseBecomeA500) {
  const std::vector<std::pair<std::string, std::string>> bad = {{"X", "a\r\nSet-Cookie: b"},
                                                                {"X", "a\nb"},
                                                                {"X", std::string("a\0b", 3)},
                                                                {"X\r\nY", "a"},
                                                                {"X Y", "a"},
                                                                {"", "a"},
                                                                {"X:", "a"},
                                                                {"Content-Length", "5"},
                                                                {"connection", "x"}};
  handler_ = [&](const http::Request& request) {
    http::Response out;
    const auto index = static_cast<size_t>(std::stoi(request.path.substr(1)));
    if (index < bad.size()) {
      out.headers = {bad[index]};
    }
    if (index == bad.size()) {
      out.content_type = "text/plain\r\nX: y";
    }
    if (index == bad.size() + 1) {
      out.status = 100;
    }
    if (index == bad.size() + 2) {
      out.status = 1000;
    }
    return out;
  };
  start();
  for (size_t i = 0; i < bad.size() + 3; ++i) {
    const Reply reply = ask(get("/" + std::to_string(i)));
    EXPECT_EQ(reply.status, 500u) << i;
    EXPECT_EQ(reply.headers.count("set-cookie"), 0u);
  }
  EXPECT_EQ(server_->counters().failed_handlers, bad.size() + 3);
}

TEST_F(Protocol, AConnectionServesManyRequests) {
  start();
  Client client = connect();
  for (int i = 0; i < 50; ++i) {
    client.send(post(std::to_string(i)));
    const Reply reply = client.read_reply();
    EXPECT_EQ(reply.body, "POST /p? " + std::to_string(i));
    EXPECT_EQ(reply.headers.count("connection"), 0u);
  }
  EXPECT_EQ(server_->counters().accepted, 1u);
}

TEST_F(Protocol, PipelinedRequestsAreAnsweredInOrder) {
  handler_ = [](const http::Request& request) {
    if (request.path == "/0") {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    http::Response out;
    out.body = request.path + request.body;
    return out;
  };
  start();
  Client client = connect();
  std::string bytes;
  for (int i = 0; i < 200; ++i) {
    const std::string body(static_cast<size_t>(i) * 7, 'x');
    bytes +=
        request("POST /" + std::to_string(i) + " HTTP/1.1", "Content-Length: " + std::to_string(body.size()) + "\r\n") +
        body;
  }
  std::thread sender([&] { client.send(bytes); });
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(client.read_reply().body, "/" + std::to_string(i) + std::string(static_cast<size_t>(i) * 7, 'x'));
  }
  sender.join();
}

TEST_F(Protocol, RequestsOfOtherConnectionsDoNotWaitForASlowHandler) {
  std::atomic<bool> go = false;
  handler_ = [&](const http::Request& request) {
    while (request.path == "/slow" && !go) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return http::Response();
  };
  start();
  Client slow = connect();
  slow.send(get("/slow"));
  EXPECT_EQ(status_of(get("/quick")), 200u);
  go = true;
  EXPECT_EQ(slow.read_reply().status, 200u);
}

TEST_F(Protocol, CloseIsKept) {
  start();
  Client client = connect();
  client.send(get("/a", "Connection: close\r\n") + get("/b"));
  Reply reply = client.read_reply();
  EXPECT_EQ(reply.headers["connection"], "close");
  client.end_sending();
  EXPECT_TRUE(client.ends_cleanly());
  EXPECT_EQ(served().size(), 1u);
}

TEST_F(Protocol, OldClientsAreClosedUnlessTheyAskForMore) {
  start();
  Client once = connect();
  once.send(request("GET / HTTP/1.0"));
  EXPECT_EQ(once.read_reply().headers["connection"], "close");
  EXPECT_TRUE(once.ends_cleanly());
  Client more = connect();
  for (int i = 0; i < 2; ++i) {
    more.send(request("GET / HTTP/1.0", "Connection: keep-alive\r\n"));
    EXPECT_EQ(more.read_reply().headers["connection"], "keep-alive");
  }
}

TEST_F(Protocol, HeadIsGetWithoutTheBody) {
  start();
  Client client = connect();
  client.send(request("HEAD /a HTTP/1.1") + get("/b"));
  Reply reply = client.read_reply(true);
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.headers["content-length"], std::to_string(std::string("GET /a? ").size()));
  EXPECT_EQ(client.read_reply().body, "GET /b? ");
  client.send(request("HEAD /a HTTP/1.1") + "no request\r\n\r\n");
  EXPECT_EQ(client.read_reply(true).status, 200u);
  EXPECT_FALSE(client.read_reply().body.empty());  // of the refusal, which answers no HEAD
  Client refused = connect();
  refused.send(request("HEAD /.. HTTP/1.1"));
  EXPECT_EQ(refused.read_reply(true).status, 400u);
  refused.end_sending();
  EXPECT_TRUE(refused.ends_cleanly());
}

TEST_F(Protocol, StatusesWithoutABodyHaveNone) {
  handler_ = [](const http::Request& request) {
    http::Response out;
    out.status = request.path == "/304" ? 304 : 204;
    out.body = "not sent";
    return out;
  };
  start();
  Client client = connect();
  for (const unsigned status : {204u, 304u, 204u}) {
    client.send(get("/" + std::to_string(status)));
    const Reply reply = client.read_reply();
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.headers.count("content-length"), 0u);
  }
}

TEST_F(Protocol, ContinueIsSaidToWhoWaitsForIt) {
  start();
  Client client = connect();
  for (int i = 0; i < 2; ++i) {
    client.send(request("POST /p HTTP/1.1", "Content-Length: 5\r\nExpect: 100-Continue\r\n"));
    const Reply go_on = client.read_reply();
    EXPECT_EQ(go_on.head, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    EXPECT_EQ(client.read_reply().body, "POST /p? hello");
  }
}

TEST_F(Protocol, ContinueIsNotSaidWhereNobodyWaits) {
  start();
  const std::string expect = "Content-Length: 5\r\nExpect: 100-continue\r\n";
  EXPECT_EQ(ask(request("POST /p HTTP/1.1", expect) + "hello").status, 200u);
  EXPECT_EQ(ask(request("POST /p HTTP/1.0", expect) + "hello").status, 200u);
  EXPECT_EQ(ask(get("/", "Expect: 100-continue\r\n")).status, 200u);
  expect_refused(413, request("POST /p HTTP/1.1", "Content-Length: 99999999\r\nExpect: 100-continue\r\n"));
  expect_refused(421, "POST /p HTTP/1.1\r\nHost: evil\r\n" + expect + "\r\n");
  expect_refused(417, request("POST /p HTTP/1.1", "Content-Length: 5\r\nExpect: magic\r\n"));
}

TEST_F(Protocol, AHandlerThatThrowsGivesA500WithoutItsText) {
  handler_ = [](const http::Request& request) -> http::Response {
    if (request.path == "/int") {
      throw 7;
    }
    throw std::runtime_error("inner words");
  };
  start();
  Client client = connect();
  for (const char* path : {"/int", "/exception", "/int"}) {
    client.send(get(path));
    const Reply reply = client.read_reply();
    EXPECT_EQ(reply.status, 500u);
    EXPECT_EQ((reply.head + reply.body).find("inner"), std::string::npos);
  }
  stop();
  EXPECT_EQ(server_->counters().failed_handlers, 3u);
  EXPECT_NE(logged().find("handler failed"), std::string::npos);
}

TEST_F(Protocol, LargeBodiesGoBothWays) {
  start();
  std::string body(8u << 20, 'x');
  for (size_t i = 0; i < body.size(); i += 4096) {
    body[i] = static_cast<char>('a' + (i / 4096) % 26);
  }
  Client client = connect();
  std::thread sender([&] { client.send(post(body)); });
  const Reply reply = client.read_reply();
  sender.join();
  EXPECT_EQ(reply.body.size(), body.size() + 9);
  EXPECT_TRUE(reply.body == "POST /p? " + body);
}

TEST_F(Protocol, ManyClientsAtOnceGetTheirOwnAnswers) {
  start();
  std::vector<std::thread> threads;
  threads.reserve(16);
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      Client client = connect();
      for (int i = 0; i < 50; ++i) {
        const std::string body = std::to_string(t) + "/" + std::to_string(i);
        client.send(post(body));
        ASSERT_EQ(client.read_reply().body, "POST /p? " + body);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(server_->counters().requests, 800u);
}

}  // namespace
}  // namespace cairn::tests
