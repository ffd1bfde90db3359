// Writes runs to the log: seals, the records that follow them, and the sync of what was appended.
//
// Seal = detach. Under the run's lock the slot is marked sealing, its diff becomes the run's detached one, and the next
// diff's base is the detached one's last sequence. The record is appended later, and only after the write returned is
// the slot freed. So an acknowledged update always stands whole in a slot or in the log.
//
// At most one detached diff a run, and its record is the run's next in the log: whoever appends anything for the run
// writes it first, if under the append mutex it is not yet written; its owner then skips it. A failed append leaves it
// detached: a short write may have left its record readable, so it is never made current again nor folded into newer
// changes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/records/attachments.h"
#include "engine/records/log_record.h"
#include "engine/staging/sigbus_guard.h"
#include "engine/staging/staging.h"
#include "engine/store/alarm.h"
#include "engine/store/changed_runs.h"
#include "engine/store/dirty_runs.h"
#include "engine/store/gate.h"
#include "engine/store/notes.h"
#include "engine/store/run.h"
#include "engine/store/unseen_writes.h"
#include "wal/writer.h"

namespace cairn::engine {

class RunLog {
 public:
  struct Options {
    std::string directory;  // of the store, for messages
    uint32_t segment_bytes = 0;
    Staging* staging = nullptr;  // null: every update is appended
    const SigbusGuard* guard = nullptr;
  };
  RunLog(Options options, Gate& gate, wal::Writer& writer, DirtyRuns& dirty, Alarm& alarm, Notes& notes,
         ChangedRuns& changed, UnseenWrites& unseen)
      : options_(std::move(options)),
        gate_(gate),
        writer_(writer),
        dirty_(dirty),
        alarm_(alarm),
        notes_(notes),
        changed_(changed),
        unseen_(unseen) {}

  /// Updates go to staging: there is one, and its files did not fail.
  [[nodiscard]] bool stages() const {
    return options_.staging != nullptr && !(options_.guard != nullptr && options_.guard->hit());
  }

  // All of these with the run's lock held.
  /// Before something is pending in it.
  void mark_dirty(Run& run) CAIRN_REQUIRES(run.lock);
  /// The pending diff becomes the detached one. There is a pending one, and no detached.
  void detach(Run& run) CAIRN_REQUIRES(run.lock);
  Status write_detached(Run& run) CAIRN_REQUIRES(run.lock);
  /// Makes room for the next changes: what is pending is detached, and what was detached before is in the log.
  Status detach_pending(Run& run) CAIRN_REQUIRES(run.lock);
  /// All that was done to the run is in the log.
  Status seal(Run& run) CAIRN_REQUIRES(run.lock);
  /// Appends the detached diff (if it is not yet written), then the record, if given; on success frees the detached
  /// slots. `with`, if given, stands in one record with it, and is in the run and the notes then. kTooLarge.
  using Record = std::optional<std::pair<LogType, std::string>>;
  Status append_for(Run& run, const Record& record, uint64_t* lsn, const Attachments* with = nullptr)
      CAIRN_REQUIRES(run.lock);
  /// The seals of several runs and then one record, which holds changes of all of them. Seals that would crowd
  /// the segment go ahead, on their own.
  /// The notes stand in that record too. kTooLarge.
  Status append_for_all(const std::vector<Run*>& runs, LogType type, const std::string& payload, uint64_t& lsn,
                        const std::vector<Note>& notes = {});
  /// A record of notes alone.
  Status append_notes(const std::vector<Note>& notes, uint64_t& lsn);

  using Batch = std::vector<std::pair<RunRef, std::shared_ptr<Detached>>>;
  /// Writes the detached diffs, in one or few appends, and empties the batch. Those that another caller wrote meanwhile
  /// are skipped. No run's lock is held.
  Status write_batch(Batch& batch);

  /// Everything up to `lsn` is on the disk. A failure latches the gate, but for want of space.
  Status sync(uint64_t lsn);
  /// Of all that was appended before.
  Status sync_all() { return sync(writer_.written_lsn()); }

 private:
  void free_detached(Run& run) CAIRN_REQUIRES(run.lock);
  Status append_failed(Status status);
  Status append_record(Run& run, const Record& record, uint64_t* lsn) CAIRN_REQUIRES(run.lock);
  Status append_record_for_all(const std::vector<Run*>& runs, LogType type, const std::string& payload, uint64_t& lsn);
  Result<std::string> group_of(const Record& record, std::string_view run, uint64_t created_lsn,
                               const Attachments& with) const;

  const Options options_;
  Gate& gate_;
  wal::Writer& writer_;
  DirtyRuns& dirty_;
  Alarm& alarm_;
  Notes& notes_;
  ChangedRuns& changed_;
  UnseenWrites& unseen_;
};

}  // namespace cairn::engine
