// Addresses to listen on: parses them, and opens the listening socket.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::http {

/// An address: "127.0.0.1:4020", "[::1]:0" (port 0: the system chooses), "unix:/absolute/path".
struct Listen {
  enum class Kind : uint8_t { kIpv4, kIpv6, kUnix };
  Kind kind = Kind::kIpv4;
  std::string host;  // numeric, without brackets; for kUnix the path
  uint16_t port = 0;

  /// Errors: kInvalidArgument.
  static Result<Listen> parse(std::string_view text);
  /// True if other machines cannot reach it.
  [[nodiscard]] bool is_local() const;
  /// The text that parse() accepts.
  [[nodiscard]] std::string text() const;
};

/// A listening socket, non-blocking. Closes it when destroyed, and removes its file if that is still the one it made.
class ListeningSocket {
 public:
  /// Errors: kBusy (another server listens there), kUnsafe (there is a file that is not a socket; it is left alone),
  /// kInvalidArgument, kIo.
  static Result<ListeningSocket> open(const Listen& address);
  /// One that somebody else has opened; its file, if it has one, is theirs. Becomes non-blocking. It is closed also after
  /// an error: kInvalidArgument (not a listening stream socket of one of the kinds of Listen).
  static Result<ListeningSocket> adopt(int fd);

  ~ListeningSocket();
  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  /// Of a unix socket: other users may connect too. One of an abstract name has no rights.
  [[nodiscard]] bool others_reach() const;
  /// With the real port.
  [[nodiscard]] const Listen& address() const { return address_; }

 private:
  ListeningSocket(int fd, Listen address) : fd_(fd), address_(std::move(address)) {}
  static Result<ListeningSocket> open_tcp(const Listen& address);
  static Result<ListeningSocket> open_unix(const Listen& address);

  int fd_;
  Listen address_;
  dev_t device_ = 0;  // of the unix socket's file; 0, 0: none
  ino_t inode_ = 0;
};

}  // namespace cairn::http
