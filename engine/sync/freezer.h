// Makes a batch of what has waited longest, in one transaction: the rows leave the outbox, and become entries.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/frozen_batch.h"
#include "engine/sync/sender_state.h"
#include "engine/tables/tables.h"

namespace cairn::engine::sync {

struct FreezeLimits {
  size_t entries = 1000;
  size_t bytes = 256u << 10;  // a single run may take more
};

/// Lives for one try of the transaction.
class Freezer {
 public:
  Freezer(TablesTxn& txn, const FreezeLimits& limits, int64_t wall_us)
      : txn_(txn), limits_(limits), wall_us_(wall_us) {}

  /// First the runs that are sent once more, from where `state` is, which advances; then what waits, in its order.
  Status fill(SenderState& state);
  /// The batch after the last one of `state`, in the table too. Without parts: nothing waits, and nothing was written.
  Result<FrozenBatch> seal(const SenderState& state, uint64_t lsn_hi);

 private:
  Status add_resent(SenderState& state);
  Status add_resent_one(SenderState& state, const std::string& id, uint64_t& passed);
  Status take_out_resent();
  Status add_waiting();
  Status add_in_order(const std::string& order_key);
  Status add_texts(const RunRecord& record, const FrozenPart& part, Entry& entry);
  Result<bool> add(const std::string& id, bool resend);
  Status add_part(const std::string& id, bool resend);
  Status take_out(FrozenPart& part);

  TablesTxn& txn_;
  const FreezeLimits& limits_;
  const int64_t wall_us_;
  std::string body_;
  std::vector<FrozenPart> parts_;
  uint64_t held_ = 0;     // dead letters
  size_t taken_out_ = 0;  // of parts_, whose rows have left the outbox
  bool full_ = false;
  std::unordered_set<std::string> goes_on_;  // of these something may wait that comes after this batch
};

}  // namespace cairn::engine::sync
