// Sizes, numbers and pace.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

class LimitsTest : public HttpTest {
 protected:
  LimitsTest() {
    // A test of one limit does not meet another on a slow machine.
    options_.limits.header_ms = kNever;
    service_.admission.body_ms = kNever;
    options_.limits.idle_ms = kNever;
    options_.limits.write_ms = kNever;
  }
};

TEST_F(LimitsTest, ALargeHeadIsRefused) {
  start();
  const std::string bare = get("/", "X: \r\n");
  const size_t room = (16u << 10) - bare.size();
  EXPECT_EQ(status_of(get("/", "X: " + std::string(room, 'x') + "\r\n")), 200u);
  expect_refused(431, get("/", "X: " + std::string(room + 1, 'x') + "\r\n"));
  expect_refused(431, get("/" + std::string(20'000, 'x')));
  expect_refused(431, std::string(20'000, 'G'));
  std::string many;
  for (int i = 0; i < 5000; ++i) {
    many += "X: y\r\n";
  }
  expect_refused(431, get("/", many));
}

TEST_F(LimitsTest, ATokenThatDoesNotFitIsAWrongOne) {
  options_.authenticate = who_has(kToken);
  start();
  for (const char* name : {"Authorization", "AUTHORIZATION"}) {
    const Reply reply = [&] {
      Client client = connect();
      client.send(get("/", std::string(name) + ": Bearer " + std::string(100'000, 'a') + "\r\n"));
      return client.read_reply();
    }();
    EXPECT_EQ(reply.status, 401u);
    EXPECT_EQ(reply.headers.at("www-authenticate"), "Bearer");
  }
  expect_refused(431, get("/", "X-Authorization: " + std::string(100'000, 'a') + "\r\n"));
}

TEST_F(LimitsTest, ALargeHeadBehindARequestIsRefusedToo) {
  start();
  Client client = connect();
  client.send(get() + get("/" + std::string(20'000, 'x')));
  EXPECT_EQ(client.read_reply().status, 200u);
  EXPECT_EQ(client.read_reply().status, 431u);
}

TEST_F(LimitsTest, ALargeBodyIsRefusedBeforeItIsRead) {
  start();
  Client client = connect();
  client.send(request("POST /p HTTP/1.1", "Content-Length: 8388609\r\n"));
  EXPECT_EQ(client.read_reply().status, 413u);  // nothing of the body was sent
  client.end_sending();
  EXPECT_TRUE(client.ends_cleanly());
  EXPECT_EQ(served().size(), 0u);
}

TEST_F(LimitsTest, WhoSendsALargeBodyAnywayCanReadTheRefusal) {
  start();
  Client client = connect();
  client.send(request("POST /p HTTP/1.1", "Content-Length: 20000000\r\n"));
  const std::string piece(1u << 20, 'x');
  for (int i = 0; i < 12; ++i) {
    client.send(piece);
  }
  EXPECT_EQ(client.read_reply().status, 413u);
}

TEST_F(LimitsTest, ALargeChunkedBodyIsRefused) {
  service_.admission.body_bytes_max = 10;
  start();
  const auto chunked = [&](const std::string& body) {
    return request("POST /p HTTP/1.1", "Transfer-Encoding: chunked\r\n") + body;
  };
  EXPECT_EQ(status_of(chunked("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n")), 200u);
  expect_refused(413, chunked("5\r\nhello\r\n6\r\nworld!\r\n0\r\n\r\n"));
  expect_refused(413, chunked("b\r\n"));
  EXPECT_EQ(status_of(post("helloworld")), 200u);
  expect_refused(413, post("helloworld!"));
}

TEST_F(LimitsTest, FurtherConnectionsAreTurnedAway) {
  options_.limits.connections_max = 3;
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(connect());
    clients.back().send("GET / HT");
  }
  EXPECT_TRUE(wait_for([&] { return server_->counters().connections == 3; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // what was sent is there, too
  Client fourth = connect();
  fourth.send(get());
  EXPECT_EQ(fourth.read_reply().status, 503u);
  fourth.end_sending();
  EXPECT_TRUE(fourth.ends_cleanly());
  EXPECT_EQ(server_->counters().turned_away, 1u);
  clients.pop_back();
  EXPECT_TRUE(wait_for([&] { return server_->counters().connections < 3; }));
  EXPECT_EQ(status_of(get()), 200u);
}

TEST_F(LimitsTest, AFloodOfConnectionsHoldsNoMoreThanItsShare) {
  options_.limits.connections_max = 3;
  options_.limits.linger_ms = kNever;
  start();
  std::vector<Client> flood;
  flood.reserve(100);
  for (int i = 0; i < 100; ++i) {
    flood.push_back(connect());
  }
  EXPECT_TRUE(wait_for([&] { return server_->counters().accepted == 100; }));
  EXPECT_LE(server_->counters().connections, 3u);
  for (int i = 0; i < 3; ++i) {
    flood[static_cast<size_t>(97 + i)].send(get());
    EXPECT_EQ(flood[static_cast<size_t>(97 + i)].read_reply().status, 200u);
  }
}

TEST_F(LimitsTest, OutOfFileDescriptorsConnectionsWait) {
  start();
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low = {256, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<int> hogs;
  for (int fd = 0; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) {
    hogs.push_back(fd);
  }
  close(hogs.back());
  hogs.pop_back();
  Client client = connect();  // takes the last one
  client.send(get());
  EXPECT_TRUE(wait_for([&] { return logged().find("out of file descriptors") != std::string::npos; }));
  EXPECT_EQ(server_->counters().accepted, 0u);
  for (const int fd : hogs) {
    close(fd);
  }
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(client.read_reply().status, 200u);
}

TEST_F(LimitsTest, ASlowHeadIsCutOffHoweverSteadilyItComes) {
  options_.limits.header_ms = 150;
  start();
  Client client = connect();
  const std::string bytes = get("/", "X: " + std::string(15'000, 'x') + "\r\n");
  size_t sent = 0;
  for (; sent < bytes.size() && client.send({&bytes[sent], 1}); ++sent) {  // one byte every 5 ms would take 75 s
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    if (server_->counters().timed_out > 0) {
      break;
    }
  }
  EXPECT_LT(sent, bytes.size());
  EXPECT_EQ(client.read_reply().status, 408u);
  EXPECT_EQ(served().size(), 0u);
}

TEST_F(LimitsTest, ManySlowClientsKeepNobodyOutForLong) {
  options_.limits.header_ms = 150;
  options_.limits.linger_ms = 1;
  options_.limits.connections_max = 10;
  start();
  std::vector<Client> slow;
  for (int i = 0; i < 10; ++i) {
    slow.push_back(connect());
    slow.back().send("GET / HT");
  }
  EXPECT_TRUE(wait_for([&] { return status_of(get()) == 200; }));
}

TEST_F(LimitsTest, AConnectionThatSaysNothingIsClosed) {
  options_.limits.idle_ms = 50;
  start();
  Client client = connect();
  EXPECT_TRUE(client.ends_cleanly());
}

TEST_F(LimitsTest, AnIdleConnectionIsClosedBetweenRequests) {
  options_.limits.idle_ms = 50;
  start();
  Client client = connect();
  client.send(get());
  EXPECT_EQ(client.read_reply().status, 200u);
  EXPECT_TRUE(client.ends_cleanly());
  EXPECT_EQ(server_->counters().timed_out, 1u);
}

TEST_F(LimitsTest, ASlowBodyIsCutOffHoweverSteadilyItComes) {
  service_.admission.body_ms = 150;
  start();
  for (const std::string& head :
       {std::string("Content-Length: 100000\r\n"), std::string("Transfer-Encoding: chunked\r\n")}) {
    const uint64_t before = server_->counters().timed_out;
    Client client = connect();
    client.send(request("POST /p HTTP/1.1", head));
    if (head[0] == 'T') {
      client.send("10000\r\n");
    }
    while (server_->counters().timed_out == before && client.send("x")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(client.read_reply().status, 408u);
  }
  EXPECT_EQ(served().size(), 0u);
}

TEST_F(LimitsTest, WhoDoesNotReadItsResponseIsCutOff) {
  options_.limits.write_ms = 100;
  handler_ = [](const http::Request&) {
    http::Response out;
    out.body.assign(64u << 20, 'x');
    return out;
  };
  start();
  Client client = connect();
  client.send(get());
  EXPECT_TRUE(wait_for([&] { return server_->counters().timed_out == 1 && server_->counters().connections == 0; }));
}

TEST_F(LimitsTest, AHandlersTimeIsNotTheClients) {
  options_.limits.header_ms = 20;
  options_.limits.idle_ms = 20;
  handler_ = [](const http::Request&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return http::Response();
  };
  start();
  EXPECT_EQ(status_of(get()), 200u);
}

TEST_F(LimitsTest, WhoLingersAfterTheLastResponseIsClosed) {
  options_.limits.linger_ms = 50;
  start();
  Client client = connect();
  client.send(get("/", "Connection: close\r\n"));
  EXPECT_EQ(client.read_reply().status, 200u);
  EXPECT_TRUE(wait_for([&] { return server_->counters().connections == 0; }));
}

// Else whoever asks without a token, again and again, would end everybody's connection after each request.
TEST_F(LimitsTest, WhoLingersEndsNobodyElsesConnection) {
  options_.authenticate = who_has(kToken);
  options_.limits.connections_max = 16;
  options_.limits.linger_ms = kNever;
  start();
  const std::string asks = get("/", "Authorization: Bearer " + std::string(kToken) + "\r\n");
  std::vector<Client> strangers;
  for (int i = 0; i < 40; ++i) {
    strangers.push_back(connect());
    strangers.back().send(get());
    EXPECT_EQ(strangers.back().read_reply().status, 401u);
  }
  Client known = connect();
  for (int i = 0; i < 3; ++i) {
    known.send(asks);
    const Reply reply = known.read_reply();
    EXPECT_EQ(reply.status, 200u);
    EXPECT_EQ(reply.headers.count("connection"), 0u);
  }
  EXPECT_EQ(server_->counters().connections, 16u) << "and they are closed where others need the place";
}

TEST_F(LimitsTest, TheConnectionThatIsIdleLongestMakesRoom) {
  options_.limits.connections_max = 16;
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(connect());
    clients.back().send(get());
    EXPECT_EQ(clients.back().read_reply().status, 200u);
  }
  EXPECT_EQ(server_->counters().turned_away, 0u);
  EXPECT_LE(server_->counters().connections, 16u);
}

TEST_F(LimitsTest, ConnectionsWithoutATokenHaveAShareOnly) {
  options_.authenticate = who_has(kToken);
  options_.limits.connections_max = 40;
  options_.limits.strangers_max = 10;
  options_.limits.header_ms = options_.limits.idle_ms = kNever;
  start();
  const std::string asks = get("/", "Authorization: Bearer " + std::string(kToken) + "\r\n");
  std::vector<Client> known;
  for (int i = 0; i < 5; ++i) {
    known.push_back(connect());
    known.back().send(asks);
    EXPECT_EQ(known.back().read_reply().status, 200u);
  }
  std::vector<Client> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(connect());
    if (i % 2 == 0) {
      silent.back().send("GET / HT");
    }
  }
  EXPECT_TRUE(wait_for([&] { return server_->counters().accepted == 105; }));
  EXPECT_LE(server_->counters().connections, 15u);
  for (Client& client : known) {
    client.send(asks);
    EXPECT_EQ(client.read_reply().status, 200u);
  }
}

TEST_F(LimitsTest, BodiesInAllAreBounded) {
  options_.limits.bodies_bytes_max = 100'000;
  start();
  const std::string half(60'000, 'x');
  const std::string announced = request("POST /p HTTP/1.1", "Content-Length: 70000\r\n");
  Client first = connect();
  first.send(announced + half);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  Client second = connect();
  second.send(announced + half);
  EXPECT_EQ(second.read_reply().status, 503u);
  first.send(std::string(10'000, 'x'));
  EXPECT_EQ(first.read_reply().status, 200u);
  EXPECT_EQ(status_of(post(half)), 200u);
}

// 1,100 connections that say nothing, and 1,500 workers that keep theirs: more than there is room for.
TEST_F(LimitsTest, EachOfManyWorkersIsAnsweredBesideSilentConnections) {
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < 8192) {
    GTEST_SKIP() << "needs 8,192 descriptors";
  }
  const rlimit raised = {limit.rlim_max, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &raised), 0);
  options_.authenticate = who_has(kToken);
  options_.limits.connections_max = 1024;
  options_.limits.strangers_max = 256;
  start();
  std::vector<Client> silent;
  silent.reserve(1100);
  for (int i = 0; i < 1100; ++i) {
    silent.push_back(connect());
  }
  const std::string batch =
      request("POST /p HTTP/1.1", "Content-Length: 5\r\nAuthorization: Bearer " + std::string(kToken) + "\r\n") +
      "hello";
  std::vector<std::unique_ptr<Client>> workers(1500);
  size_t answered = 0;
  for (int round = 0; round < 5 && answered < workers.size(); ++round) {
    std::vector<size_t> asked;
    for (size_t i = 0; i < workers.size(); ++i) {
      if (workers[i] != nullptr) {
        continue;
      }
      workers[i] = std::make_unique<Client>(address());
      workers[i]->send(batch);
      asked.push_back(i);
    }
    for (const size_t i : asked) {
      if (workers[i]->read_reply().status == 200) {
        ++answered;
      } else {
        workers[i].reset();  // it tries again
      }
    }
  }
  EXPECT_EQ(answered, workers.size());
  EXPECT_LE(server_->counters().connections, 1024u);
  silent.clear();
  workers.clear();
  stop();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

}  // namespace
}  // namespace cairn::tests
