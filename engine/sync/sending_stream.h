// Under which name and in which stream the outbox sends, and to which upstream: attaching, copies, restores, pulls, and
// the streams that replace each other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/sync/in_flight.h"
#include "engine/sync/outbox_seams.h"
#include "engine/sync/put_back.h"
#include "engine/sync/sender_state.h"
#include "engine/sync/stored_state.h"
#include "engine/tables/tables.h"
#include "wal/function_ref.h"

namespace cairn::engine::sync {

class SendingStream {
 public:
  SendingStream(Tables& tables, const OutboxSeams& seams, StoredState& state, InFlight& in_flight, PutBack& put_back)
      : tables_(tables), seams_(seams), state_(state), in_flight_(in_flight), put_back_(put_back) {}

  /// From now on changes wait for an upstream. First all runs are sent whole; once more if the name changes.
  Status attach(const std::string& upstream);
  /// Nothing is sent until it is attached again. All that waits stays, the batch in flight too, because it may have
  /// arrived.
  Status detach();
  /// Notes that the store's files are not those that were opened before: moved, or copied.
  Status note_copied();
  /// Ends a halt. `moved`: the store was moved, and continues its stream. Else it is a copy and becomes a store of its
  /// own: runs that the original has sent stay the original's upstream, and what waits for runs owned elsewhere is
  /// dropped, because the original sends it. `dropped`, if given, gets the number of those runs.
  Status resolve(bool moved, uint64_t* dropped = nullptr);

  enum class Rotation : uint8_t {
    kLost,      // the upstream lost batches: every run is sent once more
    kRestored,  // this store was restored: what waits for runs of other owners may have been sent, so it is held in
                // dead letters
  };
  /// A new stream replaces the old one. `kept_deltas`: how many of the deltas sent the upstream still has.
  Status rotate(Rotation why, uint64_t kept_deltas);
  /// The upstream continues `stream` of this owner, of that generation, and not the parent that this store's first
  /// batch names. If it is an earlier stream of this store, or a person decided that this store continues, a new stream
  /// begins with it as its parent. False: it is the stream of another store.
  Result<bool> adopt_as_parent(const StreamId& stream, uint64_t generation);
  /// The upstream has a later state of a run of this store.
  Status note_restored();
  /// Notes that the tables may be some commits old: the upstream is asked what is newer. A stream or batch of this
  /// owner that it knows, and this store does not, is then taken for this store's own.
  Status note_older();
  Status halt(Halt why);
  /// Stores why a try failed, if the reason is not the same as before.
  Status note_error(std::string_view text);
  /// Stores how the upstream is reached, for the next time.
  Status remember(const Way& way);
  Status begin_pull();
  /// Notes that all runs up to `id` were asked for, and what was newer is applied. `newer`: something was, so this
  /// store was restored. `generation`: the highest that the upstream has; the next stream's is above it.
  Status pulled(const std::string& id, bool newer, uint64_t generation);
  Status end_pull();

 private:
  Status begin_stream(SenderState& state) const;
  void begin_pull(SenderState& state, Pull why) const;
  static void finish_pull(SenderState& state);
  Status hold_foreign(TablesTxn& txn);
  Status take_foreign_rows(TablesTxn& txn, const FunctionRef<Status(const RunRecord&)>& take);

  Tables& tables_;
  const OutboxSeams& seams_;
  StoredState& state_;
  InFlight& in_flight_;
  PutBack& put_back_;
};

}  // namespace cairn::engine::sync
