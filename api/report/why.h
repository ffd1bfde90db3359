// Why the upstream does not have a run yet, in words: what `cairn why` prints and the routes answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/json/value.h"
#include "engine/records/run_record.h"
#include "engine/sync/outbox_queries.h"
#include "engine/sync/sender_state.h"

namespace cairn::report {

struct Why {
  std::string id;
  std::string reason = "acknowledged";  // one of those that `cairn why --help` names
  std::string words;                    // may have further lines
  uint64_t sequence = 0;
  std::optional<uint64_t> acknowledged_sequence;  // none: without an upstream, or it is not known what it has
  uint64_t waiting_bytes = 0;
  int64_t since_us = 0;                 // 0: it is there, or it is not known
  std::optional<std::string> upstream;  // its name; none: there is none
  std::string last_error;               // of the last try; "": it was answered, or that says nothing about this run
  int64_t last_error_us = 0;

  /// The upstream has all that is to be sent.
  [[nodiscard]] bool is_there() const { return reason == "acknowledged" || reason == "elsewhere"; }
};

/// `run` without its document; of a run owned elsewhere with its outbox.
Why why_of(const engine::RunRecord& run, const engine::sync::SenderState& sender,
           const engine::sync::OutboxQueries::OfRun& of, int64_t now_us);

/// {"id","reason","text","sequence",...}
engine::Object why_json(const Why& why);
/// Lines for people.
std::string why_text(const Why& why, int64_t now_us);

}  // namespace cairn::report
