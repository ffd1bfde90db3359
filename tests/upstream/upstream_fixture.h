// Stores that send, and one that takes what they send behind a real HTTP server, with the faults a test asks for.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zstd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "cairn/cairn.hpp"
#include "cairn/upstream.hpp"
#include "tests/support/function_service.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {

inline constexpr const char* kToken = "canary-token-0123456789-abcdefghijklmnop";
inline constexpr std::chrono::milliseconds kLong{120'000};  // no test gets there

inline bool wait_for(const std::function<bool()>& done) {
  for (int64_t waited = 0; waited < kLong.count(); waited += 2) {
    if (done()) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return done();
}

/// As `cairn serve`, as far as messages go.
class Receiver {
 public:
  explicit Receiver(const std::string& directory)
      : store_(Store::open(directory + "/received")), socket_("unix:" + directory + "/socket") {}
  ~Receiver() {
    let_go();
    stop();
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  void listen(const std::string& address = "") {
    http::ServerOptions options;
    options.listen = {address.empty() ? socket_ : address};
    options.handler_threads = 4;
    service_.admission.body_bytes_max = body_bytes_max;
    if (!token.empty()) {
      options.authenticate = who_has(token);
    }
    auto server = http::Server::start(std::move(options), service_);
    ASSERT_TRUE(server.ok()) << server.status().what;
    server_ = std::move(*server);
    const std::string at = server_->addresses().front();
    url_ = at.starts_with("unix:") ? at : "http://" + at;
  }
  /// Cuts what is in work, and waits for it.
  void stop() {
    if (server_) {
      server_->stop(0);
    }
    server_.reset();
  }
  [[nodiscard]] std::string url() const { return url_.empty() ? socket_ : url_; }
  Store& store() { return store_; }
  [[nodiscard]] http::Counters counters() const { return server_->counters(); }

  /// The next message is taken, and its answer held back until let_go().
  void hold_next_answer() { holds_ = true; }
  [[nodiscard]] bool holding() const { return holding_; }
  void let_go() { goes_ = true; }

  std::string token;
  size_t body_bytes_max = size_t{8} << 20;
  std::function<void(const http::Request& request, http::Response& response)> spoil;  // what is answered
  std::atomic<int> taken{0};
  std::atomic<int> compressed{0};

 private:
  http::Response handle(const http::Request& request) {
    http::Response response;
    if (request.method != "POST" || request.path != "/v1/sync") {
      response.status = 404;
      return response;
    }
    std::string message = request.body;
    if (request.header("Content-Encoding") == "zstd") {
      ++compressed;
      message.assign(ZSTD_getFrameContentSize(request.body.data(), request.body.size()), '\0');
      ZSTD_decompress(message.data(), message.size(), request.body.data(), request.body.size());
    }
    (void)cairn_sync_receive(
        store_.handle(), message.data(), message.size(),
        [](void* to, const void* bytes, size_t count) {
          static_cast<std::string*>(to)->assign(static_cast<const char*>(bytes), count);
        },
        &response.body);
    response.content_type = "application/vnd.cairn.sync";
    ++taken;
    if (holds_.exchange(false)) {
      holding_ = true;
      wait_for([this] { return goes_.load(); });
      holding_ = false;
      goes_ = false;
    }
    if (spoil) {
      spoil(request, response);
    }
    return response;
  }

  Store store_;
  const std::string socket_;
  std::string url_;
  std::atomic<bool> holds_{false};
  std::atomic<bool> holding_{false};
  std::atomic<bool> goes_{false};
  FunctionService service_{[this](const http::Request& request) { return handle(request); }};
  std::unique_ptr<http::Server> server_;  // destroyed first
};

class UpstreamTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string file(const std::string& name) const { return directory_.path() + "/" + name; }
  std::string write_file(const std::string& name, const std::string& bytes, mode_t mode = 0600) const {
    std::ofstream(file(name), std::ios::trunc) << bytes;
    chmod(file(name).c_str(), mode);
    return file(name);
  }

  Store open_store(const std::string& name = "store", bool background = true) const {
    Options options;
    options.background = background;
    return Store::open(file(name), options);
  }
  /// To the receiver, with a thread, and no waiting between batches.
  [[nodiscard]] UpstreamOptions options() const {
    UpstreamOptions o;
    o.url = receiver_.url();
    o.timeout = std::chrono::hours(24);  // what waits for a request to end waits for ever
    o.interval = std::chrono::milliseconds(1);
    return o;
  }
  [[nodiscard]] UpstreamOptions stepped() const {
    UpstreamOptions o = options();
    o.background = false;
    return o;
  }

  static cairn_sync_state sync_state(Store& store) {
    cairn_sync_state state = {};
    state.struct_bytes = sizeof state;
    EXPECT_EQ(cairn_sync_get_state(store.handle(), nullptr, &state), CAIRN_OK);
    return state;
  }
  static bool failed(Store& store, uint64_t times = 1) {
    return wait_for([&] { return sync_state(store).failures >= times; });
  }

  /// id -> status and metadata.
  static std::map<std::string, std::string> all(Store& store) {
    std::map<std::string, std::string> runs;
    Query query;
    query.metadata = true;
    for (const RunInfo& info : store.runs(query)) {
      runs[info.id] = std::string(name(info.status)) + " " + info.metadata.value_or(json()).dump();
    }
    return runs;
  }
  void expect_equal(Store& store) {
    const auto ours = all(store);
    EXPECT_FALSE(ours.empty());
    EXPECT_EQ(ours, all(receiver_.store()));
  }

  TemporaryDirectory directory_;
  Receiver receiver_{directory_.path()};
};

}  // namespace cairn::tests
