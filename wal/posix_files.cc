// Files of the operating system. Every name is opened below the store's directory descriptor; the file itself, not its
// path, is then examined (no time between check and use).
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "wal/descriptor.h"
#include "wal/files.h"
#include "wal/mutex.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace cairn::wal {
namespace {

Status from_errno(int error, const char* what) {
  switch (error) {
    case ENOENT:
      return {Code::kNotFound, what, error};
    case EEXIST:
      return {Code::kExists, what, error};
    case ENOSPC:
    case EDQUOT:
      return {Code::kNoSpace, what, error};
    case EROFS:
      return {Code::kReadOnly, what, error};
    case ELOOP:
    case ENOTDIR:
    case ENXIO:  // a socket
    case EACCES:
    case EPERM:
      return {Code::kUnsafe, what, error};
    case ENOMEM:
      return {Code::kNoMemory, what, error};
    default:
      return {Code::kIo, what, error};
  }
}

// The error of an I/O call on an open file: only a lack of space is an ordinary condition, all else is kIo.
Status from_io_errno(int error, const char* what) {
  if (error == ENOSPC || error == EDQUOT) {
    return {Code::kNoSpace, what, error};
  }
  return {error == EROFS ? Code::kReadOnly : Code::kIo, what, error};
}

int open_below(int directory, const char* name, int flags, mode_t mode = 0) {
  // If the file got descriptor 0 to 2, the host could print into it before it is moved to another number.
  std::optional<StandardHeld> held;
  if ((flags & O_ACCMODE) != O_RDONLY) {
    held.emplace();
  }
  for (;;) {
    const int fd = above_standard(::openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode));
    if (fd >= 0 || errno != EINTR) {
      return fd;
    }
  }
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, bool writable) : fd_(std::move(fd)), writable_(writable) {}
  ~PosixFile() override {
    for (const Mapping& mapping : mappings_) {
      ::munmap(mapping.address, mapping.bytes);
    }
  }

  Result<size_t> read_at(uint64_t offset, std::span<char> into) override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t n = ::pread(fd_.get(), into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) {
        continue;
      }
      if (n < 0) {
        return from_io_errno(errno, "read");
      }
      if (n == 0) {
        break;
      }
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status write_at(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) {
        continue;
      }
      if (n < 0) {
        return from_io_errno(errno, "write");
      }
      if (n == 0) {
        return {Code::kIo, "write made no progress"};
      }
      bytes.remove_prefix(static_cast<size_t>(n));
      offset += static_cast<uint64_t>(n);
    }
    return {};
  }

  Status sync() override {
    // Not repeated after EINTR: whether the error was consumed is unknown, so it counts as a failure.
    if (::fdatasync(fd_.get()) != 0) {
      return sync_failure(errno, "fdatasync");
    }
    // A removed file vanishes when its descriptor is closed: nothing in it is durable.
    struct stat st = {};
    if (::fstat(fd_.get(), &st) != 0) {
      return from_io_errno(errno, "fstat");
    }
    return st.st_nlink != 0 ? Status() : Status{Code::kIo, kRemovedFile, ENOENT};
  }

  Status resize(uint64_t bytes) override {
    CAIRN_TRY(check_size_limit(bytes));
    int rc = 0;
    do {
      rc = ::ftruncate(fd_.get(), static_cast<off_t>(bytes));
    } while (rc != 0 && errno == EINTR);
    return rc == 0 ? Status() : from_io_errno(errno, "resize");
  }

  Result<FileInfo> info() override { return file_info(fd_.get()); }

  Result<char*> map(size_t bytes) override {
    if (bytes == 0) {
      return {Code::kInvalidArgument, "a mapping of 0 bytes"};
    }
    Result<FileInfo> size = info();
    if (!size.ok()) {
      return size.status();
    }
    if (size->bytes < bytes) {
      return {Code::kInvalidArgument, "a mapping past the end of the file"};  // would be SIGBUS later
    }
    const int protection = PROT_READ | (writable_ ? PROT_WRITE : 0);
    void* address = ::mmap(nullptr, bytes, protection, MAP_SHARED, fd_.get(), 0);
    if (address == MAP_FAILED) {
      return from_errno(errno, "mmap");
    }
    // These are hints: without them it is slower, not wrong.
    (void)::madvise(address, bytes, MADV_RANDOM);
    (void)::madvise(address, bytes, MADV_DONTFORK);
    // A kernel before 5.14 says EINVAL, a sandbox EPERM or ENOSYS: the pages are faulted in later. EFAULT is the SIGBUS
    // that a store would get.
    if (::madvise(address, bytes, writable_ ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) != 0 && errno != EINVAL &&
        errno != EPERM && errno != ENOSYS) {
      const int error = errno;
      ::munmap(address, bytes);
      return {error == EFAULT ? Code::kNoSpace : Code::kIo, "prefault", error};
    }
    const MutexLock lock(mutex_);
    mappings_.push_back({address, bytes});
    return static_cast<char*>(address);
  }

 private:
  struct Mapping {
    void* address;
    size_t bytes;
  };
  const Descriptor fd_;
  const bool writable_;
  Mutex mutex_{LockRank::kMappings};
  std::vector<Mapping> mappings_ CAIRN_GUARDED_BY(mutex_);
};

// Names come from the program, not from users; this keeps a mistake from leaving the directory.
Status check_name(const std::string& name) {
  if (name.empty() || name.front() == '/' || name.find('\0') != std::string::npos) {
    return {Code::kInvalidArgument, "malformed file name"};
  }
  for (size_t start = 0; start <= name.size();) {
    const size_t end = std::min(name.find('/', start), name.size());
    const std::string_view part = std::string_view(name).substr(start, end - start);
    if (part.empty() || part == "." || part == "..") {
      return {Code::kInvalidArgument, "malformed file name"};
    }
    start = end + 1;
  }
  return {};
}

class PosixFiles final : public Files {
 public:
  explicit PosixFiles(Descriptor directory) : directory_(std::move(directory)) {}

  Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode) override {
    if (Status s = check_name(name); !s.ok()) {
      return s;
    }
    int flags = mode == OpenMode::kRead ? O_RDONLY : O_RDWR;
    if (mode == OpenMode::kCreate) {
      flags |= O_CREAT | O_EXCL;
    } else if (mode == OpenMode::kCreateOrTruncate) {
      flags |= O_CREAT;  // truncated only after the checks below
    }
    // O_NONBLOCK: a FIFO in the file's place must not hang the open.
    Descriptor fd(open_below(directory_.get(), name.c_str(), flags | O_NONBLOCK, 0600));
    if (fd.get() < 0) {
      return from_errno(errno, "open");
    }
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) {
      return from_errno(errno, "fstat");
    }
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1) {
      return {Code::kUnsafe, "not a plain file with one name"};
    }
    if (st.st_uid != ::geteuid()) {
      return {Code::kUnsafe, "the file belongs to another user"};
    }
    if (mode == OpenMode::kCreate || mode == OpenMode::kCreateOrTruncate) {
      if ((st.st_mode & 07777) != 0600 && ::fchmod(fd.get(), 0600) != 0) {
        return from_errno(errno, "fchmod");
      }
      if (st.st_size != 0 && ::ftruncate(fd.get(), 0) != 0) {
        return from_io_errno(errno, "truncate");
      }
    }
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), mode != OpenMode::kRead));
  }

  Status rename(const std::string& from, const std::string& to) override {
    CAIRN_TRY(check_name(from));
    CAIRN_TRY(check_name(to));
    return ::renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) == 0 ? Status()
                                                                                         : from_errno(errno, "rename");
  }

  Status remove(const std::string& name) override {
    CAIRN_TRY(check_name(name));
    return ::unlinkat(directory_.get(), name.c_str(), 0) == 0 ? Status() : from_errno(errno, "unlink");
  }

  Status make_directory(const std::string& name) override {
    CAIRN_TRY(check_name(name));
    if (::mkdirat(directory_.get(), name.c_str(), 0700) != 0) {
      if (errno != EEXIST) {
        return from_errno(errno, "mkdir");
      }
      struct stat st {};
      if (::fstatat(directory_.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return from_errno(errno, "fstatat");
      }
      return S_ISDIR(st.st_mode) ? Status() : Status(Code::kUnsafe, "not a directory");
    }
    // The umask may have taken the owner's own bits.
    return ::fchmodat(directory_.get(), name.c_str(), 0700, 0) == 0 ? Status() : from_errno(errno, "chmod");
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    Descriptor fd = open_directory(directory);
    if (fd.get() < 0) {
      if (errno == ENOENT) {
        return std::vector<std::string>();
      }
      return from_errno(errno, "open directory");
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
    if (stream == nullptr) {
      return from_errno(errno, "open directory");
    }
    (void)fd.release();
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe): the stream is ours alone
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") {
        names.emplace_back(name);
      }
      errno = 0;
    }
    const int error = errno;
    if (error != 0) {
      return from_io_errno(error, "read directory");
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Status sync_directory(const std::string& directory) override {
    const Descriptor fd = open_directory(directory);
    if (fd.get() < 0) {
      return from_errno(errno, "open directory");
    }
    return ::fsync(fd.get()) == 0 ? Status() : sync_failure(errno, "sync directory");
  }

  Result<uint64_t> free_bytes() override {
    struct statvfs st {};
    int rc = 0;
    do {
      rc = ::fstatvfs(directory_.get(), &st);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) {
      return from_io_errno(errno, "statvfs");
    }
    return uint64_t{st.f_bavail} * st.f_frsize;
  }

 private:
  // A descriptor of its own each time: directory streams share their position.
  Descriptor open_directory(const std::string& name) {
    if (!name.empty() && !check_name(name).ok()) {
      errno = EINVAL;
      return Descriptor();
    }
    return Descriptor(open_below(directory_.get(), name.empty() ? "." : name.c_str(), O_RDONLY | O_DIRECTORY));
  }

  const Descriptor directory_;
};

}  // namespace

Status check_size_limit(uint64_t bytes) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && bytes > limit.rlim_cur) {
    return {Code::kIo, "over the limit of this process on the size of files (ulimit -f)", EFBIG};
  }
  return {};
}

Status sync_failure(int error, const char* what) {
  if (error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == EPERM) {
    return {Code::kUnsafe, "this system or file system does not sync, so nothing here would survive a power cut",
            error};
  }
  return from_io_errno(error, what);
}

Result<FileInfo> file_info(int fd) {
  FileInfo info;
  struct statx st {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) == 0) {
    info.inode = st.stx_ino;
    info.bytes = st.stx_size;
    if ((st.stx_mask & STATX_BTIME) != 0) {
      info.birth_ns = static_cast<uint64_t>(st.stx_btime.tv_sec) * 1'000'000'000u + st.stx_btime.tv_nsec;
    }
    return info;
  }
  struct stat plain {};  // a sandbox may not know statx
  if (::fstat(fd, &plain) != 0) {
    return from_io_errno(errno, "fstat");
  }
  info.inode = plain.st_ino;
  info.bytes = static_cast<uint64_t>(plain.st_size);
  return info;
}

Result<std::unique_ptr<Files>> open_posix_files(const std::string& directory) {
  // The path up to here is the user's own choice and may hold symbolic links.
  int fd = -1;
  do {
    fd = above_standard(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    return from_errno(errno, "open directory");
  }
  return std::unique_ptr<Files>(std::make_unique<PosixFiles>(Descriptor(fd)));
}

}  // namespace cairn::wal
