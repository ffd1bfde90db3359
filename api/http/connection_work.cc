// A connection's request with the service: on its way there, kept for later, and the answer's way back.
#include <boost/asio/post.hpp>
#include <utility>  // ahead of Asio

#include "api/http/connection.h"
#include "api/http/response_text.h"
#include "api/http/return_path.h"

namespace cairn::http {

namespace {

constexpr size_t kReadBytesWhileKept = 512;

}  // namespace

void Connection::dispatch() {
  request_.body = std::move(parser_->get().body());
  pending_ = std::make_shared<Pending>(weak_from_this(), core_.way_back);
  timer_.cancel();
  ++deadline_number_;
  ++core_.requests;
  auto request = std::make_shared<Request>(std::move(request_));
  give_memory_back();
  boost::asio::post(core_.work, [&core = core_, request, pending = pending_] {
    try {
      core.service.serve(std::move(*request), Answer(pending));
    } catch (...) {  // NOLINT(bugprone-empty-catch): the answer that was destroyed says so
    }
    if (!pending->given) {
      pending->way->tell(pending, ReturnPath::Word::kKept);
    }
  });
}

// Thousands of requests may wait for their answers at once.
void Connection::give_memory_back() {
  parser_.reset();
  head_out_ = std::string();
  if (in_.size() == 0) {
    in_ = boost::beast::flat_buffer();
  }
}

void Connection::kept(Pending& pending) noexcept {
  if (closed_ || &pending != pending_.get() || pending.given) {
    return;
  }
  if (core_.kept >= core_.limits.kept_max) {
    pending.wanted = false;
    pending_.reset();
    count_body(0);
    try {
      respond(response_to({503, "too many requests wait for their answers"}));
    } catch (...) {
      close();
    }
    return;
  }
  count_body(0);  // the service has had it
  ++core_.kept;
  is_kept_ = true;
  if (in_.size() != 0) {
    return;
  }
  try {
    channel_->read_some(in_.prepare(kReadBytesWhileKept), then(&Connection::on_bytes_while_kept));
    reads_while_kept_ = true;
  } catch (...) {  // NOLINT(bugprone-empty-catch): only that the client has gone is not learned
  }
}

void Connection::leave_kept() noexcept { core_.kept -= std::exchange(is_kept_, false) ? 1 : 0; }

void Connection::on_bytes_while_kept(ErrorCode ec, size_t n) {
  reads_while_kept_ = false;
  if (!ec) {
    in_.commit(n);  // of a next request, which waits for its turn
  }
  if (answer_is_here_) {
    send_answer();
  } else if (ec) {
    close();
  }
}

void Connection::answered(Pending& pending) noexcept {
  if (!pending.failed && !is_sendable(pending.response)) {
    pending.failed = true;
  }
  if (pending.failed) {
    ++core_.failed_handlers;
    core_.log("a request was answered 500: its handler failed");
  }
  if (closed_ || &pending != pending_.get()) {
    return;
  }
  count_body(0);
  answer_is_here_ = true;
  try {
    if (reads_while_kept_) {
      end_read_while_kept();
    } else {
      send_answer();
    }
  } catch (...) {
    core_.log("a connection was closed: out of memory");
    close();
  }
}

// A read of TLS is several of the socket. One that has just ended is not cancelled, and the next one begins.
void Connection::end_read_while_kept() {
  ErrorCode ignored;
  channel_->socket().cancel(ignored);  // then on_bytes_while_kept
  timer_.expires_after(kCancelAgain);
  timer_.async_wait([self = shared_from_this()](ErrorCode ec) {
    if (!ec && !self->closed_ && self->reads_while_kept_) {
      self->end_read_while_kept();
    }
  });
}

void Connection::send_answer() {
  const std::shared_ptr<Pending> pending = std::move(pending_);
  answer_is_here_ = false;
  leave_kept();
  if (pending->is_stream && !pending->failed) {
    begin_stream(pending);
    return;
  }
  pending->wanted = !pending->is_stream;  // a stream has failed
  respond(pending->failed ? response_to({500, "internal error"}) : std::move(pending->response));
}

}  // namespace cairn::http
