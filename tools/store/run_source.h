// Where the reading commands read runs: one store's directory, a directory of slots, or whatever else can answer them.
//
// A run's id is the id that a command shows, and takes back. Where several stores are read as one it may name the
// store, too: "slot-001/ID".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "api/report/why.h"
#include "cairn/status.h"
#include "engine/records/run_query.h"
#include "engine/watch/watch.h"
#include "tools/output/exit_code.h"
#include "wal/function_ref.h"

namespace cairn::tools {

/// A change that the upstream refused.
struct DeadRun {
  std::string id;
  std::string reason;  // engine::sync::verdict_name()
  std::string text;    // the upstream's words
  int64_t since_us = 0;
};

struct WatchRequest {
  std::string run;    // "": all
  std::string token;  // of an event; "": begin with the present state
  uint32_t interval_ms = 200;
};

class RunWatch {
 public:
  virtual ~RunWatch() = default;
  /// The next event; false: there is none now, and the next call looks again. kAgain: not now; any other error: the
  /// watch is over.
  virtual Result<bool> next(engine::WatchEvent& event) = 0;
};

/// Errors of all: as engine::StoreReader, for report_error(). One call at a time.
class RunSource {
 public:
  using Visit = FunctionRef<bool(const engine::RunView&)>;

  virtual ~RunSource() = default;
  /// What is wrong with a query or its cursor (kInvalidArgument), if that is known before it is asked.
  virtual Status check(const engine::RunQuery& query) { return engine::RunPage::make(query).status(); }
  /// As engine::StoreReader::list(), with documents: visits a page of runs, and returns the next page's cursor, "" if
  /// this is the last one.
  virtual Result<std::string> list(const engine::RunQuery& query, const Visit& visit) = 0;
  /// kNoSuchRun: there is none. `with_texts`: with all that belongs to the run, as show prints it.
  virtual Result<engine::RunView> find(const std::string& id, bool with_texts) = 0;
  /// How many runs name this one as their parent.
  virtual Result<uint64_t> children(const std::string& id) = 0;
  /// kNoSuchRun.
  virtual Result<report::Why> why(const std::string& id) = 0;
  /// Visits whole runs, to be exported under their own ids: all, or if `wanted` is not empty those of it, which it
  /// takes out. Those that are left in it do not exist.
  virtual Status each_whole(std::set<std::string>& wanted, const Visit& visit) = 0;
  /// About how many runs each_whole() visits without `wanted`; for showing progress.
  virtual uint64_t runs_about() = 0;
  /// Visits the changes that the upstream refused, in the order of ids.
  virtual Status each_dead(const FunctionRef<bool(const DeadRun&)>& visit) = 0;
  /// Errors: those of engine::Watch::open. One watch at a time, and no other call meanwhile; the source outlives it.
  virtual Result<std::unique_ptr<RunWatch>> watch(const WatchRequest& request) = 0;
  /// At the end of a reading: says on stderr what could not be read, and what was `done` with the rest; and how the
  /// command ends if that is all that went wrong.
  virtual Exit report_unread(const std::string& done) = 0;
};

}  // namespace cairn::tools
