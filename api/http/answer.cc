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

Stream Answer::begin(Response head) noexcept {
  if (pending_ == nullptr) {
    return {};
  }
  pending_->response = std::move(head);
  pending_->is_stream = true;
  const std::shared_ptr<Pending> pending = pending_;
  give(false);
  return Stream(pending);
}

Stream& Stream::operator=(Stream&& other) noexcept {
  end();
  pending_ = std::move(other.pending_);
  return *this;
}

Stream::~Stream() { end(); }

void Stream::send(std::string piece) noexcept {
  if (is_wanted() && !piece.empty()) {
    pending_->unsent_bytes += piece.size();
    pending_->way->tell(pending_, ReturnPath::Word::kPiece, std::move(piece));
  }
}

void Stream::end() noexcept {
  if (pending_ != nullptr) {
    const std::shared_ptr<Pending> pending = std::move(pending_);
    pending->way->tell(pending, ReturnPath::Word::kEnd);
  }
}

bool Stream::is_wanted() const noexcept { return pending_ != nullptr && pending_->wanted; }

size_t Stream::unsent_bytes() const noexcept { return pending_ == nullptr ? 0 : pending_->unsent_bytes.load(); }

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
