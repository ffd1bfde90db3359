// Unix sockets. Their file outlives a server that was killed, so starting one must tell the file of a dead server from
// that of a live one. Two servers that start at once look and replace one after the other: they lock the directory.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "api/http/listen.h"
#include "wal/descriptor.h"

namespace cairn::http {
namespace {

/// Holds the lock of the directory of `path` until it is destroyed.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::string& path)
      : fd_(wal::above_standard(
            ::open(path.substr(0, path.rfind('/') + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC))) {}
  ~DirectoryLock() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  Status take() const {
    if (fd_ < 0) {
      return {Code::kIo, "opening the directory of the unix socket", errno};
    }
    for (int i = 0; i < 100; ++i) {
      if (flock(fd_, LOCK_EX | LOCK_NB) == 0) {
        return {};
      }
      if (errno != EWOULDBLOCK && errno != EINTR) {
        return {Code::kIo, "locking the directory of the unix socket", errno};
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return {Code::kBusy, "another process holds the lock of the unix socket's directory"};
  }

 private:
  int fd_;
};

sockaddr_un system_address(const std::string& path) {
  sockaddr_un out = {};
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path, path.data(), path.size());  // parse() has checked the length
  return out;
}

/// Removes the file of a dead server.
Status make_room(const std::string& path, const sockaddr_un& system) {
  struct stat st = {};
  if (lstat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) {
      return {};
    }
    return {Code::kIo, "looking for the unix socket", errno};
  }
  if (!S_ISSOCK(st.st_mode)) {
    return {Code::kUnsafe, "the unix socket's path is taken by something that is not a socket; it was left alone"};
  }
  const int fd = wal::above_standard(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd < 0) {
    return {Code::kIo, "making a socket", errno};
  }
  const int error = ::connect(fd, reinterpret_cast<const sockaddr*>(&system), sizeof system) == 0 ? 0 : errno;
  ::close(fd);
  if (error == 0 || error == EAGAIN) {
    return {Code::kBusy, "another server listens on this unix socket"};
  }
  if (error != ECONNREFUSED) {
    return {Code::kIo, "asking whether the unix socket has a server", error};
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return {Code::kIo, "removing a dead server's unix socket", errno};
  }
  return {};
}

}  // namespace

Result<ListeningSocket> ListeningSocket::open_unix(const Listen& address) {
  const DirectoryLock lock(address.host);
  CAIRN_TRY(lock.take());
  const sockaddr_un system = system_address(address.host);
  CAIRN_TRY(make_room(address.host, system));
  const int fd = wal::above_standard(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd < 0) {
    return {Code::kIo, "making a socket", errno};
  }
  ListeningSocket out(fd, address);
  // Before bind: Linux makes the file with the socket's own mode, so there is no moment at which others could connect.
  if (fchmod(fd, 0600) != 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&system), sizeof system) != 0) {
    return {Code::kIo, "making the unix socket", errno};
  }
  struct stat st = {};
  if (lstat(address.host.c_str(), &st) != 0) {
    return {Code::kIo, "examining the unix socket", errno};
  }
  out.device_ = st.st_dev;
  out.inode_ = st.st_ino;
  if ((st.st_mode & 0777) != 0600 && ::chmod(address.host.c_str(), 0600) != 0) {
    return {Code::kUnsafe, "the unix socket could not be made private", errno};
  }
  if (::listen(fd, SOMAXCONN) != 0) {
    return {Code::kIo, "listening on the unix socket", errno};
  }
  return out;
}

}  // namespace cairn::http
