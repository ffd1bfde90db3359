// A real server of the routes of runs, on each storage that there is and a clock of the test.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "api/server/keys.h"
#include "api/server/route_table.h"
#include "api/server/run_api.h"
#include "tests/http/http_fixture.h"
#include "tests/server/tested_storages.h"

namespace cairn::tests {

class ApiTest : public HttpTest, public ::testing::WithParamInterface<StorageKind> {
 protected:
  static constexpr const char* kKey = "api-key-0123456789-abcdefghijklmnopqrst";
  static constexpr int64_t kStartUs = 1'796'000'000'000'000;  // 2026-11-30T00:53:20.000Z

  /// Starts the server, with the key kKey.
  ApiTest();
  ~ApiTest() override;

  /// `line`: "POST /api/v1/runs". Sends what a client must and no more: the key, and the length of a body.
  Reply call(const std::string& line, const std::string& body = "", const std::string& headers = "");
  /// With this bearer instead of the key; "": without Authorization.
  Reply call_as(const std::string& bearer, const std::string& line, const std::string& body = "",
                const std::string& headers = "");
  /// The JSON text at the path ("data.0.id"); "absent" if there is nothing.
  static std::string at(const Reply& reply, const std::string& path);
  /// Expects the status and {"error": `text`}.
  static void expect_error(const Reply& reply, unsigned status, const std::string& text);

  /// A public token of these scopes; `further` is put among its claims: R"("otu":true,)".
  std::string token(const std::vector<std::string>& scopes, const std::string& further = "");
  /// The id of a new run.
  std::string trigger(const std::string& task = "t", const std::string& options = "{}",
                      const std::string& payload = "null");
  server::RunView run(const std::string& id, unsigned parts = server::kMetadata);
  size_t run_count();
  void set_status(const std::string& id, engine::RunStatus status);

  /// Another server on the same storage. Its address is `address_of_other_`.
  void start_other();

  std::atomic<int64_t> now_us_{kStartUs};
  const std::unique_ptr<TestedStorage> tested_;
  server::RunStorage& storage_;
  server::Keys keys_;
  server::RouteTable table_;
  std::unique_ptr<http::Server> api_server_;
  std::string api_address_;

  std::unique_ptr<server::RunStorage> other_door_;
  std::unique_ptr<server::RouteTable> other_table_;
  std::unique_ptr<http::Server> other_server_;
  std::string other_address_;

 private:
  std::unique_ptr<http::Server> start_server(server::RouteTable& table, std::string& address);
  server::ApiOptions api_options();
};

}  // namespace cairn::tests
