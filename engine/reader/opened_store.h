// A store's directory as a reader has it open, while another process may own it: who it is, its files, its tables, and
// where its staging is.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/directory/identity.h"
#include "engine/directory/store_lock.h"
#include "engine/staging/staging.h"
#include "engine/tables/tables.h"
#include "wal/files.h"

namespace cairn::engine {

class OpenedStore {
 public:
  struct Options {
    std::string directory;
    bool salvage = false;                    // read what can be read of a damaged store, instead of kCorrupt
    int64_t patience_ms = 100;               // after that kAgain
    size_t copied_log_bytes_max = 8u << 20;  // see LoggedRecords
    bool unsafe_file_system = false;
    Hooks hooks;
  };
  /// See StoreReader::open. Salvage: `store_problem` and `tables_problem` say why STORE or LMDB are not used.
  static Result<std::unique_ptr<OpenedStore>> open(Options&& options, std::string& store_problem,
                                                   std::string& tables_problem);
  /// kUnsafe: the owner lives in another pid namespace.
  static Status check_owner(const LockOwner& owner);

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] wal::Files& files() const { return *files_; }
  /// Null: unborn data/, or unreadable in salvage.
  [[nodiscard]] Tables* tables() const { return tables_.get(); }
  /// The LSN up to which the tables now hold the log; nullopt: they cannot be read.
  [[nodiscard]] std::optional<uint64_t> applied_lsn() const;
  /// How many runs the tables hold; the log may have more.
  [[nodiscard]] uint64_t stored_runs() const { return tables_ == nullptr ? 0 : tables_->stats().runs; }
  [[nodiscard]] StagingIdentity staging_identity() const;
  /// The directories of staging files: the one inside the store, and the one outside that STAGING names, if it exists.
  /// If not, `gone`, if given, gets its name.
  Result<std::vector<StagingPlace>> staging_places(std::string* gone = nullptr) const;
  /// kNotAStore: the store was removed, or replaced by another.
  [[nodiscard]] Status check_place() const;

 private:
  explicit OpenedStore(Options&& options) : options_(std::move(options)) {}
  Status open_files();
  Status open_tables(std::string& problem);

  const Options options_;
  std::unique_ptr<wal::Files> own_files_;
  uint64_t device_ = 0;  // this and the next: of the directory, if this object opened the files
  uint64_t inode_ = 0;
  wal::Files* files_ = nullptr;
  Identity identity_;
  std::array<uint8_t, 16> boot_id_{};
  std::unique_ptr<Tables> tables_;
};

}  // namespace cairn::engine
