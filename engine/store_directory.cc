#include "engine/store_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include "engine/error_detail.h"

namespace cairn::engine {

namespace {

FileSystem kind_of(const struct statfs& s) {
  switch (static_cast<uint32_t>(s.f_type)) {
    case 0x6969:      // NFS
    case 0x517B:      // SMB
    case 0x564C:      // NCP
    case 0x5346414F:  // AFS
    case 0x6B414653:  // kAFS
    case 0x73757245:  // Coda
    case 0xFF534D42:  // CIFS
    case 0xFE534D42:  // SMB2
    case 0x65735546:  // FUSE
    case 0x01021997:  // 9p
    case 0x00C36400:  // Ceph
    case 0x0BD00BD0:  // Lustre
    case 0x47504653:  // GPFS
      return FileSystem::kNetwork;
    case 0x9123683E:  // btrfs
    case 0x2FC12FC1:  // ZFS
    case 0xCA451A4E:  // bcachefs
      return FileSystem::kCopyOnWrite;
    default:
      return FileSystem::kSafe;
  }
}

}  // namespace

FileSystem file_system(const std::string& directory) {
  struct statfs s;
  return statfs(directory.c_str(), &s) == 0 ? kind_of(s) : FileSystem::kSafe;
}

FileSystem file_system(int fd) {
  struct statfs s;
  return fstatfs(fd, &s) == 0 ? kind_of(s) : FileSystem::kSafe;
}

Status sync_parent(const std::string& directory) {
  const std::filesystem::path parent = std::filesystem::absolute(directory).lexically_normal().parent_path();
  // "a/" has the parent "a": its own name is empty.
  const std::filesystem::path real = directory.ends_with('/') ? parent.parent_path() : parent;
  const int fd = ::open(real.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int why = errno;
  if (fd >= 0) {
    ::close(fd);
  }
  // A file system that cannot sync directories (EINVAL) makes names durable by itself, or not at all.
  return synced || why == EINVAL ? Status() : Status(Code::kIo, "fsync of the parent directory", why);
}

Status check_directory(const std::string& directory, bool create) {
  struct stat s;
  if (stat(directory.c_str(), &s) != 0) {
    if (errno != ENOENT) {
      return fail(Status(Code::kIo, "stat the store's directory", errno), "cannot look at " + directory);
    }
    if (!create) {
      return fail(Code::kNotAStore, "there is no store at " + directory);
    }
    if (mkdir(directory.c_str(), 0700) != 0) {
      const int why = errno;
      if (why == EEXIST) {
        return check_directory(directory, false);  // another process was quicker
      }
      return fail(Status(why == EROFS    ? Code::kReadOnly
                         : why == ENOSPC ? Code::kNoSpace
                                         : Code::kIo,
                         "mkdir", why),
                  "cannot make " + directory + ": " + std::generic_category().message(why));
    }
    return {};
  }
  if (!S_ISDIR(s.st_mode)) {
    return fail(Code::kNotAStore, directory + " is not a directory");
  }
  if (s.st_uid != geteuid()) {
    return fail(Code::kUnsafe, directory + " belongs to another user");
  }
  if ((s.st_mode & 022) != 0) {
    return fail(Code::kUnsafe, directory + " can be written by others: chmod 700 it");
  }
  return {};
}

Result<std::vector<std::string>> names_in(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(directory.c_str()), closedir);
  if (!dir) {
    const int why = errno;
    const Code code = why == ENOENT || why == ENOTDIR ? Code::kNotFound : why == ENOMEM ? Code::kNoMemory : Code::kIo;
    return fail(Status(code, "opendir", why), "cannot list " + directory);
  }
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir.get())) {  // NOLINT(concurrency-mt-unsafe): the stream is ours alone
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  return names;
}

}  // namespace cairn::engine
