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
#include "cairn/status.h"
#include "cairn/time.h"

namespace cairn {

/// What a call survives once it has returned.
enum class Durability : int32_t {
  kDefault = CAIRN_DURABILITY_DEFAULT,    // the class of the store
  kProcess = CAIRN_DURABILITY_PROCESS,    // kill -9, abort, out of memory; power loss takes what no flush covered
  kPower = CAIRN_DURABILITY_POWER,        // also power loss and a kernel crash; about 100 us
  kUpstream = CAIRN_DURABILITY_UPSTREAM,  // also the loss of this machine: waits for the upstream
};

enum class RunStatus : int32_t {
  kPendingVersion = CAIRN_RUN_PENDING_VERSION,
  kQueued = CAIRN_RUN_QUEUED,
  kDequeued = CAIRN_RUN_DEQUEUED,
  kExecuting = CAIRN_RUN_EXECUTING,
  kWaiting = CAIRN_RUN_WAITING,
  kCompleted = CAIRN_RUN_COMPLETED,
  kCanceled = CAIRN_RUN_CANCELED,
  kFailed = CAIRN_RUN_FAILED,
  kCrashed = CAIRN_RUN_CRASHED,
  kSystemFailure = CAIRN_RUN_SYSTEM_FAILURE,
  kDelayed = CAIRN_RUN_DELAYED,
  kExpired = CAIRN_RUN_EXPIRED,
  kTimedOut = CAIRN_RUN_TIMED_OUT,
};
/// "COMPLETED".
inline std::string_view name(RunStatus status) {
  const char* text = cairn_run_status_name(static_cast<int32_t>(status));
  return text == nullptr ? "" : text;
}

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

/// The value that a number had at a time.
struct HistoryPoint {
  TimePoint time;
  double value = 0;
};

namespace detail {

inline TimePoint from_us(int64_t us) {
  return TimePoint(std::chrono::duration_cast<TimePoint::duration>(std::chrono::microseconds(us)));
}

inline int64_t to_us(TimePoint at) {
  return std::chrono::floor<std::chrono::microseconds>(at).time_since_epoch().count();
}

inline RunInfo info_of(const cairn_run_info& c) {
  RunInfo info;
  info.id = c.id;
  info.task = c.task;
  info.parent = c.parent;
  info.root = c.root;
  info.tags.assign(c.tags, c.tags + c.tag_count);
  info.error = c.error;
  info.status = static_cast<RunStatus>(c.status);
  info.orphaned = (c.flags & CAIRN_RUN_INFO_ORPHANED) != 0;
  info.foreign = (c.flags & CAIRN_RUN_INFO_FOREIGN) != 0;
  info.sequence = c.sequence;
  info.created = from_us(c.created_us);
  info.updated = from_us(c.updated_us);
  if (c.finished_us != 0) {
    info.finished = from_us(c.finished_us);
  }
  return info;
}

}  // namespace detail
}  // namespace cairn

#endif  // CAIRN_OPTIONS_H
