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

/// start() before, stop() on the thread of Core::io.
class Acceptor {
 public:
  /// `tls` may be null: no TLS.
  Acceptor(Core& core, ListeningSocket socket, boost::asio::ssl::context* tls, std::shared_ptr<const Names> names);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  void start();
  void stop() noexcept;

 private:
  void wait();
  void accept_all();
  void admit(int fd);
  /// Closes a connection that somebody else may have the place of, if there are too many.
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
