// One entry of a batch on its way into its run: what it is going to be, planned on the run as it is, under its lock.
//
// The sender is the owner of its runs. Here nobody else changes their status, and a change of their metadata by others
// is noted, so that the owner sends forms from then on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/records/run_record.h"
#include "engine/store/foreign_outbox.h"
#include "engine/store/run.h"
#include "engine/store/run_table.h"
#include "engine/store/upstream_facts.h"
#include "engine/sync/batch.h"
#include "engine/sync/reply.h"

namespace cairn::engine {

/// One entry on its way into its run.
struct Incoming {
  const sync::Entry* entry = nullptr;
  RunRef run;
  bool made = false;    // the run was not here
  bool starts = false;  // a start record: a new run, or another life of it
  bool erases = false;
  bool changes = false;                   // anything at all
  RunRecord record;                       // of a start; else the fields that change
  Document document;                      // after it
  std::shared_ptr<const RunTexts> texts;  // of the run after it; null: none come
  bool with_document = false;
  bool with_head = false;
  bool with_outbox = false;
  bool with_note = false;  // of the origin alone
  Diff outbox;             // what waits for the owner after it; or the change of the document
  Diff waiting;            // what comes to that; then with it what came since a batch took some
  std::string refusal;     // why not, in words
  RunRef replaced;         // the erased run whose place in the table it takes; its lock is held
  uint64_t sequence = 0;   // after it
  int64_t updated_us = 0;
  std::optional<Origin> origin;
  bool others_write = false;
  uint8_t hops = 0;                   // of what waits for the owner
  Diff waited;                        // for the owner, whose first word this is: it goes on top; as the tables have it
  Diff on_top;                        // that, as what others do to a run that is here
  Document first_word;                // without it
  std::vector<std::string> left_out;  // keys of what does not fit on top
};

class IncomingPlan {
 public:
  struct Options {
    size_t metadata_bytes_max = 0;
    uint32_t segment_bytes = 0;
    uint64_t session = 0;
  };
  IncomingPlan(Options options, const Hooks& hooks, const RunTable& runs, const UpstreamFacts& facts,
               const ForeignOutbox& outbox)
      : options_(options), hooks_(hooks), runs_(runs), facts_(facts), outbox_(outbox) {}

  /// With the run's lock held. An error or a verdict is the entry's own: the others of the batch go on.
  Status plan(const sync::Batch& batch, Incoming& in, std::optional<sync::VerdictCode>& verdict) const;
  /// What was planned, as parts of one log record.
  static void append_parts(const Incoming& in, std::string& payload);

 private:
  Status put_on_top_of_start(Incoming& in) const;
  Status plan_start(const sync::Batch& batch, Incoming& in, Run* old) const;
  Status plan_change(Incoming& in, const Run& run) const CAIRN_REQUIRES(run.lock);
  Status plan_waiting(Incoming& in, const Run* run) const;
  [[nodiscard]] bool keeps_changes() const { return facts_.keeps_changes.load(std::memory_order_relaxed); }

  const Options options_;
  const Hooks& hooks_;
  const RunTable& runs_;
  const UpstreamFacts& facts_;
  const ForeignOutbox& outbox_;
};

/// Whether a state of a run is a later one than the other.
[[nodiscard]] bool is_newer(const Origin& a, const Origin& than);

}  // namespace cairn::engine
