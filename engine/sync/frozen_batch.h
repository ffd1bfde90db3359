// The batch in flight as stored in the table `inflight`: its bytes, and the rows it was made of. TABLES.md has the
// layout.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/records/run_record.h"
#include "engine/sync/batch.h"
#include "engine/sync/reply.h"
#include "engine/tables/tables.h"

namespace cairn::engine::sync {

/// One row, run or tombstone that a frozen batch was made of.
struct FrozenPart {
  enum class Kind : uint8_t { kRow = 0, kWhole = 1, kTombstone = 2 };  // kWhole: sent once more, no row waited
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
  // For a form without entries: the verdict on the one entry that was left, and why.
  VerdictCode code = VerdictCode::kRefusedRun;
  std::string why;
};
std::string encode_frozen_batch(const FrozenBatch& frozen);
Result<FrozenBatch> decode_frozen_batch(std::string_view payload);

/// First byte of the keys in `inflight` of stranded deltas, which are not sent any more (Outbox::stranded()). They come
/// after all batches.
inline constexpr char kStranded = '\xff';
/// For a repair: adds to `rows`, by run, the changes of runs owned elsewhere that a value of `inflight` or `dead`
///               holds:
/// those that were on their way, or were refused. Damaged values add nothing.
void foreign_rows(Table table, std::string_view key, std::string_view payload,
                  std::map<std::string, OutboxRow, std::less<>>& rows);
/// The key is of a stranded delta: see kStranded.
bool is_stranded(Table table, std::string_view key);

/// All forms of the batch in flight, which have one number; the oldest and largest first.
Result<std::vector<FrozenBatch>> frozen_batches(TablesTxn& txn);
/// Removes them; stranded deltas stay.
Status erase_frozen_batches(TablesTxn& txn);

}  // namespace cairn::engine::sync
