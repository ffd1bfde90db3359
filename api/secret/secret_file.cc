#include "api/secret/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <utility>

namespace cairn {

namespace {

constexpr int kLinksMax = 40;  // as the kernel

struct Words {
  const char* cannot_open;
  const char* not_regular;
  const char* other_user;
  const char* others_write;
  const char* program;
  const char* directory_of_other_user;
  const char* others_write_directory;
  const char* link_of_other_user;
  const char* changes;
  const char* others_read;
};

constexpr std::array<Words, 2> kWords = {{
    {"the token file cannot be opened", "the token file is not a regular file",
     "the token file belongs to another user; chown it to this user or to root",
     "others may write the token file; chmod 600 it", "the token file has the rights of a program; chmod 600 it",
     "the directory of the token file, or of a link to it, belongs to another user; move it to one of this user's or "
     "of "
     "root's",
     "others may write the directory of the token file, or of a link to it; chmod go-w that directory",
     "a symbolic link to the token file belongs to another user; make the link anew",
     "the token file is being replaced; try again", "others may read the token file; chmod 600 it"},
    {"the TLS key's file cannot be read", "the TLS key's file is not a regular file",
     "the TLS key's file belongs to another user; chown it to this user or to root",
     "others may write the TLS key's file; chmod 600 it",
     "the TLS key's file has the rights of a program; chmod 600 it",
     "the directory of the TLS key's file, or of a link to it, belongs to another user; move it to one of this user's "
     "or "
     "of root's",
     "others may write the directory of the TLS key's file, or of a link to it; chmod go-w that directory",
     "a symbolic link to the TLS key's file belongs to another user; make the link anew",
     "the TLS key's file is being replaced; try again", "others may read the TLS key's file; chmod 600 it"},
}};

const Words& words_of(SecretKind kind) { return kWords.at(static_cast<size_t>(kind)); }

bool is_trusted(uid_t user) { return user == geteuid() || user == 0; }

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

Status check_file(const struct stat& file, const Words& words) {
  if (!S_ISREG(file.st_mode)) {
    return {Code::kUnsafe, words.not_regular};
  }
  if (!is_trusted(file.st_uid)) {
    return {Code::kUnsafe, words.other_user};
  }
  if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return {Code::kUnsafe, words.others_write};
  }
  if ((file.st_mode & 07777 & ~(S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH)) != 0) {
    return {Code::kUnsafe, words.program};
  }
  return {};
}

Status check_directory(const std::string& path, const Words& words) {
  struct stat directory = {};
  if (stat(directory_of(path).c_str(), &directory) != 0) {
    return {Code::kIo, words.cannot_open, errno};
  }
  if (!is_trusted(directory.st_uid)) {
    return {Code::kUnsafe, words.directory_of_other_user};
  }
  // In a sticky one others make new names, and change none.
  if ((directory.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (directory.st_mode & S_ISVTX) == 0) {
    return {Code::kUnsafe, words.others_write_directory};
  }
  return {};
}

/// From link to link to the file that was opened.
Status check_way(std::string path, const struct stat& opened, const Words& words) {
  for (int links = 0; links <= kLinksMax; ++links) {
    CAIRN_TRY(check_directory(path, words));
    struct stat at = {};
    if (lstat(path.c_str(), &at) != 0) {
      return {Code::kIo, words.cannot_open, errno};
    }
    if (!S_ISLNK(at.st_mode)) {
      const bool same = at.st_dev == opened.st_dev && at.st_ino == opened.st_ino;
      return same ? Status() : Status(Code::kIo, words.changes);
    }
    if (!is_trusted(at.st_uid)) {
      return {Code::kUnsafe, words.link_of_other_user};
    }
    std::array<char, PATH_MAX> target{};
    const ssize_t length = readlink(path.c_str(), target.data(), target.size());
    if (length <= 0) {
      return {Code::kIo, words.cannot_open, errno};
    }
    const std::string to(target.data(), static_cast<size_t>(length));
    if (to.starts_with('/')) {
      path = to;
    } else {
      path = directory_of(path).append(path.find('/') == std::string::npos ? "/" : "").append(to);
    }
  }
  return {Code::kIo, words.cannot_open, ELOOP};
}

}  // namespace

Result<wal::Descriptor> open_secret_file(const std::string& path, SecretKind kind) {
  const Words& words = words_of(kind);
  // O_NONBLOCK: a FIFO would wait for its writer.
  wal::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    return errno == ENXIO ? Status(Code::kUnsafe, words.not_regular, ENXIO)  // a socket
                          : Status(Code::kIo, words.cannot_open, errno);
  }
  struct stat opened = {};
  struct stat named = {};
  if (fstat(file.get(), &opened) != 0 || lstat(path.c_str(), &named) != 0) {
    return {Code::kIo, words.cannot_open, errno};
  }
  CAIRN_TRY(check_file(opened, words));
  const bool others_read = (opened.st_mode & (S_IRGRP | S_IROTH)) != 0;
  if (S_ISLNK(named.st_mode) || opened.st_uid != geteuid() || others_read) {
    CAIRN_TRY(check_way(path, opened, words));
  }
  return Result<wal::Descriptor>(std::move(file));
}

const char* secret_file_warning(const std::string& path, SecretKind kind) {
  struct stat file = {};
  if (stat(path.c_str(), &file) != 0) {
    return "";
  }
  const bool by_others = (file.st_mode & S_IROTH) != 0 || ((file.st_mode & S_IRGRP) != 0 && file.st_uid == geteuid());
  return by_others ? words_of(kind).others_read : "";
}

}  // namespace cairn
