// Runs as readers in the owner's process see them: one, all, a page of a listing, and what changed for watches.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/records/run_query.h"
#include "engine/records/run_view.h"
#include "engine/store/dirty_runs.h"
#include "engine/store/gate.h"
#include "engine/store/run.h"
#include "engine/store/run_table.h"
#include "wal/function_ref.h"
#include "wal/writer.h"

namespace cairn::engine {

class RunViews {
 public:
  RunViews(const Gate& gate, const RunTable& runs, const DirtyRuns& dirty, const wal::Writer& writer, uint64_t session)
      : gate_(gate), runs_(runs), dirty_(dirty), writer_(writer), session_(session) {}

  /// Cost: of a copy of the document, if it is wanted.
  RunView view(Run& run, bool with_document) const;
  /// A run without bringing it into memory. nullopt: there is none. An erased one that somebody holds is `erased`.
  Result<std::optional<RunView>> peek(std::string_view id, bool with_document) const;
  /// See Store::list.
  Result<std::string> list(const RunQuery& query, const FunctionRef<bool(const RunView&)>& visit,
                           bool with_documents) const;
  /// All runs, in id order.
  Status each(const FunctionRef<bool(const RunView&)>& visit, bool with_documents) const;
  /// See Store::each_where.
  Status each_where(const FunctionRef<bool(std::string_view document)>& may_fit,
                    const FunctionRef<bool(const RunView&)>& visit) const;

  /// See Store::texts.
  Result<RunTexts> texts(std::string_view id) const;
  /// See Store::runs_of_batch.
  Result<std::vector<std::pair<uint32_t, std::string>>> runs_of_batch(std::string_view batch) const;

  struct Positions {
    uint64_t sequence = 0;          // of the run
    int64_t updated_us = 0;         // when it got there
    uint64_t process_sequence = 0;  // what survives the end of this process
    uint64_t power_sequence = 0;    // what is known to survive a power loss
  };
  /// How far the run's changes have come. `stages`: what is pending stands in staging. nullopt: there is no such run.
  /// Cost: a look at the run; where its last changes are not on the disk yet, also a read of the tables.
  Result<std::optional<Positions>> positions(std::string_view id, bool stages) const;

  struct Looked {
    uint64_t lsn = 0;  // what came up to here was seen
    bool all = true;   // false: a run that changed since may be in the tables only
  };
  /// See Store::look.
  Looked look(uint64_t since, std::string_view only, const FunctionRef<void(const Run&)>& visit) const;

 private:
  [[nodiscard]] RunView view_of(RunRecord record) const;
  Status walk(const FunctionRef<bool(std::string_view document)>& may_fit,
              const FunctionRef<bool(const RunView&)>& visit, bool with_documents) const;

  const Gate& gate_;
  const RunTable& runs_;
  const DirtyRuns& dirty_;
  const wal::Writer& writer_;
  const uint64_t session_;
};

}  // namespace cairn::engine
