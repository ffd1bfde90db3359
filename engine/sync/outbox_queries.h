// Answers what waits, and why, as far as the log is folded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "engine/sync/dead_letters.h"
#include "engine/sync/in_flight.h"
#include "engine/sync/stored_state.h"
#include "engine/tables/tables.h"

namespace cairn::engine::sync {

class OutboxQueries {
 public:
  OutboxQueries(Tables& tables, const StoredState& state, const InFlight& in_flight, const DeadLetters& letters)
      : tables_(tables), state_(state), in_flight_(in_flight), letters_(letters) {}

  struct Waiting {
    uint64_t runs = 0;      // with something to send or in flight; held ones if they changed since they were refused
    uint64_t held = 0;      // runs with a dead letter
    bool moves = false;     // something may be sent, or is in flight
    int64_t oldest_us = 0;  // wall clock of the change that has waited longest; 0: none
  };
  /// Cost: a few reads, and one to three for each run in flight.
  Result<Waiting> waiting();

  /// Nothing of the log up to `lsn` waits, is in flight or is held.
  bool acknowledged_up_to(uint64_t lsn);

  /// The sequence up to which the upstream has the run, if nothing of it waits, is in flight or is held; else 0.
  Result<uint64_t> acknowledged(const std::string& id);

  enum class Arrived : uint8_t { kNo, kYes, kHeld };
  /// Whether the upstream has all changes of the run up to `lsn`. The log is folded up to there.
  Result<Arrived> arrived(const std::string& id, uint64_t lsn);

  struct OfRun {
    bool known = false;  // the run or its tombstone is there
    bool waits = false, in_flight = false, held = false, whole = false, foreign = false, ships_forms = false;
    uint64_t acked_sequence = 0;  // the upstream has it up to here
    uint64_t sequence = 0;        // as of the last fold
    size_t bytes = 0;             // of what waits
    int64_t since_us = 0;
    std::optional<DeadLetter> dead;
  };
  Result<OfRun> of_run(const std::string& id);

 private:
  Result<bool> counted_already(TablesTxn& txn, const std::string& id, FrozenPart::Kind kind) const;

  Tables& tables_;
  const StoredState& state_;
  const InFlight& in_flight_;
  const DeadLetters& letters_;
};

/// For a reader, beside the owner: OfRun and the sender's state as of one transaction.
Status look_at_run(TablesTxn& txn, const std::string& id, SenderState& sender, OutboxQueries::OfRun& of);

}  // namespace cairn::engine::sync
