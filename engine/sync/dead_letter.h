// A dead letter: a change of a run that the upstream refused, kept with the reason in the table `dead`. TABLES.md has
// the layout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/records/run_record.h"
#include "engine/sync/reply.h"

namespace cairn::engine::sync {

/// A run whose change the upstream refused, and the change: `row` is empty if the run was sent whole with nothing
/// waiting.
struct DeadLetter {
  VerdictCode code = VerdictCode::kRefusedRun;
  std::string text;
  int64_t since_us = 0;
  bool foreign = false;
  OutboxRow row;
  bool is_long = false;  // the row is long, or was before it was sent again: see is_long()
};
/// The row of a run owned elsewhere is over `bytes_max`, or has kKnownOperationsMax ordered operations on one key.
bool is_long(const OutboxRow& row, size_t bytes_max);
std::string encode_dead_letter(const DeadLetter& letter);
Result<DeadLetter> decode_dead_letter(std::string_view payload);

/// Tells by the payload whether the upstream refused it because too much waited there for the run's owner. Such a
/// letter is sent again by the store itself.
bool is_backlog(std::string_view payload);
/// The same, and its change is back in the outbox to be sent.
bool is_sent_again(std::string_view payload);

/// Tells by the payload whether it is sent again by the store itself, and is so long that no more may be folded into
/// it.
bool takes_no_more(std::string_view payload);

/// For a repair or a backup: encodes a dead letter, for the table `dead`, of a delta that another store may send or has
/// sent.
std::string held_delta(const OutboxRow& row, const std::string& why, int64_t since_us);

}  // namespace cairn::engine::sync
