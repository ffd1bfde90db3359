// Takes the connections of one listening socket.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "api/http/core.h"
#include "api/http/gate.h"
#include "api/http/listen.h"

namespace cairn::http {

/// Call start() before the thread of Core::io runs, stop() on that thread.
class Acceptor {
 public:
  /// `tls` may be null: no TLS.
  Acceptor(Core& core, ListeningSocket socket, boost::asio::ssl::context* tls, std::shared_ptr<const Names> names);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  void start();
  void stop() noexcept;
  /// For the next connections, if there was a `tls` before.
  void use(boost::asio::ssl::context& tls) noexcept { tls_ = tls_ == nullptr ? nullptr : &tls; }

 private:
  void wait();
  void accept_all();
  void admit(int fd);
  /// If there are too many connections, closes one to make room.
  void make_room();
  void pause();

  Core& core_;
  ListeningSocket socket_;
  boost::asio::ssl::context* tls_;
  std::shared_ptr<const Names> names_;
  boost::asio::posix::stream_descriptor ready_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
};

}  // namespace cairn::http
