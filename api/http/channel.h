// The bytes of one connection, with or without TLS. Used by the thread of its io_context only, one operation at a time.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <functional>
#include <memory>

namespace cairn::http {

using Socket = boost::asio::generic::stream_protocol::socket;
using Done = std::function<void(boost::system::error_code, size_t)>;

class Channel {
 public:
  static std::unique_ptr<Channel> plain(Socket socket);
  static std::unique_ptr<Channel> tls(Socket socket, boost::asio::ssl::context& context);

  virtual ~Channel() = default;
  virtual void handshake(Done done) = 0;
  virtual void read_some(boost::asio::mutable_buffer into, Done done) = 0;
  virtual void write(std::array<boost::asio::const_buffer, 2> buffers, Done done) = 0;
  /// Tells the peer that nothing follows, if the protocol above the socket has a message for that.
  virtual void say_goodbye(Done done) = 0;
  virtual Socket& socket() = 0;
};

}  // namespace cairn::http
