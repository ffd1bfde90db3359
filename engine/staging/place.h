// Where a store's staging files are: staging/ in the store, or a directory outside that the host chose (staging_dir).
//
// A directory outside is <staging_dir>/<store id>-<fingerprint of the store's directory>, so that stores share a
// staging_dir, and a copy of a store (which has the same id) never uses the staging of the original. The file STAGING
// in the store names it. It is changed after the new staging file exists and before the old ones are removed, and is
// removed by a clean close: at each moment it names the directory that the next open must look into.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "cairn/status.h"
#include "wal/files.h"

namespace cairn::engine {

struct StagingPlace {
  wal::Files* files = nullptr;
  std::string folder;                // below `files`; "" is its root
  std::string directory;             // of a directory outside the store: its absolute path; "": inside
  std::shared_ptr<wal::Files> kept;  // of a directory outside: owns what `files` points to

  [[nodiscard]] std::string path(const std::string& name) const { return folder.empty() ? name : folder + "/" + name; }
};

/// staging/ of the store itself.
StagingPlace staging_inside(wal::Files& store_files);
/// An existing directory outside. kNotFound: it is gone. kUnsafe: others have access to it, or it is a link.
Result<StagingPlace> staging_outside(const std::string& directory);

/// `staging_dir` as an absolute path without links; makes it if it is absent. It may belong to root, and be writable
/// for others only with the sticky bit, as /dev/shm is. kInvalidArgument, kUnsafe, kReadOnly, kNoSpace, kIo.
Result<std::string> check_staging_dir(const std::string& staging_dir);
/// The path of this store's own directory in it.
Result<std::string> staging_path(const std::string& staging_dir, const std::string& store_directory,
                                 const std::array<uint8_t, 16>& store_id);
/// Makes that directory; kOk also if it exists.
Status make_staging_outside(const std::string& path);

/// The contents of the file STAGING.
struct StagingRecord {
  std::string directory;
  std::array<uint8_t, 16> boot_id{};
};
/// kNotFound: none, the staging files are inside. kCorrupt: damaged. kVersion.
Result<StagingRecord> read_staging_record(wal::Files& store_files);
Status write_staging_record(wal::Files& store_files, const StagingRecord& record);
/// kOk also if there is no file STAGING.
Status remove_staging_record(wal::Files& store_files);

}  // namespace cairn::engine
