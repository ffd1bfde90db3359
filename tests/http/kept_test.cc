// Answers that are kept for later: they cost no thread, and end in full or not at all.
#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

/// Keeps the answers of /kept, gives them when it is told to, and answers everything else at once.
class Keeper : public http::Service {
 public:
  http::Admission admit(const http::Request& /*head*/) override {
    http::Admission out;
    out.body_bytes_max = 1u << 20;
    return out;
  }
  void serve(http::Request request, http::Answer answer) override {
    if (request.path == "/throws") {
      throw std::runtime_error("inner words");
    }
    if (request.path == "/forgets") {
      return;
    }
    if (request.path == "/kept") {
      const std::lock_guard lock(mutex_);
      if (!over_) {
        kept_.push_back(std::move(answer));
        return;
      }
    }
    answer.send(text("at once " + request.body));
  }
  void let_go() noexcept override {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    give_all("let go");
  }

  static http::Response text(const std::string& body) {
    http::Response out;
    out.body = body;
    return out;
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return kept_.size();
  }
  size_t wanted() {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(
        std::count_if(kept_.begin(), kept_.end(), [](const http::Answer& answer) { return answer.is_wanted(); }));
  }
  void give_all(const std::string& body) {
    for (http::Answer& answer : take()) {
      answer.send(text(body));
    }
  }
  std::vector<http::Answer> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(kept_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<http::Answer> kept_;
  bool over_ = false;
};

class Kept : public HttpTest {
 protected:
  Kept() {
    options_.limits.connections_max = 8192;  // as `cairn serve` has them
    options_.limits.strangers_max = 2048;
    options_.limits.kept_max = 6144;
  }
  void start_keeper() {
    auto started = http::Server::start(std::move(options_), keeper_);
    ASSERT_TRUE(started.ok()) << started.status().what;
    keeping_ = std::move(*started);
    address_ = keeping_->addresses().front();
  }
  [[nodiscard]] std::string ask_for(const std::string& path, const std::string& body = "") const {
    const std::string host = address_.starts_with("unix:") ? "localhost" : address_;
    return "POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  bool wait_kept(size_t count) {
    return wait_for([&] { return keeper_.count() == count; });
  }

  Keeper keeper_;
  std::unique_ptr<http::Server> keeping_;
  std::string address_;
};

TEST_F(Kept, AnAnswerMayComeLaterFromAnyThread) {
  start_keeper();
  Client client(address_);
  for (int i = 0; i < 3; ++i) {
    client.send(ask_for("/kept", "body"));
    ASSERT_TRUE(wait_kept(1));
    EXPECT_EQ(keeper_.wanted(), 1u);
    std::thread([&] { keeper_.give_all("later"); }).join();
    EXPECT_EQ(client.read_reply().body, "later");
    client.send(ask_for("/x", "y"));
    EXPECT_EQ(client.read_reply().body, "at once y");
  }
  EXPECT_EQ(keeping_->counters().accepted, 1u);
}

TEST_F(Kept, ARequestThatCameMeanwhileWaitsForItsTurn) {
  start_keeper();
  Client client(address_);
  client.send(ask_for("/kept"));
  ASSERT_TRUE(wait_kept(1));
  client.send(ask_for("/a", std::string(3000, 'a')).substr(0, 700));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(keeper_.wanted(), 1u);
  keeper_.give_all("first");
  EXPECT_EQ(client.read_reply().body, "first");
  client.send(ask_for("/a", std::string(3000, 'a')).substr(700));
  EXPECT_EQ(client.read_reply().body, "at once " + std::string(3000, 'a'));
}

TEST_F(Kept, AClientThatGoesAwayIsNoticed) {
  start_keeper();
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(address_);
    clients.back().send(ask_for("/kept"));
  }
  ASSERT_TRUE(wait_kept(3));
  clients[0].vanish();
  { const Client closed = std::move(clients[1]); }
  EXPECT_TRUE(wait_for([&] { return keeper_.wanted() == 1; }));
  EXPECT_TRUE(wait_for([&] { return keeping_->counters().connections == 1; }));
  keeper_.give_all("late");
  EXPECT_EQ(clients.back().read_reply().body, "late");
}

TEST_F(Kept, AClientThatHasEndedSendingCountsAsGone) {
  start_keeper();
  Client client(address_);
  client.send(ask_for("/kept"));
  ASSERT_TRUE(wait_kept(1));
  client.end_sending();
  EXPECT_TRUE(client.ends());
  EXPECT_EQ(keeper_.wanted(), 0u);
}

TEST_F(Kept, AHeadGetsNoBodyLaterEither) {
  start_keeper();
  Client client(address_);
  client.send("HEAD /kept HTTP/1.1\r\nHost: " + address_ + "\r\n\r\n");
  ASSERT_TRUE(wait_kept(1));
  client.send(ask_for("/x", "y"));
  keeper_.give_all("later");
  EXPECT_EQ(client.read_reply(true).headers["content-length"], "5");
  EXPECT_EQ(client.read_reply().body, "at once y");
}

TEST_F(Kept, MoreThanTheirNumberAre503AndTheOthersWait) {
  options_.limits.kept_max = 2;
  start_keeper();
  std::vector<Client> clients;
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back(address_);
    clients.back().send(ask_for("/kept"));
    ASSERT_TRUE(wait_kept(static_cast<size_t>(i) + 1));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // their connections know by now
  Client third(address_);
  third.send(ask_for("/kept"));
  EXPECT_EQ(third.read_reply().status, 503u);
  third.send(ask_for("/x", "y"));
  EXPECT_EQ(third.read_reply().body, "at once y") << "and goes on";
  EXPECT_EQ(keeper_.wanted(), 2u);
  keeper_.give_all("later");
  for (Client& client : clients) {
    EXPECT_EQ(client.read_reply().body, "later");
  }
  third.send(ask_for("/kept"));
  ASSERT_TRUE(wait_kept(1)) << "there is room again";
  keeper_.give_all("later");
  EXPECT_EQ(third.read_reply().body, "later");
}

TEST_F(Kept, TheBodiesOfThoseWhoWaitDoNotCount) {
  options_.limits.bodies_bytes_max = 100'000;
  start_keeper();
  std::vector<Client> clients;
  for (size_t i = 1; i <= 3; ++i) {
    clients.emplace_back(address_);
    clients.back().send(ask_for("/kept", std::string(40'000, 'x')));
    ASSERT_TRUE(wait_kept(i)) << i;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // its connection knows by now
  }
  keeper_.give_all("later");
  for (Client& client : clients) {
    EXPECT_EQ(client.read_reply().body, "later");
  }
}

TEST_F(Kept, AnAnswerThatIsForgottenIsA500) {
  start_keeper();
  for (const char* path : {"/forgets", "/throws"}) {
    Client client(address_);
    client.send(ask_for(path));
    const Reply reply = client.read_reply();
    EXPECT_EQ(reply.status, 500u) << path;
    EXPECT_EQ((reply.head + reply.body).find("inner"), std::string::npos);
  }
  Client client(address_);
  client.send(ask_for("/kept"));
  ASSERT_TRUE(wait_kept(1));
  keeper_.take().clear();
  EXPECT_EQ(client.read_reply().status, 500u);
  EXPECT_EQ(keeping_->counters().failed_handlers, 3u);
}

TEST_F(Kept, OneThatCannotBeSentIsA500Too) {
  start_keeper();
  Client client(address_);
  client.send(ask_for("/kept"));
  ASSERT_TRUE(wait_kept(1));
  auto answers = keeper_.take();
  http::Response split;
  split.headers = {{"X", "a\r\nSet-Cookie: b"}};
  answers[0].send(std::move(split));
  const Reply reply = client.read_reply();
  EXPECT_EQ(reply.status, 500u);
  EXPECT_EQ(reply.head.find("Set-Cookie"), std::string::npos);
}

TEST_F(Kept, AStopAnswersInFull) {
  start_keeper();
  std::vector<Client> clients;
  for (int i = 0; i < 50; ++i) {
    clients.emplace_back(address_);
    clients.back().send(ask_for("/kept"));
  }
  ASSERT_TRUE(wait_kept(50));
  keeping_->stop(5000);
  for (Client& client : clients) {
    Reply reply = client.read_reply();
    EXPECT_EQ(reply.body, "let go");
    EXPECT_EQ(reply.headers["connection"], "close");
  }
}

/// Keeps what it has, whatever it is told.
class Stubborn : public Keeper {
 public:
  void let_go() noexcept override {}
};

TEST_F(Kept, WhatAStopCutsOffGetsNothing) {
  Stubborn stubborn;
  auto started = http::Server::start(std::move(options_), stubborn);
  ASSERT_TRUE(started.ok());
  address_ = (*started)->addresses().front();
  Client client(address_);
  client.send(ask_for("/kept"));
  ASSERT_TRUE(wait_for([&] { return stubborn.count() == 1; }));
  (*started)->stop(50);
  EXPECT_EQ(stubborn.wanted(), 0u);
  EXPECT_EQ(client.read_to_end(), "");
  started->reset();
  stubborn.give_all("after the server");  // nothing happens
}

TEST_F(Kept, WithAndWithoutAStopManyAtOnceGetTheirOwn) {
  options_.handler_threads = 2;
  start_keeper();
  std::atomic<bool> over = false;
  std::thread giver([&] {
    while (!over) {
      keeper_.give_all("later");
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  std::vector<std::thread> threads;
  threads.reserve(16);
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      Client client(address_);
      for (int i = 0; i < 100; ++i) {
        const std::string body = std::to_string(t) + "/" + std::to_string(i);
        if (i % 7 == 3) {
          Client gone(address_);
          gone.send(ask_for("/kept"));
        }
        client.send(ask_for("/kept"));
        ASSERT_EQ(client.read_reply().body, "later");
        client.send(ask_for("/x", body));
        ASSERT_EQ(client.read_reply().body, "at once " + body);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  over = true;
  giver.join();
  EXPECT_EQ(keeping_->counters().failed_handlers, 0u);
}

/// Answers with more than a socket takes.
class Large : public Keeper {
 public:
  void serve(http::Request /*request*/, http::Answer answer) override {
    answer.send(text(std::string(32u << 20, 'x')));
  }
};

TEST_F(Kept, AStopLetsAClientReadToTheEndOfABody) {
  Large large;
  auto started = http::Server::start(std::move(options_), large);
  ASSERT_TRUE(started.ok());
  address_ = (*started)->addresses().front();
  Client client(address_);
  client.send(ask_for("/x"));
  ASSERT_TRUE(wait_for([&] { return (*started)->counters().requests == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // its response has begun
  std::thread stopper([&] { (*started)->stop(3000); });
  std::this_thread::sleep_for(std::chrono::milliseconds(3100));  // the first deadline is over
  EXPECT_EQ(client.read_reply().body.size(), 32u << 20);
  stopper.join();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  size_t all = 0;
  size_t resident = 0;
  in >> all >> resident;
  return resident * static_cast<size_t>(getpagesize());
}

TEST_F(Kept, FiveThousandAtOnceTakeLittleMemoryAndNobodysTurn) {
  constexpr size_t kCount = 5000;
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < 2 * kCount + 500) {
    GTEST_SKIP() << "needs " << 2 * kCount + 500 << " descriptors";
  }
  const rlimit raised = {limit.rlim_max, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &raised), 0);
  options_.handler_threads = 16;
  start_keeper();
  std::vector<Client> clients;
  clients.reserve(kCount);
  const size_t before = resident_bytes();
  for (int round = 0; round < 3; ++round) {  // also those that were idle between two requests
    for (size_t i = 0; i < kCount; ++i) {
      if (round == 0) {
        clients.emplace_back(address_);
      }
      ASSERT_TRUE(clients[i].send(ask_for("/kept")));
    }
    ASSERT_TRUE(wait_kept(kCount));
    Client other(address_);
    for (int i = 0; i < 100; ++i) {
      other.send(ask_for("/x", "y"));
      ASSERT_EQ(other.read_reply().body, "at once y");
    }
    const size_t taken = resident_bytes() - before;
    EXPECT_LE(taken / kCount, 8192u) << "by the server and its client, in round " << round;
    RecordProperty("bytes_each_in_round_" + std::to_string(round), static_cast<int>(taken / kCount));
    keeper_.give_all("later");
    for (Client& client : clients) {
      ASSERT_EQ(client.read_reply().body, "later");
    }
  }
  setrlimit(RLIMIT_NOFILE, &limit);
}

#endif

}  // namespace
}  // namespace cairn::tests
