// The sending side's tables: the rows that wait, the batch in flight and what it was made of, dead letters, the stream.
// This class makes batches and applies answers; its parts do the rest.
//
// Invariants:
// - a batch is frozen in one transaction that removes its rows from the outbox. Its bytes never change after that. It
//   stays until its answer is applied, in one transaction with the cursor;
// - a number has several frozen batches only after the upstream called the first too large: each later one holds the
//   first part of the rows of the one before. Rows that the acknowledged one lacks go back into the outbox, before
//   newer changes;
// - a run with a dead letter sends nothing until the letter is retried, skipped or replaced; its changes are still
//   folded. Its erase is sent nevertheless;
// - an id may have a tombstone, of this store's own run, and a row, of a run owned elsewhere that came later. The
//   tombstone is sent first, the row in a later batch. Together they have one place in the order, the earlier one.
// Threads: one at a time, and no other thread folds the log meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/batch.h"
#include "engine/sync/dead_letters.h"
#include "engine/sync/freezer.h"
#include "engine/sync/frozen_batch.h"
#include "engine/sync/in_flight.h"
#include "engine/sync/outbox_queries.h"
#include "engine/sync/outbox_seams.h"
#include "engine/sync/put_back.h"
#include "engine/sync/reply.h"
#include "engine/sync/sender_state.h"
#include "engine/sync/sending_stream.h"
#include "engine/sync/stored_state.h"
#include "engine/tables/tables.h"

namespace cairn::engine::sync {

class Outbox {
 public:
  using Seams = OutboxSeams;
  using Rotation = SendingStream::Rotation;
  using Release = DeadLetters::Release;
  using Waiting = OutboxQueries::Waiting;
  using Arrived = OutboxQueries::Arrived;
  using OfRun = OutboxQueries::OfRun;

  Outbox(Tables& tables, Seams seams) : tables_(tables), seams_(std::move(seams)) {}
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  Status load();

  [[nodiscard]] const SenderState& state() const { return *state_; }
  [[nodiscard]] const InFlight& in_flight() const { return in_flight_; }
  SendingStream& stream() { return stream_; }
  DeadLetters& letters() { return letters_; }
  OutboxQueries& queries() { return queries_; }

  /// Makes a batch of what has waited longest, if something waits and nothing is in flight. `lsn_hi`: the LSN up to
  /// which the log is folded. Calls `taken` for each run owned elsewhere in the batch, with the last sequence of its
  /// row.
  Status freeze(const FreezeLimits& limits, uint64_t lsn_hi,
                const std::function<void(const std::string& id, uint64_t last)>& taken);
  /// The upstream refuses this batch: makes a batch of half its entries, under the same number. From a single entry it
  /// makes an empty batch. Its acknowledgement says that the upstream has no earlier form; then the entry becomes a
  /// dead letter, with `code` and `why`. Not allowed for an empty batch.
  Status split(VerdictCode code, const std::string& why);
  /// Applies an answer about the batch in flight. kCorrupt: it is about another batch.
  Status acknowledge(const ReplyHeader& header, const std::vector<Verdict>& verdicts);
  /// Puts the batch in flight back into the outbox, as if it had never been made. The part of a run that was erased or
  /// started again meanwhile is dropped. A delta whose run came here from its owner meanwhile becomes stranded.
  Status unfreeze() { return put_back_.all(); }

  /// Stranded deltas: changes of a run owned elsewhere that were on their way when the run came here from its owner, and
  /// that then came back. They are to be applied here, as received batches, each once.
  Result<std::vector<Batch>> stranded();
  /// One of them was applied, and is in the tables with its stream's cursor: forgets it. What was refused becomes a
  /// dead letter.
  Status settle_stranded(const Batch& batch, const std::vector<Verdict>& verdicts);

  /// Runs owned elsewhere whose row in the outbox was put back or removed since this was last called.
  std::vector<std::string> take_returned() { return put_back_.take_returned(); }

 private:
  Result<bool> may_freeze();
  Status settle(TablesTxn& txn, const std::vector<FrozenBatch>& forms, const FrozenBatch& taken,
                const std::vector<const Verdict*>& verdicts);
  Status settle_part(TablesTxn& txn, const FrozenPart& part, const Verdict& verdict);
  Status send_as_forms(TablesTxn& txn, const FrozenPart& part);

  Tables& tables_;
  const Seams seams_;
  StoredState state_{tables_};
  InFlight in_flight_;
  PutBack put_back_{tables_, seams_, state_, in_flight_};
  DeadLetters letters_{tables_, seams_, in_flight_, put_back_};
  SendingStream stream_{tables_, seams_, state_, in_flight_, put_back_};
  OutboxQueries queries_{tables_, state_, in_flight_, letters_};
};

}  // namespace cairn::engine::sync
