// The staging files: creates them, hands out slots, and reads what a killed process left.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/diff/diff.h"
#include "engine/staging/place.h"
#include "engine/staging/sigbus_guard.h"
#include "engine/staging/staged_slot.h"
#include "wal/function_ref.h"
#include "wal/mutex.h"

namespace cairn::engine {

/// Staged bytes are valid only if these match.
struct StagingIdentity {
  std::array<uint8_t, 16> store_id{};
  std::array<uint8_t, 16> boot_id{};  // all zero: unknown, staging is off
  uint64_t pid_namespace = 0;
};

/// A valid buffer found in a staging file.
struct StagedDiff {
  std::string run_id;
  uint64_t created_lsn = 0;
  Diff diff;
  std::string file;
  uint64_t offset = 0;
};

struct StagingScan {
  std::vector<StagedDiff> diffs;
  uint64_t files = 0;
  uint64_t ignored_files = 0;    // of another boot or store, superseded, or damaged
  uint64_t invalid_buffers = 0;  // neither empty nor valid
  uint64_t unsettled_slots = 0;  // a live writer was writing these slots at every look: they may have newer updates
};

/// 00 to 99; anything else in the directory is not a staging file.
bool is_staging_name(const std::string& name);
/// The name of a staging file until it is complete.
inline constexpr const char* kUnfinishedStagingName = "new";

/// Reads all staging files. Files of another store, boot or format are ignored and counted; damaged bytes never match.
Status scan_staging(const StagingPlace& place, const StagingIdentity& identity, StagingScan& scan);

/// Damage, in the files of this store and boot, that a kill cannot cause: a header that was never written, a truncated
/// file, a slot with both buffers damaged. One sentence each.
Result<std::vector<std::string>> damaged_staging(const StagingPlace& place, const StagingIdentity& identity);

/// One slot for `cairn dump`.
struct SlotView {
  std::string file;
  uint64_t offset = 0;
  int size_class = 0;
  uint32_t state = 0;
  std::string run_id;
  uint64_t created_lsn = 0;
  struct Buffer {
    bool valid = false;
    bool empty = true;
    Diff diff;
  };
  std::array<Buffer, 2> buffers;
  bool settled = false;  // `buffers` has the newest update that was complete before the look
};
Status visit_slots(const StagingPlace& place, const StagingIdentity& identity,
                   const FunctionRef<void(const SlotView&)>& visit, StagingScan& scan);

class Staging {
 public:
  struct Options {
    StagingIdentity identity;
    uint64_t staging_id = 0;
    StagingSeam seam;
    std::function<Status(uint64_t bytes)> may_grow;
    SigbusGuard* guard = nullptr;  // outlives the staging; null: a SIGBUS goes to the host's handler
  };
  /// The last step of recovery (STAGING.md), to be called when the contents of the old files are durable in the
  /// log: makes the new file 00 under a temporary name, marks every old file superseded, renames over 00, removes the
  /// others, syncs the directory.
  static Result<std::unique_ptr<Staging>> create(const StagingPlace& place, const Options& options);

  /// Marks all files superseded and removes them, in a place that is not used for staging any more. A directory outside
  /// the store is removed, too.
  static Status supersede(const StagingPlace& place);

  /// Gives a slot with room for at least `payload_bytes`, and writes its header for the run. False: no slot is free, or
  /// the largest class is too small.
  bool take(uint32_t payload_bytes, std::string_view run_id, uint64_t created_lsn, Slot& slot);
  void mark_sealing(const Slot& slot);
  void give_back(const Slot& slot);

  /// Makes the next file when three quarters of the chunks are in use. Part of `step`. kNoSpace changes nothing.
  Status prepare();
  /// Removes the files: after a clean close, when nothing is staged.
  Status remove_all();
  [[nodiscard]] const StagingPlace& place() const { return place_; }

  [[nodiscard]] const StagingSeam& seam() const { return options_.seam; }
  [[nodiscard]] uint64_t disk_bytes() const { return disk_bytes_.load(std::memory_order_relaxed); }
  struct Counters {
    uint64_t slots_taken = 0, slots_free = 0, chunks = 0, chunks_used = 0, files = 0;
  };
  Counters counters();

 private:
  Staging(StagingPlace place, Options options) : place_(std::move(place)), options_(std::move(options)) {}
  struct MappedFile {
    std::unique_ptr<wal::File> file;
    char* memory = nullptr;
    uint64_t bytes = 0;
    uint32_t chunks_used = 0;
    SigbusGuard::Range guarded;  // destroyed before the mapping
  };
  Result<MappedFile> make_file(const std::string& name, uint32_t number, uint64_t bytes);
  bool carve(int size_class) CAIRN_REQUIRES(mutex_);

  const StagingPlace place_;
  const Options options_;
  std::atomic<uint64_t> disk_bytes_{0};

  Mutex mutex_{LockRank::kStagingFiles};
  std::vector<MappedFile> mapped_ CAIRN_GUARDED_BY(mutex_);
  // Has the capacity for all slots of its class.
  std::array<std::vector<Slot>, staging::kClasses> free_ CAIRN_GUARDED_BY(mutex_);
  std::array<size_t, staging::kClasses> slots_ CAIRN_GUARDED_BY(mutex_){};  // of each class, taken or free
  uint64_t taken_ CAIRN_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::engine
