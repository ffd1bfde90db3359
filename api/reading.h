// The implementation of a store that was opened read-only: a reader of its files instead of the engine that owns them.
// Only open files are kept between calls: each call reads again, so it sees what was acknowledged before it began.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/host_hooks.h"
#include "cairn/cairn.h"
#include "cairn/status.h"
#include "engine/base/fork_guard.h"
#include "engine/maintenance/backup.h"
#include "engine/reader/store_reader.h"
#include "engine/store/store.h"
#include "wal/function_ref.h"
#include "wal/mutex.h"

namespace cairn::api {

class Reading {
 public:
  /// Errors: those of StoreReader::open.
  static Result<std::unique_ptr<Reading>> open(const std::string& directory, engine::Hooks hooks,
                                               bool unsafe_file_system);

  /// This process is a forked child of the one that opened it.
  [[nodiscard]] bool forked() const { return engine::forked(fork_word_); }
  [[nodiscard]] const std::array<uint8_t, 16>& store_id() const { return store_id_; }

  /// Any run. kNoSuchRun.
  Result<engine::RunView> find(std::string_view id);
  /// The run that was found before. kErased: it is gone, even if its id is in use again.
  Result<engine::RunView> read(std::string_view id, uint64_t created_lsn);
  Status each(const FunctionRef<bool(const engine::RunView&)>& visit);
  /// Fills in where the store is and how it is read.
  void describe(engine::BackupOptions& options) const;
  /// As StoreReader::list; `visit` may call this.
  Result<std::string> list(const engine::RunQuery& query, const FunctionRef<bool(const engine::RunView&)>& visit,
                           bool with_documents);
  /// Calls use(reader) while no other call reads: for a watch, which keeps the reader but uses it only in here.
  template <class Use>
  auto locked(Use&& use) {
    const MutexLock guard(mutex_);
    return use(*reader_);
  }
  /// Fills in what can be known from the files; what only the owner counts is zero.
  Status stats(cairn_stats& out);

 private:
  explicit Reading(engine::ForkWord fork_word) : fork_word_(fork_word) {}

  const engine::ForkWord fork_word_;
  std::string directory_;
  engine::Hooks hooks_;
  bool unsafe_file_system_ = false;
  std::array<uint8_t, 16> store_id_{};
  Mutex mutex_{LockRank::kReading};  // one read at a time
  std::unique_ptr<engine::StoreReader> reader_ CAIRN_PT_GUARDED_BY(mutex_);
};

/// Calls take(value) -> Status with the value at `key`, a name or a path, of a document. kNotFound.
Status with_value(const engine::Document& document, std::string_view key,
                  const FunctionRef<Status(const engine::Value&)>& take);

}  // namespace cairn::api
