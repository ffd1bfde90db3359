#include "engine/directory/store_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <utility>

#include "engine/base/error_detail.h"
#include "engine/base/fork_guard.h"
#include "engine/base/hooks.h"
#include "wal/descriptor.h"
#include "wal/mutex.h"

namespace cairn::engine {

namespace {

// Stores that this process owns, by device and inode of LOCK. An OFD lock alone does not tell that the owner is this
// process.
Mutex g_mutex(LockRank::kOwnedStores);
std::set<std::pair<uint64_t, uint64_t>>& held_here() CAIRN_REQUIRES(g_mutex) {
  static auto* held = new std::set<std::pair<uint64_t, uint64_t>>();  // never destroyed: no order at exit
  static pid_t owner = getpid();
  if (owner != getpid()) {
    held->clear();  // a forked child owns none of its parent's stores
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

// kill(pid, 0) works for a zombie, so read the state of the process.
bool is_alive(uint64_t pid) {
  if (kill(static_cast<pid_t>(pid), 0) != 0 && errno != EPERM) {
    return false;
  }
  const wal::Descriptor file(::open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  const std::string text = file.get() >= 0 ? read_text(file.get()) : std::string();
  const size_t paren = text.rfind(')');
  const char state = paren == std::string::npos || paren + 2 >= text.size() ? '?' : text[paren + 2];
  return state != 'Z' && state != 'X';
}

LockOwner owner_of(int fd) {
  LockOwner owner;
  const std::string text = read_text(fd);
  struct flock f = whole_file(F_WRLCK);
  owner.held = fcntl(fd, F_OFD_GETLK, &f) == 0 && f.l_type != F_UNLCK;
  const uint64_t pid_namespace = std::strtoull(field(text, "pid_namespace").c_str(), nullptr, 10);
  owner.elsewhere = pid_namespace != 0 && pid_namespace != read_pid_namespace();
  if (owner.elsewhere) {
    owner.alive = owner.held;
    return owner;
  }
  owner.pid = std::strtoull(field(text, "pid").c_str(), nullptr, 10);
  owner.alive = owner.pid != 0 && is_alive(owner.pid);
  return owner;
}

Status fail_busy(const LockOwner& owner) {
  const std::string pid = std::to_string(owner.pid);
  const Status busy =
      fail(Status(Code::kBusy, "the store has an owner"),
           owner.elsewhere  ? "a process in another container has the store open: use its API, or stop that container"
           : owner.pid == 0 ? "another process is opening the store: try again"
           : owner.alive    ? "process " + pid + " has the store open"
                            : "process " + pid +
                               ", which opened the store, is dead, but a child that it forked still holds the "
                               "lock: end that child");
  error_detail().owner_pid = owner.pid;
  error_detail().owner_alive = owner.alive || owner.pid == 0;
  error_detail().owner_elsewhere = owner.elsewhere;
  return busy;
}

Status fail_not_plain(const std::string& path) {
  return fail(Code::kUnsafe, path +
                                 " is not a plain file that only this user has: look whose it is, and move it away "
                                 "when no process has the store "
                                 "open");
}

Status fail_open(const std::string& path, int why) {
  switch (why) {
    case EROFS:
      return fail(Status(Code::kReadOnly, "open LOCK", why),
                  path +
                      " is on a read-only file system: the store can be read (cairn show, cairn ls), and not opened "
                      "for writing");
    case EACCES:
    case EPERM:
      return fail(Status(Code::kUnsafe, "open LOCK", why), "this user may not write " + path +
                                                               ": if it is yours, `chmod u+rw " + path +
                                                               "`, but do not remove it: it keeps a second owner out");
    case ELOOP:
    case EISDIR:
    case ENXIO:  // a socket
      return fail_not_plain(path);
    default:
      return fail(Status(why == ENOSPC || why == EDQUOT ? Code::kNoSpace : Code::kIo, "open LOCK", why),
                  "cannot open " + path);
  }
}

// A process that took the lock writes its name a moment later. Until then LOCK is empty or names the previous owner.
constexpr int kNameAttempts = 20;
constexpr timespec kNamePause{0, 5'000'000};

std::string text_of_owner(const std::string& role) {
  std::string text = "pid=" + std::to_string(getpid()) + "\nrole=" + role + "\nboot=";
  for (const uint8_t byte : read_boot_id()) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", byte);
    text += hex;
  }
  return text + "\npid_namespace=" + std::to_string(read_pid_namespace()) + "\n";
}

}  // namespace

Result<std::unique_ptr<StoreLock>> StoreLock::take(const std::string& directory, const std::string& role) {
  // Allocate first: once the lock is held nothing may throw, or this process would keep it.
  const std::string path = directory + "/LOCK";
  const std::string text = text_of_owner(role);
  std::unique_ptr<StoreLock> made(new StoreLock());
  const wal::StandardHeld held;  // else LOCK could get descriptor 0 to 2, and what the host prints would go into it
  // O_NONBLOCK: a FIFO in the file's place must not hang the open.
  wal::Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600));
  if (file.get() < 0) {
    return fail_open(path, errno);
  }
  struct stat s;
  if (fstat(file.get(), &s) != 0) {
    return fail(Status(Code::kIo, "stat LOCK", errno), "cannot look at " + path);
  }
  // LOCK is overwritten: a file with a second name or another owner must not be.
  if (!S_ISREG(s.st_mode) || s.st_nlink > 1 || s.st_uid != geteuid()) {
    return fail_not_plain(path);
  }
  made->device_ = s.st_dev;
  made->inode_ = s.st_ino;
  for (int attempt = 1;; ++attempt) {
    const Status locked = made->lock(file.get());
    if (locked.ok()) {
      break;
    }
    if (locked.code != Code::kBusy) {
      return fail(locked, path + " cannot be locked: " + locked.what);
    }
    const LockOwner owner = owner_of(file.get());
    if ((owner.alive && !owner.elsewhere) || attempt == kNameAttempts) {
      return fail_busy(owner);
    }
    nanosleep(&kNamePause, nullptr);
  }
  if (pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ftruncate(file.get(), static_cast<off_t>(text.size())) != 0) {
    // This only says who owns the store: a full disk must not fail the open.
  }
  close_in_child(file.get());
  made->fd_ = file.release();
  return made;
}

Status StoreLock::lock(int fd) const {
  const MutexLock guard(g_mutex);
  const std::pair<uint64_t, uint64_t> key(device_, inode_);
  if (!held_here().insert(key).second) {
    return {Code::kBusy, "held by this process"};
  }
  struct flock f = whole_file(F_WRLCK);
  if (fcntl(fd, F_OFD_SETLK, &f) == 0) {
    return {};
  }
  const int why = errno;
  held_here().erase(key);
  switch (why) {
    case EAGAIN:
    case EACCES:
      return {Code::kBusy, "held by another process", why};
    case EIO:
    case EINTR:
      return {Code::kIo, "locking it failed", why};
    default:
      // Any other kind of lock would be lost when another part of the host closes the file.
      return {Code::kUnsafe, "this system or file system has no open file description locks (Linux 3.15)", why};
  }
}

StoreLock::~StoreLock() {
  if (fd_ < 0) {
    return;
  }
  const MutexLock guard(g_mutex);
  held_here().erase({device_, inode_});
  forget_in_child(fd_);
  ::close(fd_);
}

LockOwner StoreLock::look(const std::string& directory) {
  const std::string path = directory + "/LOCK";
  LockOwner unknown;
  const wal::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    if (errno != ENOENT && errno != ENOTDIR) {
      unknown.problem = fail_open(path, errno);
    }
    return unknown;
  }
  struct stat s;
  if (fstat(file.get(), &s) != 0 || !S_ISREG(s.st_mode)) {
    unknown.problem = fail_not_plain(path);
    return unknown;
  }
  return owner_of(file.get());
}

}  // namespace cairn::engine
