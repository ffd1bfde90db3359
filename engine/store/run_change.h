// A change of a run's status, tags or delay that is judged and made under its lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/records/attachments.h"
#include "engine/records/run_status.h"

namespace cairn::engine {

struct RunChanged {
  bool done = false;  // false: the run has another status than `from`, is finished, or would have too many tags
  RunStatus status = RunStatus::kExecuting;  // the run's, after it
  size_t tags_added = 0;
  bool too_many_tags = false;
};

struct RunChangeRequest {
  std::optional<RunStatus> from;  // nothing is done unless the run has this status
  std::optional<RunStatus> to;
  std::string error;                  // with a final status: why
  std::vector<std::string> add_tags;  // those that the run lacks are added
  size_t tags_max = SIZE_MAX;         // nothing is done if it would have more
  std::optional<int64_t> delayed_until_us;
  std::optional<int64_t> delay_over_us;  // nothing is done to a run whose delay ends later
  bool on_finished = false;              // tags are added to a finished run too
  Attachments with;
  /// If given: called with the run's lock held, once it is known what the change does and before it is written.
  std::function<void(const RunChanged& changed, std::vector<Note>& notes)> complete_notes;
};

}  // namespace cairn::engine
