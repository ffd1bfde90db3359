// Bodies that come in pieces, over time.
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <deque>
#include <thread>

#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

/// Begins a stream for each request, and leaves it to the test.
class StreamService : public http::Service {
 public:
  http::Admission admit(const http::Request& /*head*/) override {
    http::Admission out;
    out.body_bytes_max = 1u << 20;
    return out;
  }
  void serve(http::Request request, http::Answer answer) override {
    http::Response head;
    head.content_type = "text/plain";
    if (request.path == "/late") {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    http::Stream stream = answer.begin(std::move(head));
    if (request.path == "/whole") {
      stream.send("one");
      stream.send("");
      stream.send("two");
      return;
    }
    const std::lock_guard lock(mutex_);
    streams_.push_back(std::move(stream));
  }
  void let_go() noexcept override {
    const std::lock_guard lock(mutex_);
    streams_.clear();
  }
  /// The stream of a request, once it is there.
  http::Stream& stream(size_t index = 0) {
    EXPECT_TRUE(wait_for([&] {
      const std::lock_guard lock(mutex_);
      return streams_.size() > index;
    }));
    const std::lock_guard lock(mutex_);
    return streams_[index];
  }
  size_t size() {
    const std::lock_guard lock(mutex_);
    return streams_.size();
  }

 private:
  std::mutex mutex_;
  std::deque<http::Stream> streams_;
};

class BodyInPieces : public ::testing::Test {
 protected:
  ~BodyInPieces() override { server_.reset(); }
  void start() {
    options_.listen = {"127.0.0.1:0"};
    auto started = http::Server::start(options_, service_);
    ASSERT_TRUE(started.ok());
    server_ = std::move(*started);
    address_ = server_->addresses().front();
  }
  [[nodiscard]] std::string get(const std::string& path = "/", const std::string& method = "GET",
                                const std::string& version = "1.1") const {
    return method + " " + path + " HTTP/" + version + "\r\nHost: " + address_ + "\r\n\r\n";
  }
  /// What comes up to `end`.
  static std::string read_until(Client& client, const std::string& end) {
    std::string out;
    char byte = 0;
    pollfd waits = {client.fd(), POLLIN, 0};
    while (!out.ends_with(end) && ::poll(&waits, 1, 20'000) == 1 && ::recv(client.fd(), &byte, 1, 0) == 1) {
      out += byte;
    }
    return out;
  }

  http::ServerOptions options_;
  StreamService service_;
  std::unique_ptr<http::Server> server_;
  std::string address_;
};

TEST_F(BodyInPieces, PiecesAreChunksAndTheConnectionGoesOn) {
  start();
  Client client(address_);
  client.send(get());
  const std::string head = read_until(client, "\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(head.find("Content-Length"), std::string::npos);
  http::Stream& stream = service_.stream();
  stream.send("hello");
  EXPECT_EQ(read_until(client, "hello\r\n"), "5\r\nhello\r\n");
  stream.send(std::string(17, 'x'));
  EXPECT_EQ(read_until(client, "x\r\n"), "11\r\n" + std::string(17, 'x') + "\r\n");
  EXPECT_TRUE(stream.is_wanted());
  EXPECT_TRUE(wait_for([&] { return stream.unsent_bytes() == 0; }));
  stream.end();
  EXPECT_EQ(read_until(client, "0\r\n\r\n"), "0\r\n\r\n");
  client.send(get("/whole"));
  read_until(client, "\r\n\r\n");
  const std::string body = read_until(client, "0\r\n\r\n");
  EXPECT_TRUE(body == "6\r\nonetwo\r\n0\r\n\r\n" || body == "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n") << body;
}

TEST_F(BodyInPieces, AnOldClientReadsToTheEndOfTheConnection) {
  start();
  Client client(address_);
  client.send(get("/whole", "GET", "1.0"));
  const std::string all = client.read_to_end();
  EXPECT_EQ(all.find("chunked"), std::string::npos);
  EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(all.ends_with("\r\n\r\nonetwo"));
}

TEST_F(BodyInPieces, HeadHasTheHeadOnly) {
  start();
  Client client(address_);
  client.send(get("/", "HEAD"));
  EXPECT_NE(read_until(client, "\r\n\r\n").find("200 OK"), std::string::npos);
  EXPECT_TRUE(wait_for([&] { return !service_.stream().is_wanted(); }));
  service_.stream().send("nobody reads this");
  client.send(get("/whole"));
  EXPECT_TRUE(read_until(client, "\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_F(BodyInPieces, WhoDoesNotReadIsCutOff) {
  options_.limits.write_ms = 300;
  start();
  Client client(address_);
  client.send(get());
  http::Stream& stream = service_.stream();
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 64; ++i) {
    stream.send(piece);
  }
  EXPECT_GT(stream.unsent_bytes(), 1u << 20) << "whoever sends can see it";
  EXPECT_TRUE(wait_for([&] { return !stream.is_wanted(); }));
  EXPECT_EQ(stream.unsent_bytes(), 0u);
  EXPECT_EQ(server_->counters().timed_out, 1u);
}

TEST_F(BodyInPieces, AStreamMayBeQuietForLongerThanAWriteMayTake) {
  options_.limits.write_ms = 100;
  options_.limits.idle_ms = 100;
  start();
  Client client(address_);
  client.send(get());
  http::Stream& stream = service_.stream();
  read_until(client, "\r\n\r\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  EXPECT_TRUE(stream.is_wanted());
  stream.send("late");
  EXPECT_EQ(read_until(client, "late\r\n"), "4\r\nlate\r\n");
}

TEST_F(BodyInPieces, AClientThatGoesAwayIsSeen) {
  start();
  {
    Client client(address_);
    client.send(get());
    service_.stream();
    read_until(client, "\r\n\r\n");
  }
  EXPECT_TRUE(wait_for([&] { return !service_.stream().is_wanted(); }));
  EXPECT_TRUE(wait_for([&] { return server_->counters().connections == 0; }));
}

TEST_F(BodyInPieces, ANextRequestWaitsForItsTurn) {
  start();
  Client client(address_);
  client.send(get() + get("/whole"));
  http::Stream& stream = service_.stream();
  read_until(client, "\r\n\r\n");
  stream.send("a");
  EXPECT_EQ(read_until(client, "a\r\n"), "1\r\na\r\n");
  stream.end();
  const std::string rest = read_until(client, "two\r\n0\r\n\r\n");
  EXPECT_TRUE(rest.starts_with("0\r\n\r\nHTTP/1.1 200 OK\r\n")) << rest;
}

TEST_F(BodyInPieces, StreamsAreCountedAmongTheAnswersThatAreKept) {
  options_.limits.kept_max = 1;
  start();
  Client first(address_);
  first.send(get());
  service_.stream(0);
  read_until(first, "\r\n\r\n");
  Client second(address_);
  second.send(get());
  EXPECT_TRUE(read_until(second, "\r\n\r\n").starts_with("HTTP/1.1 503 "));
  EXPECT_TRUE(wait_for([&] { return !service_.stream(1).is_wanted(); }));
  service_.stream(0).end();
  read_until(first, "0\r\n\r\n");
  Client third(address_);
  third.send(get());
  EXPECT_TRUE(read_until(third, "\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_F(BodyInPieces, TheStopEndsThemAndTheyMayOutliveTheServer) {
  start();
  Client client(address_);
  client.send(get());
  service_.stream().send("a");
  read_until(client, "a\r\n");
  server_->stop(5'000);
  EXPECT_EQ(client.read_to_end(), "0\r\n\r\n");
  http::Stream late;
  {
    StreamService other;
    auto server = http::Server::start(options_, other);
    ASSERT_TRUE(server.ok());
    Client reader((*server)->addresses().front());
    reader.send("GET / HTTP/1.1\r\nHost: " + (*server)->addresses().front() + "\r\n\r\n");
    late = std::move(other.stream());
    (*server)->stop(100);
  }
  EXPECT_FALSE(late.is_wanted());
  late.send("nobody");
}

}  // namespace
}  // namespace cairn::tests
