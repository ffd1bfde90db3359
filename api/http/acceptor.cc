#include "api/http/acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>  // ahead of Asio

#include "api/http/channel.h"
#include "api/http/connection.h"
#include "wal/descriptor.h"

namespace cairn::http {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

// Beyond the limit a connection still gets a 503, and lingers; beyond these it is closed without a response.
constexpr size_t kTurnedAwayMax = 16;
constexpr std::chrono::milliseconds kPause{100};

/// Out of descriptors or memory: the connection stays in the backlog, so trying at once would spin.
bool is_shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

/// Of a unix socket: the process that connected runs as this one's user. Root, whom no mode keeps out, does not.
bool is_own_user(int fd) {
  ucred peer = {};
  socklen_t bytes = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.uid == geteuid();
}

}  // namespace

Acceptor::Acceptor(Core& core, ListeningSocket socket, asio::ssl::context* tls, std::shared_ptr<const Names> names)
    : core_(core),
      socket_(std::move(socket)),
      tls_(tls),
      names_(std::move(names)),
      ready_(core.io, socket_.fd()),
      timer_(core.io) {}

Acceptor::~Acceptor() {
  if (ready_.is_open()) {
    ready_.release();  // socket_ closes it
  }
}

void Acceptor::start() { wait(); }

void Acceptor::stop() noexcept {
  if (stopped_) {
    return;
  }
  stopped_ = true;
  ErrorCode ignored;
  timer_.cancel(ignored);
  ready_.release();
  const ListeningSocket closed = std::move(socket_);  // also removes a unix socket's file
}

void Acceptor::wait() {
  ready_.async_wait(asio::posix::stream_descriptor::wait_read, [this](ErrorCode ec) {
    if (ec || stopped_) {
      return;
    }
    accept_all();
  });
}

void Acceptor::pause() {
  timer_.expires_after(kPause);
  timer_.async_wait([this](ErrorCode ec) {
    if (ec || stopped_) {
      return;
    }
    wait();
  });
}

void Acceptor::accept_all() {
  for (int i = 0; i < 64; ++i) {  // then the connections have their turn
    // Without Asio's accept: Asio 1.74 would leave the descriptor open in every program that this process starts.
    const int fd = wal::above_standard(::accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd >= 0) {
      try {
        admit(fd);
      } catch (...) {
        core_.log("a connection was closed: out of memory");
      }
      continue;
    }
    if (is_shortage(errno)) {
      core_.log("connections wait: out of file descriptors or memory");
      pause();
      return;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    }
  }
  wait();
}

void Acceptor::make_room() {
  const auto close = [this](Connection* connection) {
    ++core_.made_room;
    connection->close();
  };
  const auto oldest_idle = std::find_if(core_.strangers.begin(), core_.strangers.end(),
                                        [](const Connection* connection) { return connection->is_idle(); });
  const bool is_there = oldest_idle != core_.strangers.end();
  if (!core_.strangers.empty() && core_.strangers.size() >= core_.limits.strangers_max) {
    close(is_there ? *oldest_idle : core_.strangers.front());
  } else if (core_.connections.size() >= core_.limits.connections_max) {
    if (!core_.lingering.empty()) {
      close(core_.lingering.front());
    } else if (is_there) {
      close(*oldest_idle);
    } else if (!core_.idle.empty()) {
      close(core_.idle.front());
    }
  }
}

void Acceptor::admit(int fd) {
  if (names_->is_own_socket && !is_own_user(fd)) {
    ::close(fd);
    core_.log("a process of another user connected to the socket of this user's processes, and was refused");
    return;
  }
  ++core_.accepted;
  make_room();
  const Listen::Kind kind = socket_.address().kind;
  const int family = kind == Listen::Kind::kUnix ? AF_UNIX : kind == Listen::Kind::kIpv6 ? AF_INET6 : AF_INET;
  if (kind != Listen::Kind::kUnix) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  Socket socket(core_.io);
  ErrorCode ec;
  socket.assign(asio::generic::stream_protocol(family, 0), fd, ec);
  if (ec) {
    ::close(fd);
    return;
  }
  const size_t open = core_.connections.size();
  const bool turn_away = open >= core_.limits.connections_max;
  if (turn_away) {
    ++core_.turned_away;
    // A handshake is work, and without one there is nothing to say.
    if (tls_ != nullptr || open >= core_.limits.connections_max + kTurnedAwayMax) {
      return;
    }
  }
  auto channel = tls_ == nullptr ? Channel::plain(std::move(socket)) : Channel::tls(std::move(socket), *tls_);
  auto connection = std::make_shared<Connection>(core_, std::move(channel), names_);
  core_.enter(connection);
  try {
    if (turn_away) {
      connection->turn_away();
    } else {
      connection->start();
    }
  } catch (...) {
    connection->close();
    throw;
  }
}

}  // namespace cairn::http
