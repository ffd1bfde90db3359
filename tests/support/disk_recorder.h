// Records everything that this process does to the files below one directory, whoever does it: the engine, its staging
// stores, LMDB. The C library's calls are interposed (watched_calls.cc), so the real code runs unchanged, on real
// files.
//
// Stores into shared mappings are seen by comparison: at each stop of the staging seam, and before each other recorded
// operation, every mapped file is compared with its last known content, and what changed becomes one store.
//
// Lock files are left out (is_lock_file). One recorder at a time; the recorded calls may come from any thread.
#pragma once

#include <sys/types.h>

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/staged_slot.h"
#include "tests/support/simulated_disk.h"

namespace cairn::testing {

/// Makes one write or sync fail, once its turn comes.
struct DiskFault {
  enum class Kind : uint8_t { kNone, kWrite, kSync };
  Kind kind = Kind::kNone;
  std::string below;       // only files whose path begins so, e.g. "wal/"
  uint64_t bytes_min = 0;  // kWrite: only writes at least this large
  uint64_t skip = 0;       // so many matching calls pass first
  int64_t keep_bytes = 0;  // kWrite: so many bytes are written before the failure; negative: all but so many
  int error = 0;           // errno of the failure
  uint64_t times = 1;      // how many calls on that file fail in a row
};

class DiskRecorder {
 public:
  /// `disk` is what stands below `directory` now.
  DiskRecorder(std::string directory, SimulatedDisk disk);
  ~DiskRecorder();
  DiskRecorder(const DiskRecorder&) = delete;
  DiskRecorder& operator=(const DiskRecorder&) = delete;

  /// Records no more: what is done to the files from now on did not happen.
  void stop();

  [[nodiscard]] const std::vector<DiskOperation>& log() const { return log_; }
  /// Operations so far, stores that nobody announced included.
  size_t position();
  /// The disk as it is now.
  [[nodiscard]] const SimulatedDisk& disk() const { return disk_; }

  /// For Hooks::staging.
  engine::StagingSeam seam();

  void arm(const DiskFault& fault);
  void disarm() { fault_ = {}; }
  [[nodiscard]] bool fault_met() const { return fault_met_; }

  // For watched_calls.cc.
  static DiskRecorder* active();
  void opened(int fd, int directory_fd, const char* path, int flags);
  void closed(int fd);
  struct Allowed {
    size_t bytes;
    int error;  // not 0: fail with it and write nothing
  };
  bool watches(int fd);
  Allowed allow_write(int fd, size_t bytes);
  int allow_sync(int fd);
  void wrote(int fd, uint64_t offset, std::string bytes);
  void resized(int fd, uint64_t bytes);
  void synced(int fd, bool worked);
  void made_directory(int directory_fd, const char* path);
  void renamed(int from_fd, const char* from, int to_fd, const char* to);
  void removed(int directory_fd, const char* path);
  void mapped(int fd, void* address, size_t bytes);
  void unmapping(const void* address);

 private:
  struct Descriptor {
    Inode inode = kNoInode;
    bool directory = false;
    bool through = false;
    bool append = false;
    dev_t device = 0;
    ino_t number = 0;
    std::string path;
  };
  struct Mapping {
    const char* address = nullptr;
    Inode inode = kNoInode;
    std::string known;
  };
  std::optional<std::string> below(int directory_fd, const char* path);
  Descriptor* descriptor(int fd);
  void add(DiskOperation op);
  void note_stores(const char* label);

  const std::string directory_;
  std::recursive_mutex mutex_;
  // Guarded by mutex_.
  SimulatedDisk disk_;
  std::vector<DiskOperation> log_;
  std::map<int, Descriptor> descriptors_;
  std::vector<Mapping> mappings_;
  DiskFault fault_;
  bool fault_met_ = false;
  Inode failing_ = kNoInode;
};

}  // namespace cairn::testing
