// The store's notes: those that the tables have, and before them those that only the log has yet.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/records/note.h"
#include "engine/store/run_table.h"
#include "wal/mutex.h"

namespace cairn::engine {

class Notes {
 public:
  explicit Notes(const RunTable& runs) : runs_(runs) {}

  struct Logged {
    Note note;
    uint64_t lsn = 0;
  };
  using Key = std::pair<NoteKind, std::string>;
  using Prepared = std::map<Key, Logged>;
  /// Before the append: what add() needs memory for.
  static Prepared prepare(const std::vector<Note>& notes);
  /// After their record was appended at `lsn`.
  void add(Prepared&& notes, uint64_t lsn) noexcept;
  /// The tables have everything up to `applied_lsn`.
  void folded(uint64_t applied_lsn) noexcept;

  /// As it was written last, also if it has ended; nullopt: there is none. Threads: any.
  [[nodiscard]] Result<std::optional<Note>> find(NoteKind kind, std::string_view name) const;

 private:
  const RunTable& runs_;
  mutable Mutex mutex_{LockRank::kNotes};
  Prepared logged_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::engine
