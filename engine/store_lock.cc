#include "engine/store_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <utility>

#include "engine/error_detail.h"
#include "engine/fork_guard.h"
#include "engine/hooks.h"

namespace cairn::engine {

namespace {

// Stores that this process holds, by device and inode of LOCK: an OFD lock alone would let nobody say "it is you".
std::mutex g_mutex;
std::set<std::pair<uint64_t, uint64_t>>& held_here() {
  static auto* held = new std::set<std::pair<uint64_t, uint64_t>>();  // never destroyed: no order at exit
  static pid_t owner = getpid();
  if (owner != getpid()) {
    held->clear();  // a forked child holds none of its parent's stores
    owner = getpid();
  }
  return *held;
}

struct flock whole_file(short type) {
  struct flock f {};
  f.l_type = type;
  f.l_whence = SEEK_SET;
  return f;
}

std::string read_text(int fd) {
  char text[512];
  const ssize_t got = pread(fd, text, sizeof text, 0);
  return got > 0 ? std::string(text, static_cast<size_t>(got)) : std::string();
}

std::string field(const std::string& text, const std::string& name) {
  const size_t at = ("\n" + text).find("\n" + name + "=");
  if (at == std::string::npos) {
    return {};
  }
  const size_t begin = at + name.size() + 1;
  return text.substr(begin, text.find('\n', begin) - begin);
}

LockOwner owner_of(int fd) {
  LockOwner owner;
  const std::string text = read_text(fd);
  owner.pid = std::strtoull(field(text, "pid").c_str(), nullptr, 10);
  owner.pid_namespace = std::strtoull(field(text, "pid_namespace").c_str(), nullptr, 10);
  owner.role = field(text, "role");
  struct flock f = whole_file(F_WRLCK);
  owner.held = fcntl(fd, F_OFD_GETLK, &f) == 0 && f.l_type != F_UNLCK;
  // A zombie still answers kill(pid, 0): its state tells.
  if (owner.pid != 0 && kill(static_cast<pid_t>(owner.pid), 0) == 0) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%llu/stat", static_cast<unsigned long long>(owner.pid));
    const int stat_fd = open(path, O_RDONLY | O_CLOEXEC);
    std::string stat_text;
    if (stat_fd >= 0) {
      stat_text = read_text(stat_fd);
      close(stat_fd);
    }
    const size_t paren = stat_text.rfind(')');
    const char state = paren == std::string::npos || paren + 2 >= stat_text.size() ? '?' : stat_text[paren + 2];
    owner.alive = state != 'Z' && state != 'X';
  }
  return owner;
}

std::string text_of_owner(const std::string& role) {
  std::string text = "pid=" + std::to_string(getpid()) + "\nrole=" + role + "\nboot=";
  for (const uint8_t byte : read_boot_id()) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", byte);
    text += hex;
  }
  return text + "\npid_namespace=" + std::to_string(read_pid_namespace()) + "\n";
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace

Result<std::unique_ptr<StoreLock>> StoreLock::take(const std::string& directory, const std::string& role,
                                                   LockOwner& owner) {
  // Memory first: once the lock is held nothing may throw, or this process would keep it.
  const std::string path = directory + "/LOCK";
  const std::string text = text_of_owner(role);
  std::unique_ptr<StoreLock> lock(new StoreLock());
  // O_NONBLOCK: a FIFO in the file's place must not hang the open.
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600));
  if (file.get() < 0) {
    const int why = errno;
    const Code code = why == EROFS                                                     ? Code::kReadOnly
                      : why == ENOSPC || why == EDQUOT                                 ? Code::kNoSpace
                      : why == ELOOP || why == EISDIR || why == EACCES || why == EPERM ? Code::kUnsafe
                                                                                       : Code::kIo;
    return Status(code, "open LOCK", why);
  }
  struct stat s;
  if (fstat(file.get(), &s) != 0) {
    return Status(Code::kIo, "stat LOCK", errno);
  }
  // It is written over: what has another name or owner is not ours to write over.
  if (!S_ISREG(s.st_mode) || s.st_nlink > 1 || s.st_uid != geteuid()) {
    return Status(Code::kUnsafe, "LOCK is not a plain file of one name and this user");
  }
  const std::lock_guard guard(g_mutex);
  const std::pair<uint64_t, uint64_t> key(s.st_dev, s.st_ino);
  const bool first_here = held_here().insert(key).second;
  struct flock f = whole_file(F_WRLCK);
  if (!first_here || fcntl(file.get(), F_OFD_SETLK, &f) != 0) {
    if (first_here) {
      held_here().erase(key);
    }
    owner = owner_of(file.get());
    owner.held = true;
    return Status(Code::kBusy, "the store has an owner");
  }
  if (ftruncate(file.get(), 0) != 0 ||
      pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    // Says who owns the store, and no more: a full disk must not refuse the open.
  }
  close_in_child(file.get());
  lock->fd_ = file.release();
  lock->device_ = s.st_dev;
  lock->inode_ = s.st_ino;
  return lock;
}

StoreLock::~StoreLock() {
  if (fd_ < 0) {
    return;
  }
  const std::lock_guard guard(g_mutex);
  held_here().erase({device_, inode_});
  forget_in_child(fd_);
  ::close(fd_);
}

LockOwner StoreLock::look(const std::string& directory) {
  const int fd = ::open((directory + "/LOCK").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    return {};
  }
  LockOwner owner = owner_of(fd);
  ::close(fd);
  return owner;
}

Status fail_busy(Status busy, const LockOwner& owner) {
  const std::string pid = std::to_string(owner.pid);
  (void)fail(busy, owner.alive ? "process " + pid + " has the store open"
                               : "process " + pid +
                                     ", which opened the store, is dead, but a child that it forked still holds the "
                                     "lock: end that child");
  error_detail().owner_pid = owner.pid;
  error_detail().owner_alive = owner.alive;
  return busy;
}

}  // namespace cairn::engine
