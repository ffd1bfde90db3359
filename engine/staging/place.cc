#include "engine/staging/place.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "engine/base/error_detail.h"
#include "wal/descriptor.h"
#include "wal/xxh3.h"

namespace cairn::engine {

namespace {

constexpr const char* kRecord = "STAGING";
constexpr const char* kNewRecord = "STAGING.tmp";
constexpr char kMagic[8] = {'C', 'A', 'I', 'R', 'N', 'S', 'T', 'D'};
constexpr uint32_t kVersion = 1;
constexpr size_t kPathBytesMax = 4096;

// Followed by the path, then XXH3 of all before it.
struct RecordHead {
  char magic[8];
  uint32_t format_version;
  uint32_t path_bytes;
  uint8_t boot_id[16];
};
static_assert(sizeof(RecordHead) == 32);

Status from_errno(int why, const char* what) {
  return {why == EROFS                     ? Code::kReadOnly
          : why == ENOSPC || why == EDQUOT ? Code::kNoSpace
          : why == ENOENT                  ? Code::kNotFound
          : why == ELOOP || why == ENOTDIR ? Code::kUnsafe
          : why == EACCES || why == EPERM  ? Code::kUnsafe
                                           : Code::kIo,
          what, why};
}

// Checks the directory itself, not what a link leads to.
Status check_own(const std::string& directory, bool mend) {
  const int fd = wal::above_standard(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd < 0) {
    return from_errno(errno, "the staging directory cannot be opened");
  }
  struct stat s = {};
  Status status;
  if (fstat(fd, &s) != 0) {
    status = from_errno(errno, "the staging directory cannot be examined");
  } else if (s.st_uid != geteuid()) {
    status = {Code::kUnsafe, "the staging directory belongs to another user"};
  } else if (mend && (s.st_mode & 0777) != 0700 && fchmod(fd, 0700) != 0) {
    status = from_errno(errno, "chmod of the staging directory");
  } else if (!mend && (s.st_mode & 022) != 0) {
    status = {Code::kUnsafe, "the staging directory can be written by others"};
  }
  ::close(fd);
  return status;
}

}  // namespace

StagingPlace staging_inside(wal::Files& store_files) {
  StagingPlace place;
  place.files = &store_files;
  place.folder = "staging";
  return place;
}

Result<StagingPlace> staging_outside(const std::string& directory) {
  CAIRN_TRY(check_own(directory, false));
  auto files = wal::open_posix_files(directory);
  if (!files.ok()) {
    return files.status();
  }
  StagingPlace place;
  place.kept = std::move(*files);
  place.files = place.kept.get();
  place.directory = directory;
  return place;
}

Result<std::string> check_staging_dir(const std::string& staging_dir) {
  if (mkdir(staging_dir.c_str(), 0700) != 0 && errno != EEXIST) {
    const int why = errno;
    const Status status = from_errno(why, "mkdir");
    return fail(status.code == Code::kNotFound ? Status(Code::kInvalidArgument, "staging_dir", why) : status,
                "staging_dir: cannot make " + staging_dir + ": " + std::generic_category().message(why));
  }
  char* real = realpath(staging_dir.c_str(), nullptr);
  struct stat s = {};
  if (real == nullptr || stat(real, &s) != 0) {
    const int why = errno;
    free(real);
    return fail(from_errno(why, "stat"),
                "staging_dir: cannot look at " + staging_dir + ": " + std::generic_category().message(why));
  }
  std::string path(real);
  free(real);
  if (!S_ISDIR(s.st_mode)) {
    return fail(Code::kInvalidArgument, "staging_dir: " + path + " is not a directory");
  }
  if (s.st_uid != geteuid() && s.st_uid != 0) {
    return fail(Code::kUnsafe, "staging_dir: " + path + " belongs to another user: choose one of your own");
  }
  if ((s.st_mode & 022) != 0 && (s.st_mode & S_ISVTX) == 0) {
    return fail(Code::kUnsafe, "staging_dir: others can rename what is in " + path + ": chmod 700 it");
  }
  return path;
}

Result<std::string> staging_path(const std::string& staging_dir, const std::string& store_directory,
                                 const std::array<uint8_t, 16>& store_id) {
  const wal::Descriptor directory(::open(store_directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) {
    return from_errno(errno, "the store's directory cannot be examined");
  }
  const auto info = wal::file_info(directory.get());
  if (!info.ok()) {
    return info.status();
  }
  const uint64_t fingerprint[2] = {info->inode, info->birth_ns};
  std::string path = staging_dir + "/";
  char hex[20];
  for (const uint8_t byte : store_id) {
    std::snprintf(hex, sizeof hex, "%02x", byte);
    path += hex;
  }
  std::snprintf(hex, sizeof hex, "-%08x", static_cast<unsigned>(xxh3(fingerprint, sizeof fingerprint)));
  path += hex;
  return path;
}

Status make_staging_outside(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return from_errno(errno, "mkdir of the staging directory");
  }
  return check_own(path, true);
}

Result<StagingRecord> read_staging_record(wal::Files& store_files) {
  auto file = store_files.open(kRecord, wal::OpenMode::kRead);
  if (!file.ok()) {
    return file.status();
  }
  std::string bytes(sizeof(RecordHead) + kPathBytesMax + sizeof(uint64_t), '\0');
  auto got = (*file)->read_at(0, {bytes.data(), bytes.size()});
  if (!got.ok()) {
    return got.status();
  }
  RecordHead head;
  std::memcpy(&head, bytes.data(), sizeof head);
  if (*got >= sizeof head && std::memcmp(head.magic, kMagic, sizeof kMagic) == 0 && head.format_version > kVersion) {
    return Status(Code::kVersion, "STAGING was written by a newer version of Cairn");
  }
  uint64_t checksum = 0;
  const size_t body = sizeof head + head.path_bytes;
  if (*got < sizeof head || std::memcmp(head.magic, kMagic, sizeof kMagic) != 0 || head.path_bytes == 0 ||
      head.path_bytes > kPathBytesMax || *got != body + sizeof checksum) {
    return Status(Code::kCorrupt, "STAGING is damaged");
  }
  std::memcpy(&checksum, bytes.data() + body, sizeof checksum);
  if (checksum != xxh3(bytes.data(), body)) {
    return Status(Code::kCorrupt, "STAGING is damaged");
  }
  StagingRecord record;
  record.directory = bytes.substr(sizeof head, head.path_bytes);
  std::memcpy(record.boot_id.data(), head.boot_id, record.boot_id.size());
  return record;
}

Status write_staging_record(wal::Files& store_files, const StagingRecord& record) {
  if (record.directory.size() > kPathBytesMax) {
    return {Code::kInvalidArgument, "staging_dir: the path is too long"};
  }
  RecordHead head = {};
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  head.format_version = kVersion;
  head.path_bytes = static_cast<uint32_t>(record.directory.size());
  std::memcpy(head.boot_id, record.boot_id.data(), record.boot_id.size());
  std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
  bytes += record.directory;
  const uint64_t checksum = xxh3(bytes.data(), bytes.size());
  bytes.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  auto file = store_files.open(kNewRecord, wal::OpenMode::kCreateOrTruncate);
  if (!file.ok()) {
    return file.status();
  }
  CAIRN_TRY((*file)->write_at(0, bytes));
  CAIRN_TRY((*file)->sync());
  CAIRN_TRY(store_files.rename(kNewRecord, kRecord));
  return store_files.sync_directory("");
}

Status remove_staging_record(wal::Files& store_files) {
  const Status removed = store_files.remove(kRecord);
  if (removed.code == Code::kNotFound) {
    return {};
  }
  return removed.ok() ? store_files.sync_directory("") : removed;
}

}  // namespace cairn::engine
