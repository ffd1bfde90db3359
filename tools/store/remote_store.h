// A store behind a `cairn serve`, for the commands that write: each call is one request, and counts once however often it
// has to be sent. What was done survives a loss of power when a call returns.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/document/operation.h"
#include "engine/records/run_view.h"
#include "engine/store/options.h"
#include "tools/input/operations.h"
#include "tools/output/report.h"
#include "tools/store/server_link.h"

namespace cairn::tools {

/// Errors of all calls: those of the engine's call of that name on a store of one's own, in the same words; and those of
/// ServerLink. report() tells them apart.
class RemoteStore {
 public:
  /// Whether runs of --store are written by asking a server.
  static bool is_for(const Globals& globals);
  /// That server. `limit`: --limit, which says nothing there. Null: reported, `exit` says how to end.
  static std::unique_ptr<RemoteStore> open(const Globals& globals, Exit& exit,
                                           const std::optional<uint64_t>& limit = {});

  /// `resume`: an unfinished run of this id is taken up instead.
  Result<engine::RunView> start(const engine::StartOptions& options, bool resume);
  Result<engine::RunView> resume(const std::string& id);
  /// `finished`, if given, gets the run.
  Status finish(const std::string& id, engine::RunStatus status, const std::string& error, engine::RunView* finished);
  /// `at_sequence`: only if the run is there; else kUnchanged.
  Status erase(const std::string& id, std::optional<uint64_t> at_sequence = std::nullopt);

  /// What became of the operations of one run that were applied in turn.
  struct InTurn {
    std::vector<std::string> outcomes;  // as outcome_text(), or "accepted"; with an error those before it
    uint64_t sequence = 0;
    size_t failed = SIZE_MAX;  // with an error: the position of the operation that it is of
  };
  Status apply(const std::string& id, const std::vector<engine::Operation>& operations, InTurn& done);

  struct Part {
    std::string run;      // that was changed, also where the operations were for a parent or root
    std::string outcome;  // "applied", "accepted"
    uint64_t sequence = 0;
  };
  /// All or none: a part for each of `input`. `failed` gets the position of an operation that failed, through all.
  Status apply_together(const std::vector<RunOperations>& input, std::vector<Part>& parts, size_t& failed);

  /// Reports an error of a call: `subject` counts where the server was reached.
  Exit report(Status status, const std::string& doing = {}, const Subject& subject = {}) const;

 private:
  RemoteStore(const Globals& globals, std::unique_ptr<ServerLink> link) : globals_(globals), link_(std::move(link)) {}
  /// A Status that is not ok: also of an answer that says no.
  Result<engine::Object> call(const std::string& method, const std::string& path, const std::string& body);
  Status why_not_finished(Status status, const std::string& id);
  Result<engine::RunView> run_of(const Result<engine::Object>& answer) const;

  const Globals& globals_;
  const std::unique_ptr<ServerLink> link_;
  bool reached_ = false;      // the last call got an answer
  long last_status_ = 0;      // of it
  engine::Object last_body_;  // of it, where it said no
};

}  // namespace cairn::tools
