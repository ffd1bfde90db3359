// How to open a store and start a run.
#ifndef CAIRN_OPTIONS_H
#define CAIRN_OPTIONS_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/cairn.h"
#include "cairn/error.h"
#include "cairn/json.h"
#include "cairn/run_status.h"
#include "cairn/status.h"
#include "cairn/time.h"

namespace cairn {

enum class LogLevel : int32_t {
  kDebug = CAIRN_LOG_DEBUG,
  kInfo = CAIRN_LOG_INFO,
  kWarning = CAIRN_LOG_WARNING,
  kError = CAIRN_LOG_ERROR,
};

/// Zero means the default of cairn_options, where each is explained.
struct Options {
  Durability durability = Durability::kDefault;
  bool background = true;  // one thread of the store flushes and checkpoints; false: call step()
  bool create = true;
  bool mark_crashed = true;
  bool staging = true;
  bool unsafe_file_system = false;
  bool guard_sigbus = false;       // installs a handler of SIGBUS; see CAIRN_OPEN_GUARD_SIGBUS
  uint32_t flush_interval_ms = 0;  // 0: 1,000; CAIRN_FLUSH_CONTINUOUSLY
  uint32_t metadata_bytes_max = 0;
  uint32_t segment_bytes = 0;
  uint64_t disk_bytes_max = 0;
  uint32_t crash_grace_ms = 0;
  uint32_t upstream_timeout_ms = 0;
  uint64_t retain_finished_ms = 0;   // runs are erased this long after they finished; 0: never
  uint64_t retain_finished_max = 0;  // at most so many finished runs stay, the oldest are erased; 0: no bound
  std::string staging_dir = {};      // for example /dev/shm; weaker if that is discarded: see cairn_options
  uint32_t history_interval_ms = 0;  // 0: no history
  uint32_t history_points = 0;
  /// Must not call the store and must not throw; called on the thread on which it happened. Kept until the Store and
  /// all its runs are gone.
  std::function<void(LogLevel, Code, std::string_view message)> log = {};
  /// Called for each update that failed, with run and key. If it is set, updates of Run, Cell and cairn::metadata do
  /// not throw when they fail, but return: a loop survives its own NaN. To stop at some errors, throw the Error from
  /// here: the update's plain name passes on what this function throws (a try_ name drops it). try_ names return their
  /// Status as without it. Opening, reads and all other calls throw as without it. So does a Transaction, which is all
  /// or nothing, and so do updates that fail inside this function. Called on the thread of the update, by several
  /// threads at once, with no lock held: it may use the store and its runs, but not close the Store. Kept until the
  /// Store and all its runs are gone; see cairn_hooks.
  std::function<void(const Error&)> on_error = {};
  /// The host's own clock, random numbers, files, log and on_error. Excludes `log` and `on_error` above. Copied at
  /// open; what its pointers point to must outlive the Store and its runs.
  const cairn_hooks* hooks = nullptr;
};

/// What a run starts with. Every field may stay empty.
struct Start {
  std::string id = {};  // 1 to 64 of A-Z a-z 0-9 _ - . : and not . or : first; empty: one is made that sorts by time
  std::string task = {};
  std::string parent = {};
  std::string root = {};
  std::vector<std::string> tags = {};
  json metadata = json::object();  // anything else is refused
  Durability durability = Durability::kDefault;
  std::optional<json> payload = {};  // what the run was given, to be kept with it; at most 256 KiB
};

/// A run as it is listed.
struct RunInfo {
  std::string id;
  std::string task;
  std::string parent;
  std::string root;
  std::vector<std::string> tags;
  std::string error;  // why it failed; empty if finish was given no text
  RunStatus status = RunStatus::kExecuting;
  bool orphaned = false;  // unfinished, and started or resumed by a process that is gone
  bool foreign = false;   // owned elsewhere: no metadata here
  uint64_t sequence = 0;  // grows with every change of the run
  TimePoint created;
  TimePoint updated;
  std::optional<TimePoint> finished;
  std::optional<json> metadata = {};  // only if Query::metadata asked for it
};

enum class Order : int32_t {
  kNewest = CAIRN_ORDER_NEWEST,  // by the time of the last update, latest first
  kId = CAIRN_ORDER_ID,
  kOldest = CAIRN_ORDER_OLDEST,
};

/// What to list; see cairn_query and cairn_store_query. An empty field does not filter; a run must match all the
/// others.
struct Query {
  std::vector<RunStatus> statuses = {};  // any of them
  std::string task = {};
  std::vector<std::string> tags = {};  // all of them
  std::string parent = {};             // its children
  std::string root = {};               // all runs that descend from it
  std::optional<TimePoint> updated_from = {};
  std::optional<TimePoint> updated_to = {};  // exclusive
  std::string text = {};  // is in the id, the task, a tag or the metadata's JSON text; A-Z equals a-z
  Order order = Order::kNewest;
  bool metadata = false;    // fill in RunInfo::metadata
  uint32_t limit = 0;       // of a page, at most 10,000; 0: 100
  std::string cursor = {};  // of the page before
};

/// Some of the runs that a query asks for, and Query::cursor of the next page; empty after the last page.
struct Page {
  std::vector<RunInfo> runs;
  std::string cursor;
};

}  // namespace cairn

#endif  // CAIRN_OPTIONS_H
