// Writes the files of a store from run records, for a backup and for a repair. The directory must not be used until
// finish() has returned; then the caller renames it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/salvage/tables_salvage.h"
#include "engine/tables/tables.h"
#include "wal/files.h"
#include "wal/format.h"

namespace cairn::engine {

class StoreImage {
 public:
  /// Makes `directory`, mode 0700, with empty tables in it. kExists: it exists, and is not changed. kNoSpace, kIo,
  /// kUnsafe (a network file system), kReadOnly.
  static Result<std::unique_ptr<StoreImage>> begin(const std::string& directory, const wal::StoreId& store,
                                                   const Hooks& hooks, bool any_file_system = false);
  ~StoreImage();
  StoreImage(const StoreImage&) = delete;
  StoreImage& operator=(const StoreImage&) = delete;

  /// Adds a record as it is, in any order; of several with one id the last one stays. They are written in parts.
  Status add(RunRecord record);
  /// A record that was added, by id: for changes to be folded onto it.
  Result<std::optional<RunRecord>> find(std::string_view id);
  Status write(std::vector<Tables::Change> changes, const std::vector<Note>& notes = {});
  /// A value of the table of texts, if its run was added.
  Status add_text(std::string_view key, std::string_view payload);
  /// Those that were added are written: else a part of them may come after what is written later.
  Status flush_texts();
  /// Writes values of the tables of sync, with their keys and payloads.
  Status put(const std::vector<TablesSalvage::Kept>& values);
  /// How many runs there are.
  Result<uint64_t> runs();
  /// Completes the files: the tables hold everything up to `last_lsn`, and the log, one segment without a record,
  /// continues after it, so that the records' creation LSNs are below all future ones. Everything is on the disk then,
  /// except the directory's own name. Nothing can be added any more.
  Status finish(uint64_t last_lsn, uint32_t segment_bytes);
  /// The files of the directory.
  [[nodiscard]] wal::Files& files() { return *files_; }
  /// Removes the directory and its contents.
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
  std::vector<TablesSalvage::Kept> texts_;
  size_t texts_bytes_ = 0;
  uint64_t last_lsn_ = 0;  // the highest creation LSN
};

}  // namespace cairn::engine
