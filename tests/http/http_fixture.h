// A server on a real socket, and clients that send exactly the bytes a test says.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/function_service.h"

namespace cairn::tests {

inline constexpr const char* kToken = "canary-token-0123456789-abcdefghijklmnop";
inline constexpr int64_t kNever = 1'000'000;  // ms: longer than any test

struct Reply {
  unsigned status = 0;  // 0: none came before the connection ended
  std::string head;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

/// One connection. Reading gives up after 20 s, and then the test fails.
class Client {
 public:
  /// As in ServerOptions::listen.
  explicit Client(const std::string& address);
  struct MayFail {};
  static constexpr MayFail kMayFail{};
  /// Without a server there, fd() is negative.
  Client(const std::string& address, MayFail);
  static bool is_listening(const std::string& address) { return Client(address, kMayFail).fd() >= 0; }
  ~Client();
  Client(Client&& other) noexcept;
  Client& operator=(Client&&) = delete;

  /// False: the server has closed the connection.
  bool send(std::string_view bytes);
  void end_sending();
  /// Closes with a reset, as a process does that is killed with bytes unread.
  void vanish();
  /// `to_head`: the reply has no body.
  Reply read_reply(bool to_head = false);
  /// What comes until the server closes the connection.
  std::string read_to_end();
  /// True once the server has closed and nothing else has come. A reset counts as closed, not as clean.
  bool ends();
  bool ends_cleanly();
  [[nodiscard]] int fd() const { return fd_; }

 private:
  enum class Read { kData, kEnd, kReset, kTimeout };
  Read read_more();
  int fd_ = -1;
  std::string in_;
};

class HttpTest : public ::testing::Test {
 protected:
  HttpTest();
  ~HttpTest() override;

  /// With options_ and handler_; the first address is address().
  void start();
  Status try_start();
  void stop(int64_t deadline_ms = 5000);

  [[nodiscard]] std::string address(size_t index = 0) const { return addresses_.at(index); }
  [[nodiscard]] Client connect() const { return Client(address()); }
  /// The head of a request to address(), with an empty line.
  [[nodiscard]] std::string request(const std::string& line, const std::string& headers = "") const;
  [[nodiscard]] std::string get(const std::string& target = "/", const std::string& headers = "") const {
    return request("GET " + target + " HTTP/1.1", headers);
  }
  [[nodiscard]] std::string post(const std::string& body, const std::string& headers = "") const;
  /// Sends `bytes` over a connection of their own.
  [[nodiscard]] Reply ask(const std::string& bytes) const;
  [[nodiscard]] unsigned status_of(const std::string& bytes) const { return ask(bytes).status; }
  /// Expects that `bytes` are answered with `status` only, that the connection is closed cleanly, and that nothing
  /// reaches the handler, neither of `bytes` nor of a request behind them.
  void expect_refused(unsigned status, const std::string& bytes);

  [[nodiscard]] std::vector<http::Request> served() const;
  [[nodiscard]] std::string logged() const;
  [[nodiscard]] const std::string& directory() const { return directory_; }

  http::ServerOptions options_;
  HttpHandler handler_;  // default: answers "METHOD path?query body"
  /// Admits what start() serves; the handler is called by it.
  FunctionService service_{[this](const http::Request& request) {
    {
      const std::lock_guard lock(mutex_);
      served_.push_back(request);
    }
    return handler_(request);
  }};
  std::unique_ptr<http::Server> server_;

 private:
  mutable std::mutex mutex_;
  std::vector<http::Request> served_;
  std::string logged_;
  std::vector<std::string> addresses_;
  std::string directory_;
};

/// Waits until `done`, at most 20 s.
bool wait_for(const std::function<bool()>& done);

}  // namespace cairn::tests
