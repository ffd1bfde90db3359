// What only some runs have: how, and when, a run was triggered. Optional members of a record, of a message's head and of
// a change, each with a number. A member that a version does not know is kept as it came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/json/msgpack_cursor.h"
#include "engine/json/msgpack_writer.h"
#include "engine/records/run_status.h"

namespace cairn::engine {

inline constexpr size_t kTtlBytesMax = 64;
inline constexpr size_t kIdempotencyKeyBytesMax = 2048;
/// Of the members that this version does not know, together.
inline constexpr size_t kUnknownMembersBytesMax = 4096;

/// Times: wall clock, microseconds since 1970, UTC; 0: there is none.
struct RunDetails {
  int64_t queued_us = 0;         // since when it waits to be taken; a run that a program starts itself has none
  int64_t started_us = 0;        // when it was first EXECUTING, if it was queued before
  int64_t delayed_until_us = 0;  // it is DELAYED, or was, until then
  std::string ttl;               // how long it may be QUEUED, as it was given: "10m"
  bool is_test = false;
  TriggerFunction function = TriggerFunction::kTrigger;
  std::string batch;  // the batch that it is part of, and which one of it
  uint32_t batch_index = 0;
  std::string idempotency_key;
  uint32_t depth = 0;   // of a child one more than its parent's
  std::string unknown;  // members of a later version: their numbers and values, as msgpack
  bool operator==(const RunDetails&) const = default;
  /// Nothing in it: a record has none.
  [[nodiscard]] bool empty() const { return *this == RunDetails(); }
};

/// Follows a change of status at `at_us`: the times that it sets. Of a start, `from` is another status than `to`.
void follow_status(RunDetails& details, RunStatus from, RunStatus to, int64_t at_us) noexcept;

/// Lengths, UTF-8, ids. kInvalidArgument, kTooLarge, kInvalidUtf8.
Status check_run_details(const RunDetails& details);

/// A map of member number to value, with the members that are there, in the order of their numbers.
void write_details(MsgpackWriter& out, const RunDetails& details);
/// False: malformed, or over a limit.
bool read_details(MsgpackCursor& in, RunDetails& details);

}  // namespace cairn::engine
