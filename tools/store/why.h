// Why the upstream does not have a run yet, in words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/records/run_record.h"
#include "engine/sync/outbox_queries.h"

namespace cairn::tools {

/// Why the upstream does not have a run yet; of each field what `cairn why --json` prints.
struct Why {
  std::string reason = "acknowledged";
  std::string words;
  uint64_t sequence = 0;
  std::optional<std::string> upstream;  // nothing: there is none
  std::optional<uint64_t> acknowledged_sequence;
  uint64_t waiting_bytes = 0;
  int64_t since_us = 0;    // 0: nothing waits
  std::string last_error;  // of the last try; "": there was none
  int64_t last_error_us = 0;
  [[nodiscard]] bool upstream_has_all() const { return reason == "acknowledged" || reason == "elsewhere"; }
};

/// From what a store knows.
Why why_of(const engine::RunRecord& run, const engine::sync::SenderState& sender,
           const engine::sync::OutboxQueries::OfRun& of);

}  // namespace cairn::tools
