// The response to one request, to be given now or later, from any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "api/http/request.h"

namespace cairn::http {

struct Pending;

/// The body of a response that comes in pieces, over time. One that is destroyed ends it. It may outlive the server: then
/// it does nothing. Nothing is dropped for a client that reads slowly: whoever sends looks at unsent_bytes() first. Each
/// piece must be received within Limits::write_ms, or the connection is closed. Threads: any, one at a time.
class Stream {
 public:
  Stream() = default;
  explicit Stream(std::shared_ptr<Pending> pending) noexcept : pending_(std::move(pending)) {}
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&& other) noexcept;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  void send(std::string piece) noexcept;
  /// The body is complete.
  void end() noexcept;
  /// False: the client has gone, it wanted the head only, or the server has ended.
  [[nodiscard]] bool is_wanted() const noexcept;
  /// What was sent here and is not with the operating system yet.
  [[nodiscard]] size_t unsent_bytes() const noexcept;

 private:
  std::shared_ptr<Pending> pending_;
};

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
  /// The same, with a body that follows in pieces: `head` has none. It counts as an answer that is kept.
  Stream begin(Response head) noexcept;
  /// False: the client has gone, or the server has ended. Seen only after the call of serve() that got this answer has
  /// returned, and as long as the client sends nothing meanwhile. A client that has only ended its sending counts as
  /// gone then. Threads: any.
  [[nodiscard]] bool is_wanted() const noexcept;

 private:
  void give(bool failed) noexcept;

  std::shared_ptr<Pending> pending_;
};

}  // namespace cairn::http
