// One connection: reads a request, checks it, passes it to the service's threads, writes the response, and so on. What
// happens while the request is with the service is in connection_work.cc.
//
//   handshake -> read_head -> (continue ->) read_body -> in work (-> kept) -> write -> read_head ...
//                    |                          |                               \-> finish
//                    |                          |   (a body in pieces: in work -> write head -> piece -> ... -> end)
//                    \-------- refuse ----------/-> write -> finish: goodbye, drain, close
//
// Invariants
//  - At most one operation of the channel is in flight, and none while the request is in work. So responses keep the
//    requests' order.
//  - A request whose answer is kept for later costs no thread and little memory. Its connection reads, to learn that
//    the client has gone; the answer ends that read.
//  - An operation in flight holds a reference; Core::connections holds one until close().
//  - A body in pieces costs no thread either. Between two pieces nothing is in flight but a wait for the client's end.
//  - In every state but "in work", "kept" and between two pieces the timer runs; when it ends, the operation is cancelled and the state
//    decides.
//  - After a refusal nothing that the client sent is read: its next request is not trusted.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "api/http/account.h"
#include "api/http/channel.h"
#include "api/http/core.h"
#include "api/http/gate.h"
#include "api/http/head.h"
#include "api/http/pending.h"

namespace cairn::http {

class Connection : public Asker, public std::enable_shared_from_this<Connection> {
 public:
  Connection(Core& core, std::unique_ptr<Channel> channel, std::shared_ptr<const Names> names);

  void start();
  /// Answers 503 without having read anything.
  void turn_away();
  /// Accepts no request after the one that is in work. Closes at once if there is none.
  void wind_down();
  void close() noexcept;
  /// Nothing of a request has come.
  [[nodiscard]] bool is_idle() const { return idle_; }
  /// A response is on its way to the client.
  [[nodiscard]] bool writes() const { return writes_; }

  void answered(Pending& pending) noexcept override;
  void kept(Pending& pending) noexcept override;
  void continued(Pending& pending, std::string piece, bool is_end) noexcept override;

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using ErrorCode = boost::system::error_code;
  using Step = void (Connection::*)(ErrorCode, size_t);
  static constexpr std::chrono::milliseconds kCancelAgain{20};

  void read_request();
  void read_more_of_head();
  void scan_head();
  Refusal read_head();
  Refusal check_body_bound();
  void after_head();
  void read_body();
  Refusal parse_body();
  void dispatch();
  void give_memory_back();
  void end_read_while_kept();
  void leave_kept() noexcept;
  void send_answer();
  void begin_stream(std::shared_ptr<Pending> pending);
  void go_on_with_stream();
  void wait_for_end_of_client();
  void end_stream() noexcept;
  void refuse(Refusal refusal);
  void respond(Response response);
  void finish();

  void on_handshake(ErrorCode ec, size_t n);
  void on_head_bytes(ErrorCode ec, size_t n);
  void on_continued(ErrorCode ec, size_t n);
  void on_body_bytes(ErrorCode ec, size_t n);
  void on_bytes_while_kept(ErrorCode ec, size_t n);
  void on_written(ErrorCode ec, size_t n);
  void on_piece_written(ErrorCode ec, size_t n);
  void on_goodbye(ErrorCode ec, size_t n);
  void on_drained(ErrorCode ec, size_t n);

  /// The completion of an operation: continues with `step`; an exception there closes the connection.
  Done then(Step step);
  void set_deadline(int64_t in_ms);
  void cancel_in(std::chrono::milliseconds time, uint64_t number);
  void leave_lists() noexcept;
  void count_body(size_t bytes) noexcept;
  [[nodiscard]] boost::asio::mutable_buffer room();

  Core& core_;
  const std::unique_ptr<Channel> channel_;
  const std::shared_ptr<const Names> names_;
  boost::asio::steady_timer timer_;
  uint64_t deadline_number_ = 0;  // tells the timer's end from the end of an earlier deadline
  bool timed_out_ = false;        // the present deadline is over
  bool closed_ = false;
  bool idle_ = true;  // nothing of a request has come
  bool writes_ = false;
  int preflights_ = 0;  // before the first accepted request

  // In one of Core's lists, or in none.
  std::list<Connection*>* list_ = nullptr;
  std::list<Connection*>::iterator at_;
  bool known_ = false;     // a request of it was accepted
  size_t body_bytes_ = 0;  // counted in Core

  boost::beast::flat_buffer in_;  // bytes that were received and not used yet
  HeadScan scan_;
  std::optional<Parser> parser_;
  std::ptrdiff_t head_fields_ = 0;  // how many fields the head has; trailers would add to them
  Request request_;
  Admission admission_;
  std::string page_;                  // the origin of another site's page that may read the response
  std::shared_ptr<Pending> pending_;  // the request in work
  bool is_kept_ = false;              // counted in Core
  bool reads_while_kept_ = false;
  bool answer_is_here_ = false;
  bool is_preflight_ = false;
  bool is_head_ = false;  // the method
  bool keep_alive_ = false;
  unsigned version_ = 11;

  Account account_;  // of the request that was read last
  // A body in pieces.
  std::shared_ptr<Pending> stream_;  // its head is on its way, or was sent
  std::string pieces_;               // that wait to be written
  size_t piece_bytes_ = 0;           // on their way
  bool pieces_end_ = false;          // nothing comes behind pieces_
  bool awaits_end_of_client_ = false;

  std::string head_out_;
  Response out_;  // what is being written
};

}  // namespace cairn::http
