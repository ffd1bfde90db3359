// A request that waits for its response.
#pragma once

#include <atomic>
#include <memory>

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
};

struct Pending {
  Pending(std::weak_ptr<Asker> who, std::shared_ptr<ReturnPath> back) : asker(std::move(who)), way(std::move(back)) {}

  const std::weak_ptr<Asker> asker;
  const std::shared_ptr<ReturnPath> way;
  // Written by whoever answers, before it posts.
  Response response;
  bool failed = false;
  std::atomic<bool> given{false};
  std::atomic<bool> wanted{true};
};

}  // namespace cairn::http
