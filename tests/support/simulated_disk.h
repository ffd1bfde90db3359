// A model of a disk behind a page cache: what every program sees, what a kill leaves, what a power cut may leave.
//
// The model:
// - A file has a live content (the page cache) and a durable one. Writes, resizes and stores into a shared mapping
//   change the live content and are pending; fdatasync, fsync and O_DSYNC writes make them durable.
// - A directory has live and durable entries. Making, renaming and removing a name is pending until the directory is
//   synced; syncing a file does not make its name durable. A rename inside one directory is atomic: old or new.
// - A kill keeps the live content and the live names: the page cache outlives the process.
// - A power cut keeps what is durable, and of what is pending any mixture: each sector (512 bytes, or a page of 4096)
//   that was written since the last sync is old, new, any version between (the kernel writes back when it likes), or
//   garbage (the device was writing it); a file that grew or shrank has its old length, its new one or one between;
//   each pending name operation happened or not, in order or in any subset.
// - A failed sync drops what was pending: the live content stays readable, the durable one stays old, and later syncs
//   write none of it (what Linux file systems do).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/disk_image.h"
#include "tests/support/seeded_random.h"

namespace cairn::testing {

using Inode = uint32_t;
inline constexpr Inode kNoInode = 0;
inline constexpr Inode kTopDirectory = 1;

struct DiskOperation {
  enum class Kind : uint8_t {
    kCreate,         // file `inode` as `name` in `directory`
    kMakeDirectory,  // directory `inode` as `name` in `directory`
    kRename,         // `inode`, `name` in `directory`, to `to_name` in `to_directory`
    kRemove,         // `inode`, `name` in `directory`
    kSyncDirectory,  // `inode`
    kWrite,          // `bytes` at `offset` of `inode`
    kStore,          // the same, by stores into a mapping
    kResize,         // `inode` to `offset` bytes
    kSync,           // `inode`
    kSyncFailed,     // `inode`
  };
  Kind kind = Kind::kWrite;
  Inode inode = kNoInode;
  Inode directory = kNoInode;
  Inode to_directory = kNoInode;
  std::string name;
  std::string to_name;
  uint64_t offset = 0;
  std::shared_ptr<const std::string> bytes;
  bool through = false;    // kWrite on an O_DSYNC descriptor
  const char* label = "";  // kStore: payload, checksum, sequence, ...
};

std::string describe(const DiskOperation& op);

/// What a power cut leaves of what was pending.
struct PowerCut {
  enum class Style : uint8_t {
    kNothing,     // none of it
    kEverything,  // all of it
    kOneFile,     // each file and directory all or nothing
    kOldOrNew,    // each sector old or new
    kAnyVersion,  // each sector any version since the last sync
    kGarbage,     // as kAnyVersion, and some sectors garbage
    kInOrder,     // a prefix of all pending operations
  };
  Style style = Style::kNothing;
  uint32_t unit_bytes = 512;  // kGarbage: what the device may ruin by one write
  bool names_in_order = false;
};
inline constexpr int kPowerCutStyles = 7;
const char* style_name(PowerCut::Style style);

class SimulatedDisk {
 public:
  SimulatedDisk();
  /// A disk on which all of `image` is durable.
  explicit SimulatedDisk(const DiskImage& image);

  void apply(const DiskOperation& op);

  [[nodiscard]] Inode find(Inode directory, const std::string& name) const;
  /// Of a path relative to the top; "" is the top.
  [[nodiscard]] Inode find(const std::string& path) const;
  [[nodiscard]] uint64_t size(Inode inode) const { return nodes_.at(inode).live.size; }
  [[nodiscard]] Inode next_inode() const { return static_cast<Inode>(nodes_.size()); }
  /// Without zeros at the end that were never written.
  [[nodiscard]] const std::string& live(Inode inode) const { return nodes_.at(inode).live.bytes; }

  [[nodiscard]] DiskImage kill() const;
  [[nodiscard]] DiskImage cut_power(const PowerCut& how, SeededRandom& random) const;

 private:
  struct PendingWrite {
    uint64_t order;
    uint64_t offset;
    std::shared_ptr<const std::string> bytes;  // null: a resize to `offset`
    bool through;
  };
  struct PendingName {
    uint64_t order;
    std::string remove;  // empty: none
    std::string add;     // empty: none
    Inode inode;
  };
  using Entries = std::map<std::string, Inode>;
  struct Node {
    bool directory = false;
    FileContent live;
    FileContent durable;
    std::vector<PendingWrite> writes;
    Entries live_entries;
    Entries durable_entries;
    std::vector<PendingName> names;
  };

  Node& add_node(Inode inode, bool directory);
  void pend_name(Inode directory, const std::string& remove, const std::string& add, Inode inode);
  [[nodiscard]] FileContent torn(const Node& node, const PowerCut& how, uint64_t order_max, SeededRandom& random) const;
  [[nodiscard]] Entries torn_entries(const Node& node, const PowerCut& how, uint64_t order_max,
                                     SeededRandom& random) const;

  std::vector<Node> nodes_;  // by inode; 0 is unused
  uint64_t order_ = 0;
};

}  // namespace cairn::testing
