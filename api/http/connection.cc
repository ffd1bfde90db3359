#include "api/http/connection.h"

#include <chrono>
#include <ctime>
#include <iterator>
#include <limits>
#include <utility>  // ahead of Asio

#include "api/http/response_text.h"
#include "api/http/target.h"

namespace cairn::http {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr size_t kReadBytes = 16u << 10;
constexpr size_t kReadBytesWhileIdle = 1024;  // most heads; idle connections are many
constexpr int kPreflightsOfAStranger = 16;
constexpr size_t kChunkLineBytesMax = 256;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string_view bytes_of(const boost::beast::flat_buffer& buffer) {
  return {static_cast<const char*>(buffer.cdata().data()), buffer.size()};
}

bool has_bare_line_feed(std::string_view bytes) {
  for (size_t at = bytes.find('\n'); at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
    if (at == 0 || bytes[at - 1] != '\r') {
      return true;
    }
  }
  return false;
}

// Chunk extensions are not used in practice, and servers that end them at different places are open to smuggling.
struct NoExtensions {
  void operator()(std::uint64_t /*size*/, boost::beast::string_view extensions, boost::system::error_code& ec) {
    if (!extensions.empty()) {
      ec = http::error::bad_chunk_extension;
    }
  }
};
NoExtensions no_extensions;  // the parser keeps a reference to it

Refusal refusal_of(boost::system::error_code ec) {
  if (ec == http::error::body_limit) {
    return {413, "Request body too large"};
  }
  if (ec == http::error::header_limit) {
    return {431, "the head is too large"};
  }
  return {400, "not an HTTP request"};
}

}  // namespace

Connection::Connection(Core& core, std::unique_ptr<Channel> channel, std::shared_ptr<const Names> names)
    : core_(core), channel_(std::move(channel)), names_(std::move(names)), timer_(core.io) {}

void Connection::start() {
  at_ = core_.strangers.insert(core_.strangers.end(), this);
  list_ = &core_.strangers;
  set_deadline(core_.limits.header_ms);
  channel_->handshake(then(&Connection::on_handshake));
}

void Connection::leave_lists() noexcept {
  if (list_ != nullptr) {
    std::exchange(list_, nullptr)->erase(at_);
  }
}

void Connection::count_body(size_t bytes) noexcept {
  core_.bodies_bytes += bytes;
  core_.bodies_bytes -= std::exchange(body_bytes_, bytes);
}

void Connection::turn_away() {
  idle_ = false;
  respond(response_to({503, "too many connections"}));
}

void Connection::wind_down() {
  keep_alive_ = false;
  if (idle_) {
    close();
  }
}

void Connection::close() noexcept {
  if (closed_) {
    return;
  }
  closed_ = true;
  account_.close(core_);
  if (pending_ != nullptr) {
    pending_->wanted = false;
  }
  end_stream();
  const std::shared_ptr<Connection> self = shared_from_this();  // leave() may drop the last other reference
  ErrorCode ignored;
  channel_->socket().close(ignored);
  timer_.cancel(ignored);
  leave_lists();
  leave_kept();
  count_body(0);
  core_.leave(self);
}

Done Connection::then(Step step) {
  return [self = shared_from_this(), step](ErrorCode ec, size_t n) {
    if (self->closed_) {
      return;
    }
    try {
      (self.get()->*step)(ec, n);
    } catch (...) {
      self->core_.log("a connection was closed: out of memory");
      self->close();
    }
  };
}

void Connection::set_deadline(int64_t in_ms) {
  timed_out_ = false;
  cancel_in(std::chrono::milliseconds(in_ms), ++deadline_number_);
}

// Again and again until the step runs: an operation of TLS is several of the socket, and one that has just ended is not
// cancelled.
void Connection::cancel_in(std::chrono::milliseconds time, uint64_t number) {
  timer_.expires_after(time);
  timer_.async_wait([self = shared_from_this(), number](ErrorCode ec) {
    if (ec || self->closed_ || number != self->deadline_number_) {
      return;
    }
    self->timed_out_ = true;
    ErrorCode ignored;
    self->channel_->socket().cancel(ignored);
    self->cancel_in(kCancelAgain, number);
  });
}

asio::mutable_buffer Connection::room() { return in_.prepare(idle_ ? kReadBytesWhileIdle : kReadBytes); }

void Connection::on_handshake(ErrorCode ec, size_t /*n*/) {
  if (timed_out_) {
    ++core_.timed_out;
  }
  if (ec || timed_out_) {
    finish();
    return;
  }
  read_request();
}

void Connection::read_request() {
  scan_ = HeadScan();
  parser_.reset();
  request_ = Request();
  admission_ = Admission();
  page_.clear();
  is_preflight_ = false;
  is_head_ = false;
  version_ = 11;
  idle_ = in_.size() == 0;
  if (idle_ && core_.stopping) {
    close();
    return;
  }
  if (idle_) {
    if (known_) {
      at_ = core_.idle.insert(core_.idle.end(), this);
      list_ = &core_.idle;
    }
    set_deadline(core_.limits.idle_ms);
    read_more_of_head();
  } else {
    set_deadline(core_.limits.header_ms);
    scan_head();
  }
}

void Connection::read_more_of_head() { channel_->read_some(room(), then(&Connection::on_head_bytes)); }

void Connection::on_head_bytes(ErrorCode ec, size_t n) {
  if (timed_out_) {
    ++core_.timed_out;
    if (idle_) {
      close();
    } else {
      refuse({408, "the head of the request did not come in time"});
    }
    return;
  }
  if (ec) {
    close();
    return;
  }
  in_.commit(n);
  if (idle_) {
    idle_ = false;
    if (known_) {
      leave_lists();
    }
    set_deadline(core_.limits.header_ms);
  }
  scan_head();
}

void Connection::scan_head() {
  const HeadScan::Found found = scan_.scan(bytes_of(in_).substr(0, core_.limits.header_bytes_max));
  if (found == HeadScan::Found::kBad) {
    refuse({400, "not an HTTP request"});
  } else if (found == HeadScan::Found::kComplete) {
    if (Refusal refusal = read_head()) {
      refuse(refusal);
    } else {
      after_head();
    }
  } else if (in_.size() >= core_.limits.header_bytes_max) {
    // A token that does not even fit is no right one.
    constexpr std::string_view kName = "Authorization:";
    const std::string_view line = bytes_of(in_).substr(scan_.line_begin(), kName.size());
    const bool is_token = core_.credentials.are_asked_for() && equals_ignoring_case(line, kName);
    refuse(is_token ? Refusal{401, "the token is too long"} : Refusal{431, "the head is too large"});
  } else {
    read_more_of_head();
  }
}

// Checks everything that can be known before the body is read.
Refusal Connection::read_head() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(scan_.bytes() + 1));
  // The service says, when it knows what is asked for. Beast 1.74 takes boost::none for less than any length.
  parser_->body_limit(std::numeric_limits<std::uint64_t>::max());
  parser_->on_chunk_header(no_extensions);
  ErrorCode ec;
  const size_t used = parser_->put(asio::const_buffer(in_.cdata().data(), scan_.bytes()), ec);
  if (ec) {
    return refusal_of(ec);
  }
  if (used != scan_.bytes() || !parser_->is_header_done()) {
    return {400, "not an HTTP request"};
  }
  in_.consume(used);

  const auto& message = parser_->get();
  version_ = message.version();
  const std::string_view method = text(message.method_string());
  is_head_ = method == "HEAD";
  const std::string_view sent_target = text(message.target());
  account_.open(core_, method, sent_target.substr(0, sent_target.find('?')), text(message["X-Request-Id"]));
  if (Refusal refusal = check_framing(message, version_)) {
    return refusal;
  }
  if (Refusal refusal = check_names(message, method, *names_, core_.cors.origins, page_)) {
    return refusal;
  }
  Target target;
  if (Refusal refusal = read_target(text(message.target()), target)) {
    return refusal;
  }
  head_fields_ = std::distance(message.begin(), message.end());
  keep_alive_ = parser_->keep_alive() && !core_.stopping;
  is_preflight_ = !page_.empty() && is_preflight(message, method) && parser_->is_done();
  if (is_preflight_) {
    return {};
  }
  request_.method = is_head_ ? "GET" : method;
  request_.path = std::move(target.path);
  request_.segments = std::move(target.segments);
  request_.query = std::move(target.query);
  for (const auto& field : message) {
    if (field.name() == http::field::authorization || field.name() == http::field::cookie) {
      continue;  // the service cannot log what it does not have
    }
    request_.headers.emplace_back(text(field.name_string()), text(field.value()));
  }
  admission_ = core_.service.admit(request_);
  account_.set_route(admission_.route);
  if (admission_.refusal) {
    return admission_.refusal;
  }
  if (!admission_.open) {
    if (Refusal refusal = core_.credentials.check(message, !page_.empty(), names_->is_own_socket,
                                                  std::chrono::steady_clock::now(), request_.principal)) {
      return refusal;
    }
  }
  account_.set_role(request_.principal.role);
  if (!known_) {
    leave_lists();
  }
  known_ = true;
  return check_body_bound();
}

// Of a body that says its length nothing is read if it is too long.
Refusal Connection::check_body_bound() {
  parser_->body_limit(admission_.body_bytes_max);
  const auto length = parser_->content_length();
  return length && *length > admission_.body_bytes_max ? refusal_of(http::error::body_limit) : Refusal();
}

void Connection::after_head() {
  if (is_preflight_) {
    keep_alive_ = keep_alive_ && (known_ || ++preflights_ < kPreflightsOfAStranger);
    respond(preflight_response(core_.cors, text(parser_->get()[http::field::access_control_request_headers])));
    return;
  }
  if (parser_->is_done()) {
    dispatch();
    return;
  }
  set_deadline(admission_.body_ms);
  const std::string_view expect = text(parser_->get()[http::field::expect]);
  const bool expects = version_ >= 11 && !expect.empty();
  if (expects && !equals_ignoring_case(expect, "100-continue")) {
    refuse({417, "an expectation other than 100-continue"});
  } else if (expects && in_.size() == 0) {  // else the client has not waited
    channel_->write({asio::buffer(kContinue.data(), kContinue.size()), asio::const_buffer()},
                    then(&Connection::on_continued));
  } else {
    read_body();
  }
}

void Connection::on_continued(ErrorCode ec, size_t /*n*/) {
  if (timed_out_) {
    ++core_.timed_out;
  }
  if (ec || timed_out_) {
    close();
  } else {
    read_body();
  }
}

void Connection::read_body() {
  if (Refusal refusal = parse_body()) {
    refuse(refusal);
  } else if (parser_->is_done()) {
    dispatch();
  } else {
    channel_->read_some(room(), then(&Connection::on_body_bytes));
  }
}

void Connection::on_body_bytes(ErrorCode ec, size_t n) {
  if (timed_out_) {
    ++core_.timed_out;
    refuse({408, "the body of the request did not come in time"});
    return;
  }
  if (ec) {
    close();
    return;
  }
  in_.commit(n);
  read_body();
}

Refusal Connection::parse_body() {
  while (!parser_->is_done() && in_.size() > 0) {
    ErrorCode ec;
    const size_t body_bytes = parser_->get().body().size();
    const size_t used = parser_->put(in_.cdata(), ec);  // one line of a chunk, or what there is of its bytes
    if (parser_->get().body().size() == body_bytes && used > kChunkLineBytesMax) {
      return {400, "not an HTTP request"};
    }
    in_.consume(used);
    if (ec == http::error::need_more) {
      // Only the line of a chunk, or what follows the last one, is left in the buffer.
      if (has_bare_line_feed(bytes_of(in_)) || in_.size() > kChunkLineBytesMax) {
        return refusal_of(ec);
      }
      return {};
    }
    if (ec) {
      return refusal_of(ec);
    }
  }
  count_body(parser_->get().body().size());
  if (core_.bodies_bytes > core_.limits.bodies_bytes_max) {
    return {503, "too much is being received at this moment"};
  }
  const auto& message = parser_->get();
  if (parser_->is_done() && std::distance(message.begin(), message.end()) != head_fields_) {
    return {400, "trailer fields"};
  }
  return {};
}

void Connection::refuse(Refusal refusal) {
  ++core_.refused;
  keep_alive_ = false;
  parser_.reset();
  count_body(0);
  Response response = response_to(refusal);
  if (refusal.status == 405 && !admission_.allow.empty()) {
    response.headers.emplace_back("Allow", admission_.allow);
  }
  respond(std::move(response));
}

void Connection::respond(Response response) {
  if (core_.stopping || core_.is_crowded()) {
    keep_alive_ = false;
  }
  set_deadline(core_.limits.write_ms);
  writes_ = true;
  if (!account_.id().empty()) {
    response.headers.emplace_back("X-Request-Id", account_.id());
  }
  head_out_ =
      response_head(response, {keep_alive_, version_, Framing::Body::kWhole, page_}, core_.cors, std::time(nullptr));
  const bool has_body = !is_head_ && !has_no_body(response.status);
  account_.responds(core_, response.status, has_body ? response.text().size() : 0);
  out_ = has_body ? std::move(response) : Response();
  channel_->write({asio::buffer(head_out_), asio::buffer(out_.text())}, then(&Connection::on_written));
}

void Connection::on_written(ErrorCode ec, size_t /*n*/) {
  out_ = Response();
  writes_ = false;
  account_.close(core_);
  if (timed_out_) {
    ++core_.timed_out;
  }
  if (ec || timed_out_) {
    close();
  } else if (keep_alive_) {
    read_request();
  } else {
    finish();
  }
}

// A socket that is closed while bytes of the client are unread is reset, and a reset can overtake the response. So: no
// more from us, then read what comes, for a moment.
void Connection::finish() {
  leave_lists();
  at_ = core_.lingering.insert(core_.lingering.end(), this);
  list_ = &core_.lingering;
  set_deadline(core_.limits.linger_ms);
  channel_->say_goodbye(then(&Connection::on_goodbye));
}

void Connection::on_goodbye(ErrorCode /*ec*/, size_t /*n*/) {
  ErrorCode ignored;
  channel_->socket().shutdown(Socket::shutdown_send, ignored);
  on_drained({}, 0);
}

void Connection::on_drained(ErrorCode ec, size_t /*n*/) {
  if (ec || timed_out_) {
    close();
    return;
  }
  in_.clear();
  channel_->socket().async_read_some(room(), then(&Connection::on_drained));
}

}  // namespace cairn::http
