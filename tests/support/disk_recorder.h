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

#include "engine/staging/staged_slot.h"
#include "tests/support/simulated_disk.h"

namespace cairn::testing {

enum class DiskCall : uint8_t { kOpen, kWrite, kSync, kResize, kRename, kMakeDirectory, kRemove };
inline constexpr int kDiskCalls = 7;
const char* call_name(DiskCall call);

/// A call below the directory that can fail. Those on lock files count too.
struct WatchedCall {
  DiskCall call;
  std::string path;      // of a rename: the old one
  size_t bytes = 0;      // kWrite
  bool fill = false;     // kWrite: of zeros, a page or more
  bool creates = false;  // kOpen: may make the file
  size_t position = 0;   // operations before it
};

/// Makes calls fail, once their turn comes.
struct DiskFault {
  enum class Kind : uint8_t {
    kNone,
    kWrite,  // a write: `keep_bytes` of it are done, and the next `times` writes to that file fail
    kSync,   // `times` syncs
    kCall,   // the call of number `skip` in calls(), whatever it is; and later ones of its sort, up to `times`
  };
  Kind kind = Kind::kNone;
  std::string below;           // kWrite, kSync: only files whose path begins so, e.g. "wal/"
  uint64_t bytes_min = 0;      // kWrite: only writes at least this large
  uint64_t skip = 0;           // so many matching calls pass first
  int64_t keep_bytes = 0;      // kWrite: so many bytes are written before the failure; negative: all but so many
  int error = 0;               // errno of the failure
  uint64_t times = 1;          // how many calls fail in a row; kForever
  bool then_any_size = false;  // kWrite: once met, `bytes_min` counts no more
  bool short_writes = false;   // kCall on a write: half of it is done, and nothing fails
  static constexpr uint64_t kForever = UINT64_MAX;
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
  void disarm();
  [[nodiscard]] bool fault_met() const { return fault_met_; }
  /// It was met, and nothing fails any more.
  [[nodiscard]] bool fault_spent() const {
    return fault_met_ && (fault_.kind == DiskFault::Kind::kNone || fault_.times == 0);
  }
  /// Where the fault was met: operations before it, and the file.
  [[nodiscard]] size_t fault_position() const { return fault_position_; }
  [[nodiscard]] const std::string& fault_path() const { return fault_path_; }
  /// Its number in calls().
  [[nodiscard]] size_t fault_call() const { return fault_call_; }
  /// All calls so far that can fail, those that did included.
  [[nodiscard]] const std::vector<WatchedCall>& calls() const { return calls_; }

  // For watched_calls.cc.
  static DiskRecorder* active();
  void opened(int fd, int directory_fd, const char* path, int flags);
  void closed(int fd);
  struct Allowed {
    size_t bytes;
    int error;  // not 0: fail with it and write nothing
  };
  bool watches(int fd);
  // Whether the call may be done: an errno or 0.
  Allowed allow_write(int fd, const void* bytes, size_t count);
  int allow_sync(int fd);
  int allow_resize(int fd);
  int allow_open(int directory_fd, const char* path, int flags);
  int allow_path(DiskCall call, int directory_fd, const char* path);
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
  void meet_fault(const std::string& path);
  /// Counts the call; an errno if it is to fail. `short_write`: it is to be cut instead.
  int count(WatchedCall call, bool* short_write = nullptr);

  const std::string directory_;
  std::recursive_mutex mutex_;
  // Guarded by mutex_.
  SimulatedDisk disk_;
  std::vector<DiskOperation> log_;
  std::map<int, Descriptor> descriptors_;
  std::vector<Mapping> mappings_;
  DiskFault fault_;
  bool fault_met_ = false;
  size_t fault_position_ = 0;
  std::string fault_path_;
  size_t fault_call_ = 0;
  Inode failing_ = kNoInode;              // kWrite
  bool rest_fails_ = false;               // kWrite: a write was cut, and its rest comes next
  std::optional<DiskCall> failing_call_;  // kCall
  std::vector<WatchedCall> calls_;
};

}  // namespace cairn::testing
