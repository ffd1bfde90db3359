// What is told of one request when it is over (Ended), from the end of its head on.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "api/http/core.h"
#include "api/http/options.h"

namespace cairn::http {

/// Does nothing in a server that nobody asked for it. Used by the thread of all connections.
class Account {
 public:
  /// The head is there. `given_id`: the header X-Request-Id.
  void open(const Core& core, std::string_view method, std::string_view path, std::string_view given_id);
  void set_route(std::string_view route) { route_ = route; }
  void set_role(int role) { role_ = role; }
  /// This is sent. Of a request without a head that was understood it is the beginning.
  void responds(const Core& core, unsigned status, uint64_t bytes);
  /// More of its body is sent.
  void sends(uint64_t bytes) { bytes_ += bytes; }
  /// Tells it, once. Without a response: status 0.
  void close(const Core& core) noexcept;
  /// For the response; "": none.
  [[nodiscard]] const std::string& id() const { return id_; }

 private:
  void begin(const Core& core);

  bool is_open_ = false;
  std::chrono::steady_clock::time_point began_;
  std::string method_;
  std::string path_;
  std::string id_;
  std::string_view route_;
  unsigned status_ = 0;
  uint64_t bytes_ = 0;
  int role_ = 0;
};

}  // namespace cairn::http
