#include "api/http/channel.h"

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <utility>  // ahead of Asio

namespace cairn::http {
namespace {

namespace asio = boost::asio;

class PlainChannel : public Channel {
 public:
  explicit PlainChannel(Socket socket) : socket_(std::move(socket)) {}
  void handshake(Done done) override { at_once(std::move(done)); }
  void read_some(asio::mutable_buffer into, Done done) override { socket_.async_read_some(into, std::move(done)); }
  void write(std::array<asio::const_buffer, 2> buffers, Done done) override {
    asio::async_write(socket_, buffers, std::move(done));
  }
  void say_goodbye(Done done) override { at_once(std::move(done)); }
  Socket& socket() override { return socket_; }

 private:
  void at_once(Done done) {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}, 0); });
  }
  Socket socket_;
};

class TlsChannel : public Channel {
 public:
  TlsChannel(Socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {}
  void handshake(Done done) override {
    stream_.async_handshake(asio::ssl::stream_base::server, [done = std::move(done)](auto ec) { done(ec, 0); });
  }
  void read_some(asio::mutable_buffer into, Done done) override { stream_.async_read_some(into, std::move(done)); }
  void write(std::array<asio::const_buffer, 2> buffers, Done done) override {
    asio::async_write(stream_, buffers, std::move(done));
  }
  void say_goodbye(Done done) override {
    stream_.async_shutdown([done = std::move(done)](auto ec) { done(ec, 0); });
  }
  Socket& socket() override { return stream_.next_layer(); }

 private:
  asio::ssl::stream<Socket> stream_;
};

}  // namespace

std::unique_ptr<Channel> Channel::plain(Socket socket) { return std::make_unique<PlainChannel>(std::move(socket)); }

std::unique_ptr<Channel> Channel::tls(Socket socket, asio::ssl::context& context) {
  return std::make_unique<TlsChannel>(std::move(socket), context);
}

}  // namespace cairn::http
