#include "engine/directory/store_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include "engine/base/error_detail.h"
#include "wal/descriptor.h"
#include "wal/files.h"

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
  std::error_code error;
  const std::filesystem::path real =
      std::filesystem::canonical(directory, error);  // a link's own parent does not matter
  if (error) {
    const bool no_memory = error == std::errc::not_enough_memory;
    return {no_memory ? Code::kNoMemory : Code::kIo, "finding the parent directory", error.value()};
  }
  const wal::Descriptor fd(::open(real.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() >= 0 && fsync(fd.get()) == 0) {
    return {};
  }
  const int why = errno;
  // A sync that is not supported is an error: class power would promise too much.
  return wal::sync_failure(why, "fsync of the parent directory");
}

Status check_directory(const std::string& directory, bool create) {
  struct stat s;
  if (stat(directory.c_str(), &s) != 0) {
    if (errno != ENOENT) {
      const Code code = errno == EACCES || errno == EPERM || errno == ELOOP ? Code::kUnsafe : Code::kIo;
      return fail(Status(code, "stat the store's directory", errno), "cannot look at " + directory);
    }
    if (!create) {
      return fail(Code::kNotAStore, "there is no store at " + directory);
    }
    if (mkdir(directory.c_str(), 0700) != 0) {
      const int why = errno;
      if (why == EEXIST) {
        return check_directory(directory, false);  // another process made it first
      }
      return fail(Status(why == EROFS                     ? Code::kReadOnly
                         : why == ENOSPC || why == EDQUOT ? Code::kNoSpace
                         : why == EACCES || why == EPERM  ? Code::kUnsafe
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
    return fail(Code::kUnsafe, directory + " can be written by others: `chmod -R go-rwxs " + directory +
                                   "` makes it yours alone (a Kubernetes fsGroup opens it again at each start, unless "
                                   "the volume has fsGroupChangePolicy: OnRootMismatch and the store is a directory "
                                   "below it)");
  }
  return {};
}

Result<std::unique_ptr<wal::Files>> open_store_files(const std::string& directory) {
  auto files = wal::open_posix_files(directory);
  if (files.ok()) {
    return files;
  }
  const int why = files.status().cause;
  if (why == ENOENT || why == ENOTDIR) {
    return fail(Status(Code::kNotAStore, "no store there", why), "there is no store at " + directory);
  }
  struct stat s;
  const bool anothers = stat(directory.c_str(), &s) == 0 && s.st_uid != geteuid();
  return fail(files.status(), directory + (anothers ? " belongs to another user, of id " + std::to_string(s.st_uid)
                                                    : std::string(" cannot be opened")));
}

namespace {

// The first file of the store that is a link, a FIFO or a socket, or has two names or another owner; "" if there is
// none.
std::string strange_file(const std::string& directory) {
  std::vector<std::string> files = {"LOCK", "STORE", "STAGING", "RESERVE"};
  struct stat s;
  for (const char* folder : {"wal", "data", "staging"}) {
    std::string path = directory;
    path.append("/").append(folder);
    if (lstat(path.c_str(), &s) == 0 && !S_ISDIR(s.st_mode)) {
      return folder;
    }
    const auto names = names_in(path);
    for (size_t i = 0; names.ok() && i < names->size(); ++i) {
      files.push_back(std::string(folder).append("/").append((*names)[i]));
    }
  }
  const auto strange = std::find_if(files.begin(), files.end(), [&](const std::string& name) {
    return lstat((directory + "/" + name).c_str(), &s) == 0 &&
           (!S_ISREG(s.st_mode) || s.st_nlink > 1 || s.st_uid != geteuid());
  });
  return strange == files.end() ? "" : *strange;
}

}  // namespace

Status name_strange_file(Status s, const std::string& directory) {
  if (s.code != Code::kUnsafe) {
    return s;
  }
  const ErrorDetail detail = error_detail();
  const std::string message = error_text(s);
  const std::string name = strange_file(directory);
  error_detail() = detail;
  if (name.empty()) {
    return s;
  }
  std::string text = message.find(name) == std::string::npos ? name + ": " + message : message;
  struct stat file;
  if (lstat((directory + "/" + name).c_str(), &file) == 0 && file.st_uid != geteuid() &&
      text.find("another user") == std::string::npos) {
    text += ": it belongs to another user, of id " + std::to_string(file.st_uid);
  }
  return fail(s, text);
}

Result<std::vector<std::string>> names_in(const std::string& directory) {
  wal::Descriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(fd.get() < 0 ? nullptr : fdopendir(fd.get()), closedir);
  if (!dir) {
    const int why = errno;
    const Code code = why == ENOENT || why == ENOTDIR ? Code::kNotFound : why == ENOMEM ? Code::kNoMemory : Code::kIo;
    return fail(Status(code, "opendir", why), "cannot list " + directory);
  }
  (void)fd.release();
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir.get())) {  // NOLINT(concurrency-mt-unsafe): the stream is ours alone
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  return names;
}

bool is_there(const std::string& path) {
  struct stat s;
  return lstat(path.c_str(), &s) == 0;
}

Status check_no_repair(const std::string& directory) {
  return is_there(directory + kRepairDirectory)
             ? fail(Code::kCorrupt, "a repair was interrupted: `cairn repair --yes` finishes it")
             : Status();
}

}  // namespace cairn::engine
