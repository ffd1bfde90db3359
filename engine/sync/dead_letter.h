// A dead letter: what the upstream refused of a run, kept with the reason in the table `dead`. The layout stands in
// TABLES.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/run_record.h"
#include "engine/sync/batch.h"

namespace cairn::engine::sync {

/// A run whose change the upstream refused, and the change: `row` is empty if the run was sent whole with nothing
/// waiting.
struct DeadLetter {
  VerdictCode code = VerdictCode::kRefusedRun;
  std::string text;
  int64_t since_us = 0;
  bool foreign = false;
  OutboxRow row;
  bool is_long = false;  // so is the row, or was before it was sent again
};
/// Of a run owned elsewhere: it is over `bytes_max`, or has kKnownOperationsMax operations in order on one key.
bool is_long(const OutboxRow& row, size_t bytes_max);
std::string encode_dead_letter(const DeadLetter& letter);
Result<DeadLetter> decode_dead_letter(std::string_view payload);

/// By its payload: too much waited upstream for the run's owner, so it is sent again by itself.
bool is_backlog(std::string_view payload);
/// And its change went back into the outbox for that.
bool is_sent_again(std::string_view payload);

/// By its payload: it is sent again by itself, and so long that no more is to join it.
bool takes_no_more(std::string_view payload);

/// For a repair or a backup: a dead letter of a delta that somebody else may send, or has sent. It goes into `dead`.
std::string held_delta(const OutboxRow& row, const std::string& why, int64_t since_us);

}  // namespace cairn::engine::sync
