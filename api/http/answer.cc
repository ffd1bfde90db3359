#include "api/http/answer.h"

#include <utility>

#include "api/http/pending.h"
#include "api/http/return_path.h"

namespace cairn::http {

Answer& Answer::operator=(Answer&& other) noexcept {
  give(true);
  pending_ = std::move(other.pending_);
  return *this;
}

Answer::~Answer() { give(true); }

void Answer::send(Response response) noexcept {
  if (pending_ != nullptr) {
    pending_->response = std::move(response);
    give(false);
  }
}

bool Answer::is_wanted() const noexcept { return pending_ != nullptr && pending_->wanted; }

void Answer::give(bool failed) noexcept {
  if (pending_ == nullptr) {
    return;
  }
  const std::shared_ptr<Pending> pending = std::move(pending_);
  pending->failed = failed;
  pending->given = true;
  pending->way->tell(pending, ReturnPath::Word::kAnswered);
}

}  // namespace cairn::http
