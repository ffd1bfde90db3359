// Where a run came from, and that its worker is gone: real workers and commands, and a server on a clock of the test.
#ifdef CAIRN_TOOLS_NETWORK

#include <unistd.h>

#include <memory>

#include "api/http/server.h"
#include "api/report/readable_text.h"
#include "api/server/store_service.h"
#include "engine/base/host_name.h"
#include "engine/store/store_storage.h"
#include "engine/sync/question.h"
#include "tests/cli/server_fixture.h"
#include "tests/http/http_fixture.h"
#include "tests/support/fake_clock.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Origin : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    clock_.wall_us = report::wall_us();
    engine::StoreOptions options;
    options.directory = path("centre");
    options.background = true;
    testing::use_clock(options.hooks, *this);
    auto opened = engine::Store::open(std::move(options));
    ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
    store_ = std::move(*opened);
    storage_ = std::make_unique<engine::sync::StoreStorage>(*store_);
    receiver_ = std::make_unique<engine::sync::Receiver>(*storage_);
    service_ = std::make_unique<server::StoreService>(*store_, *receiver_, server::StoreService::Options());
    http::ServerOptions listen;
    listen.listen = {"127.0.0.1:0"};
    auto started = http::Server::start(std::move(listen), service_->routes());
    ASSERT_TRUE(started.ok()) << started.status().what;
    server_ = std::move(*started);
    url_ = "http://" + server_->addresses().front();
  }
  void TearDown() override {
    ServerTest::TearDown();
    server_->stop(0);
    server_.reset();
    service_.reset();
    receiver_.reset();
    storage_.reset();
    EXPECT_TRUE(store_->close(0).ok());
  }

  /// A worker with an unfinished run and a finished one, whose process sends them; returns once the centre knows whose
  /// they are.
  void work() {
    for (const char* id : {"busy", "done"}) {
      ASSERT_EQ(bare({"--store", path("worker"), "start", "--id", id}).exit, 0);
    }
    ASSERT_EQ(bare({"--store", path("worker"), "finish", "done"}).exit, 0);
    begin_worker();
  }
  void begin_worker() {
    ASSERT_NE(serve("worker", {"--upstream", url_}), "");
    wait_until([this] { return origin("busy").contains("host") && !origin("busy").at("worker_gone").get<bool>(); });
  }
  template <class Condition>
  void wait_until(const Condition& condition) {
    for (int i = 0; i < 1200 && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ASSERT_TRUE(condition());
  }
  std::string at_url(std::vector<std::string> words) {
    words.insert(words.begin(), {"--store", url_});
    return bare(words).out;
  }
  std::string in_directory(std::vector<std::string> words) {
    words.insert(words.begin(), {"--store", path("centre")});
    return bare(words).out;
  }
  std::string get(const std::string& route) const {
    const std::string address = server_->addresses().front();
    Client client(address);
    client.send("GET " + route + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
    return client.read_reply().body;
  }
  Json shown(const std::string& id) {
    const Json run = Json::parse(at_url({"show", id, "--json"}), nullptr, false);
    return run.is_object() ? run : Json::object();
  }
  Json origin(const std::string& id) { return shown(id).value("origin", Json::object()); }
  static std::string ids_of(const std::string& lines) {
    std::string out;
    std::istringstream in(lines);
    for (std::string line; std::getline(in, line);) {
      out += Json::parse(line).at("id").get<std::string>() + " ";
    }
    return out;
  }

 public:
  testing::FakeClock& clock() { return clock_; }

 protected:
  testing::FakeClock clock_;
  std::string url_;
  std::unique_ptr<engine::Store> store_;
  std::unique_ptr<engine::sync::StoreStorage> storage_;
  std::unique_ptr<engine::sync::Receiver> receiver_;
  std::unique_ptr<server::StoreService> service_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(Origin, AWorkerIsShownWithItsHostAndThenAsGone) {
  work();
  const Json first = origin("busy");
  EXPECT_EQ(first.at("host"), engine::host_name());
  EXPECT_EQ(first.at("directory"), path("worker"));
  EXPECT_EQ(first.at("store").get<std::string>().size(), 32u);
  EXPECT_THAT(at_url({"show", "busy"}),
              HasSubstr("from      " + engine::host_name() + ", store " + path("worker") + ", last heard of "));
  end("worker", SIGKILL);
  clock_.advance_ms(181'000);
  EXPECT_EQ(origin("busy").at("worker_gone"), true);
  EXPECT_EQ(origin("done").at("worker_gone"), false) << "it has nothing to do any more";
  EXPECT_THAT(at_url({"ls"}), HasSubstr("EXECUTING (silent)"));
  const Json stores = Json::parse(get("/cairn/v1/stores"));
  ASSERT_EQ(stores.at("stores").size(), 1u);
  const Json& store = stores.at("stores").at(0);
  EXPECT_EQ(store.at("host"), engine::host_name());
  EXPECT_EQ(store.at("directory"), path("worker"));
  EXPECT_EQ(store.at("process_id"), pids_["worker"]);
  EXPECT_EQ(store.at("runs"), 2);
  EXPECT_EQ(store.at("unfinished_runs"), 1);
  EXPECT_EQ(store.at("gone"), true);
  EXPECT_TRUE(store.at("last_heard_at").is_string() && store.at("last_batch_at").is_string());
  begin_worker();
  EXPECT_THAT(at_url({"ls"}), Not(HasSubstr("silent")));
}

TEST_F(Origin, RunsAreListedByWhereTheyCameFromAtTheUrlAndInTheDirectory) {
  engine::StartOptions own;
  own.id = "own";
  ASSERT_TRUE(store_->start(own).ok());
  work();
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->step(0).ok());
  clock_.advance_ms(31'000);
  ASSERT_TRUE(store_->step(0).ok());
  const std::string id = origin("busy").at("store");
  for (const std::string& from : {engine::host_name(), id, id.substr(0, 6)}) {
    const std::vector<std::string> line = {"ls", "--json", "--order", "id", "--from", from};
    EXPECT_EQ(ids_of(at_url(line)), "busy done ") << from;
    EXPECT_EQ(ids_of(in_directory(line)), "busy done ") << from;
  }
  const std::vector<std::string> elsewhere = {"ls", "--json", "--from", "no-host"};
  EXPECT_EQ(at_url(elsewhere), "");
  EXPECT_EQ(in_directory(elsewhere), "");
  EXPECT_EQ(at_url({"show", "own", "--json"}).find("origin"), std::string::npos);
  EXPECT_THAT(in_directory({"show", "busy"}), HasSubstr("from      " + engine::host_name() + ", store "));
}

TEST_F(Origin, WhatAStoreTellsOfItselfCannotDriveATerminal) {
  work();
  end("worker", SIGKILL);
  engine::sync::Question question;
  const std::string id = origin("busy").at("store");
  for (size_t i = 0; i < question.owner.size(); ++i) {
    question.owner[i] = static_cast<uint8_t>(std::stoul(id.substr(2 * i, 2), nullptr, 16));
  }
  question.follows = true;
  question.about = engine::sync::About{"\x1b[2Jhost\nstatus    COMPLETED", "/d\xc2\x9b", 1, 0};
  (void)receiver_->handle(engine::sync::encode_question(question));
  ASSERT_TRUE(store_->step(0).ok());
  clock_.advance_ms(31'000);
  ASSERT_TRUE(store_->step(0).ok());
  for (const std::string& out : {at_url({"show", "busy"}), in_directory({"show", "busy"})}) {
    EXPECT_THAT(out, HasSubstr("from      \\x1b[2Jhost\\x0astatus    COMPLETED, store /d\\xc2\\x9b, last heard of"));
    EXPECT_EQ(out.find('\x1b'), std::string::npos);
  }
  EXPECT_EQ(origin("busy").at("host"), question.about->host);
}

}  // namespace
}  // namespace cairn::tests

#endif
