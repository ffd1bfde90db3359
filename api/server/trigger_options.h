// What a request says of the run that it triggers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/server/body.h"
#include "api/server/run_storage.h"

namespace cairn::server {

inline constexpr size_t kTagCharsMax = 128;
/// How long an idempotency key is known if the request does not say.
inline constexpr int64_t kIdempotencyKeptUs = int64_t{30} * 86'400 * 1'000'000;
/// How many containers are around what is kDepthMax deep: an item's options, and the item.
inline constexpr int kTriggerLevels = 2;

/// {"payload"?, "options"?: {...}} of a trigger or an item of a batch. The task is not read.
Trigger read_trigger(const Members& body, int64_t now_us);

/// Its parts, for requests that name them elsewhere. What is absent stays as it is in `trigger`.
void read_payload(const Members& body, const Members& types, Trigger& trigger);
void read_tags(const Members& options, Trigger& trigger);
void read_metadata(const Members& options, Trigger& trigger);
void read_times(const Members& options, int64_t now_us, Trigger& trigger);
void read_idempotency_key(const Members& options, int64_t now_us, std::string& key, int64_t& until_us);
/// Empty: it has none.
/// Without control characters: a path can have none either, and keys are told from tasks by one.
std::string read_task(const Members& members, std::string_view name);
std::string read_parent(const Members& members);

/// Without blank ones and repetitions.
std::vector<std::string> distinct_tags(const std::vector<std::string>& tags);
std::string too_many_tags(size_t count);

}  // namespace cairn::server
