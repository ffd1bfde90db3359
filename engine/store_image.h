// A store's files made from run records, out of sight: for a backup and for a repair. The directory is worth nothing
// until finish() has returned; whoever makes it then gives it its name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/hooks.h"
#include "engine/tables.h"
#include "engine/tables_salvage.h"
#include "wal/files.h"
#include "wal/format.h"

namespace cairn::engine {

class StoreImage {
 public:
  /// Makes `directory`, 0700, with empty tables in it. kExists: it is there, and stays as it is. kNoSpace, kIo, kUnsafe
  /// (a network file system), kReadOnly.
  static Result<std::unique_ptr<StoreImage>> begin(const std::string& directory, const wal::StoreId& store,
                                                   const Hooks& hooks, bool any_file_system = false);
  ~StoreImage();
  StoreImage(const StoreImage&) = delete;
  StoreImage& operator=(const StoreImage&) = delete;

  /// Records in any order, as they are; of one id the last counts. Written in parts.
  Status add(RunRecord record);
  /// What was added, by id: for what is folded onto it.
  Result<std::optional<RunRecord>> find(std::string_view id);
  Status write(std::vector<Tables::Change> changes);
  /// Into tables of sync: keys and payloads as they are there.
  Status put(const std::vector<TablesSalvage::Kept>& values);
  /// How many runs there are.
  Result<uint64_t> runs();
  /// The tables hold everything up to `last_lsn`, and the log, of one segment without a record, goes on behind it:
  /// creation LSNs of the records stay below those to come. All of it is on the disk then, but for the directory's own
  /// name. Nothing can be added any more.
  Status finish(uint64_t last_lsn, uint32_t segment_bytes);
  /// Of the directory.
  [[nodiscard]] wal::Files& files() { return *files_; }
  /// Removes the directory with all that is in it.
  void discard();

 private:
  StoreImage() = default;
  Status flush();

  std::string directory_;
  wal::StoreId store_{};
  Hooks hooks_;
  std::unique_ptr<wal::Files> files_;
  std::unique_ptr<Tables> tables_;
  std::vector<Tables::Change> part_;
  size_t part_bytes_ = 0;
  uint64_t last_lsn_ = 0;  // the highest creation LSN
};

}  // namespace cairn::engine
