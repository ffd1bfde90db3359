// GET /cairn/v1/events
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>

#include "api/server/event_route.h"
#include "tests/http/http_fixture.h"
#include "tests/server/tested_storages.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;
using server::EventStreams;
using server::EventTimes;

/// The body of a stream as it comes, taken out of its chunks.
class EventReader {
 public:
  EventReader(const std::string& address, const std::string& query, const std::string& headers = "")
      : client_(address) {
    client_.send("GET /cairn/v1/events?" + query + " HTTP/1.1\r\nHost: " + address + "\r\n" + headers + "\r\n");
    while (text_.find("\r\n\r\n") == std::string::npos && read()) {
    }
    head_ = text_.substr(0, text_.find("\r\n\r\n") + 2);
    text_.erase(0, head_.size() + 2);
  }
  [[nodiscard]] const std::string& head() const { return head_; }
  /// Everything up to the first `what`, which is cut off.
  std::string until(const std::string& what) {
    for (;;) {
      const std::string body = unchunked();
      const size_t at = body.find(what, taken_);
      if (at != std::string::npos) {
        const std::string out = body.substr(taken_, at + what.size() - taken_);
        taken_ = at + what.size();
        return out;
      }
      if (!read()) {
        return body.substr(taken_) + "(end)";
      }
    }
  }
  /// It is told what changes from here on.
  void begin() {
    EXPECT_EQ(until("\n\n"), "retry: 1000\n\n");
    EXPECT_TRUE(until("\n\n").starts_with("id: ")) << "it can come back before anything has changed";
  }
  /// The next event with its lines, behind what a stream begins with; or that it is quiet.
  std::string next() {
    std::string out = until("\n\n");
    while (out.starts_with("retry") || out.starts_with("id:")) {
      out = until("\n\n");
    }
    return out;
  }
  [[nodiscard]] std::string last_id() {
    const std::string body = unchunked();
    const size_t at = body.rfind("id: ", taken_);
    return at == std::string::npos ? "" : body.substr(at + 4, body.find('\n', at) - at - 4);
  }
  bool ended() {
    while (read()) {
    }
    return text_.ends_with("0\r\n\r\n");
  }

 private:
  /// False: it ended, or nothing came in 20 s.
  bool read() {
    char bytes[16 << 10];
    pollfd waits = {client_.fd(), POLLIN, 0};
    const ssize_t got = ::poll(&waits, 1, 20'000) == 1 ? ::recv(client_.fd(), bytes, sizeof bytes, 0) : 0;
    text_.append(bytes, static_cast<size_t>(std::max<ssize_t>(got, 0)));
    return got > 0;
  }
  [[nodiscard]] std::string unchunked() const {
    std::string out;
    for (size_t at = 0; at < text_.size();) {
      const size_t line = text_.find("\r\n", at);
      if (line == std::string::npos) {
        break;
      }
      const size_t bytes = std::stoul(text_.substr(at, line - at), nullptr, 16);
      out += text_.substr(line + 2, bytes);
      at = line + 2 + bytes + 2;
    }
    return out;
  }

  Client client_;
  std::string head_, text_;
  size_t taken_ = 0;
};

class Events : public ::testing::TestWithParam<StorageKind> {
 protected:
  explicit Events(const StorageSetup& setup = {}) : tested_(GetParam().make(setup)), storage_(tested_->storage()) {}
  ~Events() override {
    server_.reset();
    streams_.reset();
  }
  void start(EventTimes times = {10, 15'000}) {
    streams_ = std::make_unique<EventStreams>(storage_, times);
    table_ = std::make_unique<server::RouteTable>(
        [&] {
          std::vector<server::Route> routes;
          routes.push_back(server::event_route(*streams_));
          return routes;
        }(),
        [this] { streams_->let_go(); });
    http::ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    options.limits.connections_max = 500;
    options.limits.strangers_max = 500;
    options.limits.kept_max = 400;
    auto started = http::Server::start(std::move(options), *table_);
    ASSERT_TRUE(started.ok());
    server_ = std::move(*started);
    address_ = server_->addresses().front();
  }
  void add(const std::string& id, const std::string& task = "t", std::vector<std::string> tags = {}) {
    server::Trigger trigger;
    trigger.task = task;
    trigger.tags = std::move(tags);
    trigger.metadata = R"({"n":1})";
    tested_->add(id, trigger);
  }
  void set(const std::string& id, RunStatus status) {
    server::StatusChange change;
    change.run = id;
    change.to = status;
    ASSERT_EQ(storage_.write(change, {}).value().refused, server::Refused::kNo);
  }
  void wait_for_streams(size_t count) {
    for (int i = 0; i < 500 && streams_->size() != count; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(streams_->size(), count);
  }

  const std::unique_ptr<TestedStorage> tested_;
  server::RunStorage& storage_;
  std::unique_ptr<EventStreams> streams_;
  std::unique_ptr<server::RouteTable> table_;
  std::unique_ptr<http::Server> server_;
  std::string address_;
};

TEST_P(Events, AChangeIsARowWithAnId) {
  add("a");
  start();
  EventReader reader(address_, "");
  EXPECT_NE(reader.head().find("Content-Type: text/event-stream\r\n"), std::string::npos);
  EXPECT_NE(reader.head().find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  reader.begin();
  set("a", RunStatus::kExecuting);
  const std::string event = reader.next();
  EXPECT_TRUE(event.starts_with(R"(event: run
data: [{"id":"a","sequence":")"))
      << event;
  EXPECT_NE(event.find(R"("status":"EXECUTING","updatedAt":"2)"), std::string::npos) << event;
  EXPECT_EQ(event.find("metadata"), std::string::npos);
  tested_->erase("a");
  EXPECT_TRUE(reader.next().starts_with("event: erased\ndata: [{\"id\":\"a\"}]\nid: "));
}

TEST_P(Events, FiltersAndMetadata) {
  add("a", "one", {"x"});
  add("b", "two", {"x", "y"});
  start();
  EventReader by_run(address_, "run=b");
  EventReader by_task(address_, "task=one&metadata=1");
  EventReader by_tags(address_, "tag=x&tag=y");
  for (EventReader* reader : {&by_run, &by_task, &by_tags}) {
    reader->begin();
  }
  set("a", RunStatus::kExecuting);
  set("b", RunStatus::kExecuting);
  const std::string of_run = by_run.next();
  EXPECT_NE(of_run.find(R"([{"id":"b",)"), std::string::npos) << of_run;
  EXPECT_NE(of_run.find(R"("metadata":{"n":1}}])"), std::string::npos) << of_run;
  const std::string of_task = by_task.next();
  EXPECT_NE(of_task.find(R"([{"id":"a",)"), std::string::npos) << of_task;
  EXPECT_NE(of_task.find(R"("metadata":{"n":1}}])"), std::string::npos) << of_task;
  const std::string of_tags = by_tags.next();
  EXPECT_NE(of_tags.find(R"([{"id":"b",)"), std::string::npos) << of_tags;
  EXPECT_EQ(of_tags.find("metadata"), std::string::npos) << of_tags;
}

TEST_P(Events, ALastIdResumesWithoutALoss) {
  for (int i = 0; i < 600; ++i) {
    add("run" + std::to_string(1000 + i));
  }
  start();
  std::string id;
  {
    EventReader reader(address_, "");
    reader.until("id: ");
    id = reader.until("\n");
    id.pop_back();
  }
  wait_for_streams(0);
  for (int i = 0; i < 600; ++i) {
    set("run" + std::to_string(1000 + i), RunStatus::kExecuting);
    set("run" + std::to_string(1000 + i), RunStatus::kWaiting);
  }
  for (const bool by_header : {true, false}) {
    EventReader reader(address_, by_header ? "" : "lastEventId=" + id,
                       by_header ? "Last-Event-ID: " + id + "\r\n" : "");
    std::vector<size_t> counts;
    size_t rows = 0;
    while (rows < 600 && counts.size() < 10) {
      const std::string event = reader.next();
      ASSERT_TRUE(event.starts_with("event: run")) << event.substr(0, 200);
      size_t count = 0;
      for (size_t at = event.find("WAITING"); at != std::string::npos; at = event.find("WAITING", at + 1)) {
        ++count;
      }
      EXPECT_LE(count, 500u);
      counts.push_back(count);
      rows += count;
    }
    EXPECT_EQ(rows, 600u) << "each run once";
    EXPECT_EQ(counts.front(), 500u);
  }
  // Whoever has the first event only gets the rest.
  std::string middle;
  {
    EventReader reader(address_, "lastEventId=" + id);
    const std::string event = reader.next();
    EXPECT_EQ(event.find("run1599"), std::string::npos);
    middle = reader.last_id();
  }
  EventReader reader(address_, "lastEventId=" + middle);
  const std::string rest = reader.next();
  EXPECT_NE(rest.find("run1500"), std::string::npos) << rest.substr(0, 200);
  EXPECT_NE(rest.find("run1599"), std::string::npos);
  EXPECT_EQ(rest.find("run1499"), std::string::npos);
}

TEST_P(Events, APositionThatIsNotKnownIsAReset) {
  add("a");
  start();
  EventReader reader(address_, "lastEventId=another-feed:7");
  EXPECT_TRUE(reader.next().starts_with("event: reset\ndata: {}\nid: "));
  EventReader next(address_, "lastEventId=" + reader.last_id());
  next.until("retry: 1000\n\n");
  set("a", RunStatus::kExecuting);
  EXPECT_TRUE(next.next().starts_with("event: run\n"));
}

TEST_P(Events, QuietStreamsSayThatTheyLive) {
  start({10, 50});
  EventReader reader(address_, "");
  EXPECT_TRUE(reader.until(":\nid: ").ends_with(":\nid: "));
}

TEST_P(Events, WhatIsAskedWronglyIsRefused) {
  start();
  const auto ask = [this](const std::string& query) {
    Client client(address_);
    client.send("GET /cairn/v1/events?" + query + " HTTP/1.1\r\nHost: " + address_ + "\r\n\r\n");
    return client.read_reply();
  };
  EXPECT_EQ(ask("status=FAILED").status, 400u);
  EXPECT_EQ(ask("metadata=yes").body, R"({"error":"metadata must be 1 or 0","parameter":"metadata"})");
  EXPECT_EQ(ask("lastEventId=x").status, 400u);
}

TEST_P(Events, ManyStreamsGetTheirRowsAndTheStopEndsThem) {
  add("a");
  start();
  std::vector<std::unique_ptr<EventReader>> readers;
  for (int i = 0; i < 200; ++i) {
    readers.push_back(std::make_unique<EventReader>(address_, "run=a"));
  }
  wait_for_streams(200);
  for (auto& reader : readers) {
    reader->begin();
  }
  set("a", RunStatus::kExecuting);
  for (auto& reader : readers) {
    EXPECT_NE(reader->next().find("EXECUTING"), std::string::npos);
  }
  const auto begin = std::chrono::steady_clock::now();
  server_->stop(5'000);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  for (auto& reader : readers) {
    EXPECT_TRUE(reader->ended()) << "between two events";
  }
}

TEST_P(Events, ClientsThatGoAwayAreForgotten) {
  start();
  { EventReader reader(address_, ""); }
  wait_for_streams(0);
}

CAIRN_ON_EACH_STORAGE(Events);

class EventsOfLargeRuns : public Events {
 protected:
  static constexpr size_t kTextBytes = 250'000;
  EventsOfLargeRuns() : Events(setup()) {}
  static StorageSetup setup() {
    StorageSetup out;
    out.metadata_bytes_max = kTextBytes + 100;
    return out;
  }
};

TEST_P(EventsOfLargeRuns, AnEventHasABoundInBytesAndLeavesNoneOut) {
  constexpr size_t kRuns = 22;
  add("first");
  start();
  EventReader before(address_, "");
  before.begin();
  const std::string id = before.last_id();
  for (size_t i = 0; i < kRuns; ++i) {
    server::Trigger trigger;
    trigger.task = "t";
    trigger.metadata = R"({"text":")" + std::string(kTextBytes, 'x') + "\"}";
    tested_->add("run-" + std::to_string(i), trigger);
  }
  EventReader reader(address_, "metadata=1", "Last-Event-ID: " + id + "\r\n");
  size_t rows = 0;
  while (rows < kRuns) {
    const std::string event = reader.next();
    ASSERT_TRUE(event.starts_with("event: run\n")) << event.substr(0, 100);
    EXPECT_LE(event.size(), EventStreams::kBytesOfEventMax + kTextBytes + 1000);
    for (size_t at = event.find("{\"id\":"); at != std::string::npos; at = event.find("{\"id\":", at + 1)) {
      ++rows;
    }
  }
  EXPECT_EQ(rows, kRuns);
}

CAIRN_ON_EACH_STORAGE(EventsOfLargeRuns);

}  // namespace
}  // namespace cairn::tests
