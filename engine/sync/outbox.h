// The sending side's tables: what waits, the batch in flight with what it was made of, dead letters, the stream.
//
// Invariants:
// - a batch is frozen in one transaction that takes its rows out of the outbox; its bytes never change after that, and
//   it stays until an answer for it is carried out, in one transaction with the cursor;
// - a number has several frozen batches only after the upstream called the first too large: each later one holds the
//   first part of the rows of the one before. What the acknowledged one lacks goes back, before what is newer;
// - a run with a dead letter sends nothing until that is retried, skipped or replaced; its changes are still folded.
//   Its erase goes all the same;
// - an id may have a tombstone, of this store's own run, and a row, of a run owned elsewhere that came after that. The
//   tombstone goes first, the row in a later batch. They have one place in the order, the earlier one.
// Threads: one at a time, with nobody folding the log meanwhile. Files: outbox.cc makes batches and carries answers
// out, outbox_stream.cc has attaching, copies, restores and pulls, outbox_letters.cc dead letters, outbox_look.cc
// questions.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/batch.h"
#include "engine/sync/dead_letter.h"
#include "engine/sync/frozen_batch.h"
#include "engine/sync/sender_state.h"
#include "engine/tables.h"

namespace cairn::engine::sync {

struct FreezeLimits {
  size_t entries = 1000;
  size_t bytes = 256u << 10;  // a single run may be more
};

class Outbox {
 public:
  struct Seams {
    std::function<int64_t()> wall_us;
    std::function<void(void* out, size_t bytes)> random_bytes;
    OwnerId store{};
    size_t letter_bytes_max = SIZE_MAX;  // a longer dead letter of a run owned elsewhere takes no more in
    /// Folds the log, before what was taken out is put back: a run may have come here from its owner since.
    std::function<Status()> fold;
  };
  Outbox(Tables& tables, Seams seams);

  Status load();
  [[nodiscard]] const SenderState& state() const { return state_; }

  /// From now on changes wait for an upstream; all runs are sent whole first, and again where the name is another.
  Status attach(const std::string& upstream);
  /// Nothing is sent until it is attached again. All that waits stays, the batch in flight too, for it may have
  /// arrived.
  Status detach();
  /// The store's files are others than before.
  Status note_copied();
  /// Ends a halt. `moved`: the old place is gone, this store goes on as it. Else it is a store of its own: its runs
  /// stay the old one's where that sent them, and what waits for runs owned elsewhere is dropped, for the old one
  /// sends it. `dropped`, if given, gets how many those were.
  Status resolve(bool moved, uint64_t* dropped = nullptr);

  /// Of the batch in flight the newest bytes; empty: none is.
  [[nodiscard]] std::string_view in_flight() const { return in_flight_; }
  [[nodiscard]] const BatchHeader& in_flight_header() const { return in_flight_header_; }
  [[nodiscard]] uint32_t in_flight_entries() const { return in_flight_header_.entries; }
  /// Makes a batch of what has waited longest, if something waits and nothing is in flight. `lsn_hi`: up to where the
  /// log was folded. Calls `taken` for each run owned elsewhere in it, with the sequence up to which it was taken.
  Status freeze(const FreezeLimits& limits, uint64_t lsn_hi,
                const std::function<void(const std::string& id, uint64_t last)>& taken);
  /// The upstream does not take this batch: one of half its entries, under the same number. False: it is a single one,
  /// which is a dead letter now, for that reason.
  Result<bool> split(VerdictCode code, const std::string& why);
  /// Carries out an answer about a batch of ours. kCorrupt: it is about none.
  Status acknowledge(const ReplyHeader& header, const std::vector<Verdict>& verdicts);
  /// The batch in flight goes back into the outbox, as if it had never been made; but the part of a run that was erased
  /// or started anew meanwhile is dropped. A delta whose run came here from its owner meanwhile is stranded.
  Status take_back();

  enum class Rotation : uint8_t {
    kLost,      // the upstream lost batches: everything is sent anew
    kRestored,  // this store did: what it has waiting for others' runs may have been sent; those are dead letters
  };
  /// A new stream takes the old one's place. `kept_deltas`: of those sent, how many the upstream has.
  Status rotate(Rotation why, uint64_t kept_deltas);
  /// The upstream goes on with `stream`, of that generation, of this owner and not with the one that this store's first
  /// batch names. If it is an earlier one of this store, or somebody said that this store goes on, a new stream takes
  /// that one's place. False: it is another store's.
  Result<bool> succeed(const StreamId& stream, uint64_t generation);
  /// The upstream has a later state of a run of this store.
  Status note_restored();
  /// The tables may be those of some commits before: the upstream is asked what is newer, and a stream or a batch of
  /// this store that it knows and this store does not is no other store's.
  Status note_older();
  Status halt(Halt why);
  /// Keeps why a try failed, if it is another reason than before.
  Status note_error(std::string_view text);
  /// The way to the upstream, for the next time.
  Status remember(const Way& way);
  Status begin_pull();
  /// All runs up to `id` were asked for, and what was newer is taken. `newer`: something was, so this store was
  /// restored. `generation`: the highest that the upstream has of them; the next stream's is above it.
  Status pulled(const std::string& id, bool newer, uint64_t generation);
  Status end_pull();

  /// Deltas of others' runs that were on their way when the owner's first word came here, and then came back: they are
  /// to be taken here, as batches that come in, each once.
  [[nodiscard]] bool has_stranded() const { return has_stranded_; }
  Result<std::vector<Batch>> stranded();
  /// One of them was: in the tables, with its stream's cursor. What was refused is a dead letter.
  Status landed(const Batch& batch, const std::vector<Verdict>& verdicts);

  /// Those of ids behind `after`, in the order of ids.
  Result<std::vector<std::pair<std::string, DeadLetter>>> dead_letters(const std::string& after, size_t most);
  Result<uint64_t> dead_count();
  enum class Release : uint8_t { kRetry, kSkip, kReplace };
  /// kNotFound: there is none of this run. kAgain: its change is in flight again. If it went back into the outbox and
  /// is not in flight, a skip drops all that waits of the run: it is one with what came since.
  Status release(const std::string& id, Release how);
  /// Dead letters because too much waited upstream for a run's owner, as of the last look at them: they are sent again.
  [[nodiscard]] uint64_t backlogged() const { return backlogged_; }
  /// Puts their changes back into the outbox, at most so many, but those that cannot be read. The letters stay, without
  /// a row, until the upstream has taken the change.
  Status send_backlogged(size_t most);

  /// Runs owned elsewhere of which something went back into the outbox, or out of it, since this was last called.
  std::vector<std::string> take_returned() { return std::exchange(returned_, {}); }

  struct Waiting {
    uint64_t runs = 0;      // with something to be sent or in flight; held ones if they changed since they were refused
    uint64_t held = 0;      // behind a dead letter
    bool moves = false;     // something of it may be sent, or is in flight
    int64_t oldest_us = 0;  // wall clock of the change that has waited longest; 0: none
  };
  /// As far as the log is folded. Cost: a few reads, and one to three for each run in flight.
  Result<Waiting> waiting();

  /// Nothing of the log up to `lsn` waits, is in flight or is held, as far as it is folded.
  bool acknowledged_up_to(uint64_t lsn);

  /// The sequence up to which the upstream has the run, if nothing of it waits, is in flight or is held; else 0. As far
  /// as the log is folded.
  Result<uint64_t> acknowledged(const std::string& id);

  enum class Arrived : uint8_t { kNo, kYes, kHeld };
  /// Does the upstream have what was done to the run up to `lsn`, up to which the log is folded?
  Result<Arrived> arrived(const std::string& id, uint64_t lsn);

  struct OfRun {
    bool known = false;  // the run or its tombstone is there
    bool waits = false, in_flight = false, held = false, whole = false, foreign = false, ships_forms = false;
    uint64_t acked_sequence = 0;  // up to here the upstream has it
    uint64_t sequence = 0;        // as of the last fold
    size_t bytes = 0;             // that wait
    int64_t since_us = 0;
    std::optional<DeadLetter> dead;
  };
  Result<OfRun> of_run(const std::string& id);

 private:
  Status save(TablesTxn& txn, const SenderState& state) const;
  static Status save_unsent(TablesTxn& txn, uint64_t count);
  static Result<uint64_t> unsent(TablesTxn& txn);
  Result<bool> counted_already(TablesTxn& txn, const FrozenPart& part) const;
  void note(SenderState state);
  Status put_back_letter(TablesTxn& txn, const std::string& id, const DeadLetter& letter, bool& strands);
  static Status put_in_order(TablesTxn& txn, const std::string& id);
  static Result<bool> is_in_flight(TablesTxn& txn, const std::string& id);
  void count_backlogged();
  Status read_in_flight();
  Status put_back(TablesTxn& txn, const FrozenPart& part, bool whole);
  static Status put_back_tombstone(TablesTxn& txn, const FrozenPart& part, const RunRecord* now);
  static Status take_out(TablesTxn& txn, FrozenPart& part);
  Status bury(TablesTxn& txn, const FrozenPart& part, VerdictCode code, const std::string& text) const;
  Status strand(TablesTxn& txn, const FrozenPart& part) const;
  Status begin_stream(SenderState& state) const;
  void begin_pull(SenderState& state, Pull why) const;
  static void finish_pull(SenderState& state);
  Status add_part(TablesTxn& txn, const std::string& id, std::string& body, int64_t wall_us, bool resend,
                  std::vector<FrozenPart>& parts) const;

  Tables& tables_;
  const Seams seams_;
  SenderState state_;
  std::string in_flight_;
  BatchHeader in_flight_header_;
  bool has_stranded_ = false;
  uint64_t backlogged_ = 0;
  std::string backlog_after_;  // where the next look at them begins
  std::vector<std::string> returned_;
  std::unordered_set<std::string> in_flight_ids_;  // of the batch with this digest, read when they are asked for
  Digest in_flight_ids_of_{};
};

}  // namespace cairn::engine::sync
