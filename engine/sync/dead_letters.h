// The dead letters of the outbox: lists them, and sends again, skips or replaces what they hold.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/dead_letter.h"
#include "engine/sync/in_flight.h"
#include "engine/sync/outbox_seams.h"
#include "engine/sync/put_back.h"
#include "engine/tables/tables.h"

namespace cairn::engine::sync {

class DeadLetters {
 public:
  DeadLetters(Tables& tables, const OutboxSeams& seams, InFlight& in_flight, PutBack& put_back)
      : tables_(tables), seams_(seams), in_flight_(in_flight), put_back_(put_back) {}

  /// The letters of ids after `after`, in the order of ids.
  Result<std::vector<std::pair<std::string, DeadLetter>>> list(const std::string& after, size_t most);
  enum class Release : uint8_t { kRetry, kSkip, kReplace };
  /// kNotFound: the run has no dead letter. kAgain: its change is in flight again. If the change is back in the outbox
  /// and not in flight, a skip drops all that waits of the run, because later changes are folded into it.
  Status release(const std::string& id, Release how);

  /// Those that the upstream refused because too much waited there for a run's owner, as last counted. They are sent
  /// again.
  [[nodiscard]] uint64_t backlogged() const { return backlogged_; }
  void count_backlogged();
  /// Puts the changes of at most `most` of them back into the outbox, except those that cannot be read. The letters
  /// stay, without a row, until the upstream has applied the change.
  Status send_backlogged(size_t most);
  /// The upstream applied what was sent of this run.
  Status forget_sent_again(TablesTxn& txn, const std::string& id) const;

 private:
  Status next_backlogged(TablesTxn& txn, size_t most, std::vector<std::string>& ids) const;
  Status send_again(TablesTxn& txn, const std::string& id, bool& strands);
  Status release(TablesTxn& txn, const std::string& id, Release how, bool& strands);
  Status release_waiting(TablesTxn& txn, RunRecord& record, Release how);

  Tables& tables_;
  const OutboxSeams& seams_;
  InFlight& in_flight_;
  PutBack& put_back_;
  uint64_t backlogged_ = 0;
  std::string backlog_after_;  // send_backlogged() continues after this id
};

}  // namespace cairn::engine::sync
