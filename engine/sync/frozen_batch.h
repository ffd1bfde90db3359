// The batch in flight as the table `inflight` has it: its bytes, and what it was made of. The layout stands in
// TABLES.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/run_record.h"
#include "engine/sync/batch.h"
#include "engine/tables.h"

namespace cairn::engine::sync {

/// One thing that a frozen batch was made of.
struct FrozenPart {
  enum class Kind : uint8_t { kRow = 0, kWhole = 1, kTombstone = 2 };  // kWhole: sent anew, no row waited
  Kind kind = Kind::kRow;
  std::string id;
  uint64_t life = 0;
  uint64_t sequence = 0;
  bool foreign = false;
  OutboxRow row;
  Tombstone tombstone;
};
struct FrozenBatch {
  std::string bytes;
  BatchHeader header;
  std::vector<FrozenPart> parts;
};
std::string encode_frozen_batch(const FrozenBatch& frozen);
Result<FrozenBatch> decode_frozen_batch(std::string_view payload);

/// Keys in `inflight` begin so of deltas that have no way upstream; they stand behind all batches.
inline constexpr char kStranded = '\xff';
/// For a repair: what was on its way to runs owned elsewhere, or was refused, out of a value of `inflight` or `dead`,
/// by run. Values that say nothing of that, or that are damaged, add nothing.
void foreign_rows(Table table, std::string_view key, std::string_view payload,
                  std::map<std::string, OutboxRow, std::less<>>& rows);
/// A delta in `inflight` that has no way upstream: Outbox::stranded().
bool is_stranded(Table table, std::string_view key);

/// All forms of the batch in flight, which have one number; the oldest and largest first.
Result<std::vector<FrozenBatch>> frozen_batches(TablesTxn& txn);
/// Removes them; what is stranded stays.
Status erase_frozen_batches(TablesTxn& txn);

}  // namespace cairn::engine::sync
