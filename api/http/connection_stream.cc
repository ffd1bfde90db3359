// A connection's response whose body comes in pieces: the head, then each piece as a chunk when it is here, then the end.
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <utility>  // ahead of Asio

#include "api/http/connection.h"
#include "api/http/response_text.h"

namespace cairn::http {

namespace asio = boost::asio;

void Connection::begin_stream(std::shared_ptr<Pending> pending) {
  if (core_.kept >= core_.limits.kept_max) {
    pending->wanted = false;
    end_stream();  // pieces that came before
    respond(response_to({503, "too many requests wait for their answers"}));
    return;
  }
  if (core_.stopping || core_.is_crowded() || version_ < 11) {
    keep_alive_ = false;
  }
  if (!account_.id().empty()) {
    pending->response.headers.emplace_back("X-Request-Id", account_.id());
  }
  account_.responds(core_, pending->response.status, 0);
  const Framing::Body body = version_ < 11 ? Framing::Body::kUntilClose : Framing::Body::kChunked;
  head_out_ = response_head(pending->response, {keep_alive_, version_, body, page_}, core_.cors, std::time(nullptr));
  pending->response = Response();
  ++core_.kept;
  is_kept_ = true;
  stream_ = std::move(pending);
  if (is_head_) {
    stream_->wanted = false;
    pieces_.clear();
    pieces_end_ = true;
  }
  set_deadline(core_.limits.write_ms);
  writes_ = true;
  channel_->write({asio::buffer(head_out_), asio::const_buffer()}, then(&Connection::on_piece_written));
}

void Connection::continued(Pending& pending, std::string piece, bool is_end) noexcept {
  if (closed_ || (&pending != stream_.get() && &pending != pending_.get()) || (stream_ != nullptr && is_head_)) {
    return;
  }
  try {
    pieces_ += piece;
    pieces_end_ = pieces_end_ || is_end;
    if (stream_ != nullptr && !writes_) {
      go_on_with_stream();
    }
  } catch (...) {
    core_.log("a connection was closed: out of memory");
    close();
  }
}

void Connection::go_on_with_stream() {
  const bool is_chunked = version_ >= 11 && !is_head_;
  if (pieces_.empty() && !pieces_end_) {
    timer_.cancel();
    ++deadline_number_;
    wait_for_end_of_client();
    return;
  }
  if (pieces_.empty() && !(is_chunked && stream_ != nullptr)) {
    end_stream();
    on_written({}, 0);
    return;
  }
  piece_bytes_ = pieces_.size();
  account_.sends(piece_bytes_);
  head_out_.clear();
  if (is_chunked && piece_bytes_ != 0) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", piece_bytes_);
    head_out_ = size;
    pieces_ += "\r\n";
  }
  if (is_chunked && pieces_end_) {
    pieces_ += "0\r\n\r\n";
  }
  out_.body = std::exchange(pieces_, std::string());
  set_deadline(core_.limits.write_ms);
  writes_ = true;
  if (pieces_end_) {
    end_stream();  // what follows is written as any response is
    channel_->write({asio::buffer(head_out_), asio::buffer(out_.body)}, then(&Connection::on_written));
  } else {
    channel_->write({asio::buffer(head_out_), asio::buffer(out_.body)}, then(&Connection::on_piece_written));
  }
}

void Connection::on_piece_written(ErrorCode ec, size_t /*n*/) {
  out_ = Response();
  writes_ = false;
  if (timed_out_) {
    ++core_.timed_out;
  }
  if (ec || timed_out_) {
    close();
    return;
  }
  stream_->unsent_bytes -= std::exchange(piece_bytes_, 0);
  go_on_with_stream();
}

// A client that goes away says so by the end of its sending. Of TLS that is seen as readable bytes, whose reading is
// left to the next request: then a write will fail.
void Connection::wait_for_end_of_client() {
  if (awaits_end_of_client_) {
    return;
  }
  awaits_end_of_client_ = true;
  channel_->socket().async_wait(Socket::wait_read, [self = shared_from_this()](ErrorCode ec) {
    self->awaits_end_of_client_ = false;
    if (ec || self->closed_ || self->stream_ == nullptr || self->in_.size() != 0) {
      return;
    }
    char byte = 0;
    const ssize_t got = ::recv(self->channel_->socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
      self->close();
    } else if (got > 0) {
      self->awaits_end_of_client_ = true;  // a next request, which waits for its turn; nothing more can be seen
    }
  });
}

void Connection::end_stream() noexcept {
  if (stream_ != nullptr) {
    const std::shared_ptr<Pending> stream = std::move(stream_);
    stream->wanted = false;
    stream->unsent_bytes = 0;
    leave_kept();
  }
  pieces_end_ = false;
  piece_bytes_ = 0;
  pieces_.clear();
  awaits_end_of_client_ = false;
}

}  // namespace cairn::http
