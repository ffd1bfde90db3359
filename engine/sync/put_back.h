// What was taken out of the outbox and comes back: the parts of a batch in flight, and refused changes. Each of them is
// folded under what waits meanwhile, held as a dead letter, or stranded.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/dead_letter.h"
#include "engine/sync/frozen_batch.h"
#include "engine/sync/in_flight.h"
#include "engine/sync/outbox_seams.h"
#include "engine/sync/stored_state.h"
#include "engine/tables/tables.h"

namespace cairn::engine::sync {

class PutBack {
 public:
  PutBack(Tables& tables, const OutboxSeams& seams, const StoredState& state, InFlight& in_flight)
      : tables_(tables), seams_(seams), state_(state), in_flight_(in_flight) {}

  /// See Outbox::unfreeze().
  Status all();

  // In a transaction of the caller, who reads InFlight again afterwards. The log is folded.
  Status all(TablesTxn& txn);
  /// `whole`: it is to be sent whole.
  Status part(TablesTxn& txn, const FrozenPart& part, bool whole);
  /// The refused change waits again, before the changes that came after it. `strands`: its run came here from its owner
  /// meanwhile, or is not here any more; then the change becomes a stranded delta, to be applied here.
  Status letter(TablesTxn& txn, const std::string& id, const DeadLetter& letter, bool& strands);
  /// Makes a dead letter of the part.
  Status hold(TablesTxn& txn, const FrozenPart& part, VerdictCode code, const std::string& text) const;

  /// The row of this run, owned elsewhere, was put back or removed.
  void note_returned(const std::string& id) { returned_.push_back(id); }
  /// Those runs, since this was last called.
  std::vector<std::string> take_returned() { return std::exchange(returned_, {}); }

 private:
  static Status tombstone(TablesTxn& txn, const FrozenPart& part, const RunRecord* now);
  Status strand(TablesTxn& txn, const FrozenPart& part) const;

  Tables& tables_;
  const OutboxSeams& seams_;
  const StoredState& state_;
  InFlight& in_flight_;
  std::vector<std::string> returned_;
};

}  // namespace cairn::engine::sync
