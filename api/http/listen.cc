#include "api/http/listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <utility>

#include "wal/descriptor.h"

namespace cairn::http {
namespace {

constexpr Status kBadAddress{
    Code::kInvalidArgument,
    "an address to listen on is IP:PORT (127.0.0.1:4020, 0.0.0.0:4020), [IPV6]:PORT or unix:/absolute/path"};

/// The address in the form of the system. Its size is 0 if the text is not an address.
struct SystemAddress {
  sockaddr_storage storage = {};
  socklen_t bytes = 0;
  explicit SystemAddress(const Listen& address) {
    if (address.kind == Listen::Kind::kIpv4) {
      auto* in = reinterpret_cast<sockaddr_in*>(&storage);
      in->sin_family = AF_INET;
      in->sin_port = htons(address.port);
      if (inet_pton(AF_INET, address.host.c_str(), &in->sin_addr) == 1) {
        bytes = sizeof *in;
      }
    } else if (address.kind == Listen::Kind::kIpv6) {
      auto* in = reinterpret_cast<sockaddr_in6*>(&storage);
      in->sin6_family = AF_INET6;
      in->sin6_port = htons(address.port);
      if (inet_pton(AF_INET6, address.host.c_str(), &in->sin6_addr) == 1) {
        bytes = sizeof *in;
      }
    }
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

uint16_t port_of(int fd) {
  sockaddr_storage storage = {};
  socklen_t bytes = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &bytes) != 0) {
    return 0;
  }
  return ntohs(storage.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
}

}  // namespace

Result<Listen> Listen::parse(std::string_view text) {
  Listen out;
  constexpr std::string_view kUnixPrefix = "unix:";
  if (text.starts_with(kUnixPrefix)) {
    out.kind = Kind::kUnix;
    out.host = text.substr(kUnixPrefix.size());
    if (!out.host.starts_with('/') || out.host.find('\0') != std::string::npos) {
      return kBadAddress;
    }
    if (out.host.size() >= sizeof(sockaddr_un::sun_path)) {
      return {Code::kInvalidArgument, "the path of a unix socket has at most 107 bytes"};
    }
    return out;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return kBadAddress;
  }
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc() || end != port.data() + port.size()) {
    return kBadAddress;
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    out.kind = Kind::kIpv6;
    host = host.substr(1, host.size() - 2);
  }
  out.host = host;
  if (SystemAddress(out).bytes == 0) {
    return kBadAddress;
  }
  return out;
}

bool Listen::is_local() const {
  if (kind == Kind::kUnix) {
    return true;
  }
  const SystemAddress system(*this);
  if (kind == Kind::kIpv6) {
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(system.get())->sin6_addr);
  }
  return (ntohl(reinterpret_cast<const sockaddr_in*>(system.get())->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
}

std::string Listen::text() const {
  if (kind == Kind::kUnix) {
    return "unix:" + host;
  }
  return (kind == Kind::kIpv6 ? "[" + host + "]:" : host + ":") + std::to_string(port);
}

Result<ListeningSocket> ListeningSocket::open(const Listen& address) {
  return address.kind == Listen::Kind::kUnix ? open_unix(address) : open_tcp(address);
}

Result<ListeningSocket> ListeningSocket::open_tcp(const Listen& address) {
  const int family = address.kind == Listen::Kind::kIpv6 ? AF_INET6 : AF_INET;
  const int fd = wal::above_standard(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd < 0) {
    return {Code::kIo, "making a socket", errno};
  }
  ListeningSocket out(fd, address);
  const int on = 1;
  const SystemAddress system(address);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
             sizeof on);  // a restart need not wait for the old connections' TIME_WAIT
  if (family == AF_INET6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (::bind(fd, system.get(), system.bytes) != 0 || ::listen(fd, SOMAXCONN) != 0) {
    const int error = errno;
    if (error == EADDRINUSE) {
      return {Code::kBusy, "another server listens on this address", error};
    }
    return {Code::kIo, "listening on this address", error};
  }
  out.address_.port = port_of(fd);
  return out;
}

Result<ListeningSocket> ListeningSocket::adopt(int fd) {
  constexpr Status kNotOne{Code::kInvalidArgument, "a descriptor that was given is not a listening TCP or unix socket"};
  ListeningSocket out(fd, {});
  int listens = 0;
  int type = 0;
  socklen_t bytes = sizeof listens;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) != 0 || listens == 0 ||
      getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) != 0 || type != SOCK_STREAM) {
    return kNotOne;
  }
  sockaddr_storage storage = {};
  bytes = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &bytes) != 0) {
    return kNotOne;
  }
  std::array<char, INET6_ADDRSTRLEN> host{};
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(&storage)->sin_addr, host.data(), host.size());
    out.address_ = {Listen::Kind::kIpv4, host.data(), port_of(fd)};
  } else if (storage.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr, host.data(), host.size());
    out.address_ = {Listen::Kind::kIpv6, host.data(), port_of(fd)};
  } else if (storage.ss_family == AF_UNIX) {
    const auto* un = reinterpret_cast<sockaddr_un*>(&storage);
    const size_t length = bytes > offsetof(sockaddr_un, sun_path) ? bytes - offsetof(sockaddr_un, sun_path) : 0;
    std::string name(un->sun_path, length);
    if (name.starts_with('/')) {
      name.resize(std::strlen(name.c_str()));
    }
    out.address_ = {Listen::Kind::kUnix, name, 0};
  } else {
    return kNotOne;
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return Result<ListeningSocket>(std::move(out));
}

bool ListeningSocket::others_reach() const {
  struct stat st = {};
  return address_.kind == Listen::Kind::kUnix &&
         (::stat(address_.host.c_str(), &st) != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0);
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      address_(std::move(other.address_)),
      device_(other.device_),
      inode_(std::exchange(other.inode_, 0)) {}

ListeningSocket::~ListeningSocket() {
  if (fd_ < 0) {
    return;
  }
  struct stat st = {};
  if (inode_ != 0 && lstat(address_.host.c_str(), &st) == 0 && st.st_dev == device_ && st.st_ino == inode_) {
    ::unlink(address_.host.c_str());
  }
  ::close(fd_);
}

}  // namespace cairn::http
