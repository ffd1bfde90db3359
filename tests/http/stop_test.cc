// The end of a server, and clients that go away.
#include <chrono>
#include <condition_variable>
#include <thread>

#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

class Stop : public HttpTest {
 protected:
  void hold() {
    handler_ = [this](const http::Request&) {
      std::unique_lock lock(mutex_);
      ++inside_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return open_; });
      http::Response out;
      out.body = "done";
      return out;
    };
  }
  void wait_inside(int count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return inside_ >= count; }));
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int inside_ = 0;
  bool open_ = false;
};

TEST_F(Stop, AnswersTheRequestsInWork) {
  hold();
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(connect());
    clients.back().send(get());
  }
  wait_inside(4);
  std::thread stopper([&] { stop(kNever); });
  EXPECT_TRUE(wait_for([&] { return !Client::is_listening(address()); }));
  let_go();
  for (Client& client : clients) {
    Reply reply = client.read_reply();
    EXPECT_EQ(reply.body, "done");
    EXPECT_EQ(reply.headers["connection"], "close");
    client.end_sending();
    EXPECT_TRUE(client.ends_cleanly());
  }
  stopper.join();
}

TEST_F(Stop, ClosesIdleConnectionsAtOnce) {
  options_.limits.idle_ms = kNever;
  start();
  Client idle = connect();
  Client used = connect();
  used.send(get());
  EXPECT_EQ(used.read_reply().status, 200u);
  EXPECT_TRUE(wait_for([&] { return server_->counters().accepted == 2; }));
  stop(kNever);
  EXPECT_TRUE(idle.ends());
  EXPECT_TRUE(used.ends());
}

TEST_F(Stop, CutsOffClientsThatHang) {
  options_.limits.header_ms = kNever;
  service_.admission.body_ms = kNever;
  options_.limits.write_ms = kNever;
  options_.limits.linger_ms = kNever;
  handler_ = [](const http::Request&) {
    http::Response out;
    out.body.assign(64u << 20, 'x');
    return out;
  };
  start();
  std::vector<Client> clients;
  for (const std::string& bytes : {std::string("GET /"), request("POST / HTTP/1.1", "Content-Length: 10\r\n") + "half",
                                   request("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\n") + "5\r\nhe",
                                   get("/never-read"), get("/..") /* lingers */}) {
    clients.push_back(connect());
    clients.back().send(bytes);
  }
  EXPECT_TRUE(wait_for([&] { return server_->counters().connections == 5 && served().size() == 1; }));
  stop(100);
  EXPECT_EQ(server_->counters().connections, 0u);
}

TEST_F(Stop, DropsWhatNoHandlerHasBegun) {
  options_.handler_threads = 1;
  hold();
  start();
  Client first = connect();
  first.send(get());
  wait_inside(1);
  Client second = connect();
  second.send(get());
  EXPECT_TRUE(wait_for([&] { return server_->counters().requests == 2; }));
  std::thread opener([&] {
    EXPECT_TRUE(wait_for([&] { return server_->counters().connections == 0; }));
    let_go();
  });
  stop(0);
  opener.join();
  EXPECT_TRUE(second.ends());
  EXPECT_EQ(served().size(), 1u);
}

TEST_F(Stop, MayBeAskedForTwiceAndByManyThreads) {
  start();
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { stop(1000); });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  stop();
  server_.reset();
}

TEST_F(Stop, FreesTheAddress) {
  start();
  const std::string where = address();
  EXPECT_EQ(status_of(get()), 200u);
  stop();
  options_.listen = {where};
  start();
  EXPECT_EQ(status_of(get()), 200u);
}

TEST_F(Stop, AClientThatGoesAwayHarmsNobody) {
  hold();
  start();
  const std::string whole = post("hello");
  for (size_t cut = 0; cut < whole.size(); cut += 3) {
    Client client = connect();
    client.send(whole.substr(0, cut));
    if (cut % 2 == 0) {
      client.vanish();
    }
  }
  Client in_work = connect();
  in_work.send(whole);
  wait_inside(1);
  in_work.vanish();
  let_go();
  EXPECT_EQ(status_of(get()), 200u);
  EXPECT_TRUE(wait_for([&] { return server_->counters().connections == 0; }));
}

TEST_F(Stop, AClientThatHasEndedSendingGetsItsAnswer) {
  start();
  Client client = connect();
  client.send(get());
  client.end_sending();
  EXPECT_EQ(client.read_reply().status, 200u);
  EXPECT_TRUE(client.ends_cleanly());
}

TEST_F(Stop, WhileClientsComeAndAskLosesNothingButThem) {
  start();
  std::atomic<bool> over = false;
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (!over) {
        Client client(address(), Client::kMayFail);
        if (client.fd() < 0) {
          return;
        }
        client.send(get());
        const Reply reply = client.read_reply();
        EXPECT_TRUE(reply.status == 200 || reply.status == 0) << reply.status;
      }
    });
  }
  EXPECT_TRUE(wait_for([&] { return served().size() > 100; }));
  stop();
  over = true;
  for (auto& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace cairn::tests
