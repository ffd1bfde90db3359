// What waits for the owners of runs that other stores own: how much of it there may be, and what a run in memory knows
// of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/diff/diff.h"
#include "engine/store/checkpointer.h"
#include "engine/store/run.h"
#include "engine/store/run_operation.h"
#include "engine/store/run_table.h"
#include "engine/store/upstream_facts.h"

namespace cairn::engine {

class ForeignOutbox {
 public:
  ForeignOutbox(const Hooks& hooks, const RunTable& runs, Checkpointer& checkpointer, const UpstreamFacts& facts,
                size_t metadata_bytes_max)
      : hooks_(hooks),
        runs_(runs),
        checkpointer_(checkpointer),
        facts_(facts),
        metadata_bytes_max_(metadata_bytes_max) {}

  /// For one run, in bytes of a diff.
  static constexpr size_t bytes_max_of(size_t metadata_bytes_max) { return 4 * metadata_bytes_max; }
  /// kBacklog: `all`, which is to wait for one run, is too much, with its increments summed as well.
  Status check_size(Diff& all) const;
  /// kBacklog: what the upstream refused of the run is long already, and must not grow with each time it is sent again.
  Status check_letter(const std::string& id) const;
  /// Folds those of `operations` that are of `run`: into `diff` these alone, into `outbox` what waits already and then
  /// these. kBacklog, kTooLarge and what an operation cannot be: nothing changed, and `failed`, if given, gets the
  /// position of the operation that it was.
  Status fold(const Run& run, const std::vector<RunOperation>& operations, Diff& diff, Diff& outbox,
              size_t* failed) const CAIRN_REQUIRES(run.lock);
  /// Of what waits, what will have come since the last batch took some, once `added` did. To be asked before the record
  /// of `added` is appended, because it needs memory.
  Diff since_with(const Run& run, const Diff& added) const CAIRN_REQUIRES(run.lock);
  /// `all` waits now, of which `since` came since the last batch took some. Both are kept in memory for the bounds.
  static void note(Run& run, Diff&& all, Diff&& since) noexcept CAIRN_REQUIRES(run.lock);
  /// A batch took what waited of the run up to the sequence `last`.
  void taken(const std::string& id, uint64_t last) const;
  /// Something of the run went back into the outbox, or out of it: the bounds go by what is in there now. With the
  /// checkpointer held.
  void returned(const std::string& id) const;
  /// What was done to the run before its owner's first word goes on top of that. What does not fit is left out as what
  /// does not apply: the owner is not to be held up by others.
  void log_left_out(const std::string& id, const std::vector<std::string>& keys) const;

 private:
  const Hooks& hooks_;
  const RunTable& runs_;
  Checkpointer& checkpointer_;
  const UpstreamFacts& facts_;
  const size_t metadata_bytes_max_;
};

}  // namespace cairn::engine
