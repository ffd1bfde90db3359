// The response to one request, to be given now or later, from any thread.
#pragma once

#include <memory>

#include "api/http/request.h"

namespace cairn::http {

struct Pending;

/// One that is destroyed without having been used answers 500. It may outlive the server: then it does nothing.
class Answer {
 public:
  Answer() = default;
  explicit Answer(std::shared_ptr<Pending> pending) noexcept : pending_(std::move(pending)) {}
  Answer(Answer&&) noexcept = default;
  Answer& operator=(Answer&& other) noexcept;
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  ~Answer();

  /// At most once. Threads: any.
  void send(Response response) noexcept;
  /// False: the client has gone, or the server has ended. Seen only after the call of serve() that got this answer has
  /// returned, and as long as the client sends nothing meanwhile. A client that has only ended its sending counts as
  /// gone then. Threads: any.
  [[nodiscard]] bool is_wanted() const noexcept;

 private:
  void give(bool failed) noexcept;

  std::shared_ptr<Pending> pending_;
};

}  // namespace cairn::http
