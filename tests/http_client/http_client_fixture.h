// A client, a scripted server and what a test asks of them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "api/http_client/client.h"
#include "tests/support/scripted_server.h"

namespace cairn::http_client {

using ::testing::HasSubstr;
using ::testing::Not;
using tests::answer;
using tests::cut;
using tests::held;
using tests::http;
using tests::raw;
using tests::reset;
using tests::ScriptedServer;
using tests::Step;

inline constexpr int64_t kLongMs = 60'000;  // no test gets there
inline constexpr char kCanary[] = "canary-0123456789-token-0123456789";

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClientTest() {
    std::string name = ::testing::TempDir() + "http_client_XXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~HttpClientTest() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string file(const std::string& name) const { return directory_ + "/" + name; }
  std::string write_file(const std::string& name, const std::string& bytes, mode_t mode = 0600) const {
    std::ofstream(file(name)) << bytes;
    chmod(file(name).c_str(), mode);
    return file(name);
  }

  [[nodiscard]] Secret token() const {
    auto secret = Secret::from_file(write_file("token", kCanary));
    EXPECT_TRUE(secret.ok()) << secret.status().what;
    return std::move(*secret);
  }
  static Options to(const std::string& url) {
    Options options;
    options.url = url;
    options.timeout_ms = kLongMs;
    options.connect_timeout_ms = kLongMs;
    return options;
  }
  void open(Options options) {
    auto client = Client::open(std::move(options));
    ASSERT_TRUE(client.ok()) << client.status().what;
    client_ = std::move(*client);
  }
  void open(const ScriptedServer& server) { open(to(server.url())); }

  Status send(const std::string& body = "body", const std::string& path = "/v1/sync") {
    return client_->send("POST", path, body, "application/octet-stream");
  }
  Reply reply() {
    auto reply = client_->poll(kLongMs);
    EXPECT_TRUE(reply.has_value());
    EXPECT_FALSE(client_->busy());
    return reply.value_or(Reply{});
  }
  Reply post(const std::string& body = "body", const std::string& path = "/v1/sync") {
    const Status status = send(body, path);
    EXPECT_TRUE(status.ok()) << status.what;
    return reply();
  }

  std::string directory_;
  std::unique_ptr<Client> client_;
};

}  // namespace cairn::http_client
