// A request that waits for its response.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "api/http/request.h"

namespace cairn::http {

class ReturnPath;
struct Pending;

/// Who waits. Called by the thread of all connections.
class Asker {
 public:
  virtual ~Asker() = default;
  virtual void answered(Pending& pending) noexcept = 0;
  /// The service keeps the answer for later.
  virtual void kept(Pending& pending) noexcept = 0;
  /// A piece of the body, or with `is_end` what ends it.
  virtual void continued(Pending& pending, std::string piece, bool is_end) noexcept = 0;
};

struct Pending {
  Pending(std::weak_ptr<Asker> who, std::shared_ptr<ReturnPath> back) : asker(std::move(who)), way(std::move(back)) {}

  const std::weak_ptr<Asker> asker;
  const std::shared_ptr<ReturnPath> way;
  // Written by whoever answers, before it posts.
  Response response;
  bool failed = false;
  bool is_stream = false;  // the body comes in pieces
  std::atomic<bool> given{false};
  std::atomic<bool> wanted{true};
  std::atomic<size_t> unsent_bytes{0};  // of pieces
};

}  // namespace cairn::http
