// What a store is opened with, and what a run is started with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/hooks.h"
#include "engine/json/value.h"
#include "engine/records/attachments.h"
#include "engine/records/run_details.h"
#include "engine/records/run_status.h"

namespace cairn::engine {

enum class Durability : int32_t { kDefault = 0, kProcess = 1, kPower = 2, kUpstream = 3 };

struct StoreOptions {
  std::string directory;
  bool create = true;  // make the store if there is none
  Durability durability = Durability::kProcess;
  uint32_t flush_interval_ms = 1000;   // bounds what class process loses to a power cut; 0: continuously
  uint32_t metadata_bytes_max = 4096;  // JSON text of a run's document
  uint32_t segment_bytes = 4u << 20;
  uint32_t border_bytes = 512;
  uint64_t disk_bytes_max = 0;  // 0: no budget
  uint32_t crash_grace_ms = 10'000;
  uint32_t upstream_timeout_ms = 30'000;  // calls of class upstream wait so long for the acknowledgement
  int64_t upstream_poll_ms = 0;           // SenderOptions::poll_interval_ms, where an earlier open attached an upstream
  uint64_t retain_finished_ms = 0;        // step erases runs so long after they finished; 0: never
  uint64_t retain_finished_max = 0;       // and the oldest beyond so many finished ones; 0: no bound
  bool count_runs = false;                // StoreStats::runs; the open counts them, about 100 ms per million
  bool mark_crashed = true;               // the command line and relays never mark
  bool background = false;                // one owned thread runs step()
  bool staging = true;                    // false: every operation appends to the log
  std::string staging_dir;                // staging files in a directory of their own in there; "": in the store
  /// Refuse (kAgain) where a process that was killed left updates in a directory that cannot be seen from here.
  bool need_staging_dir = false;
  bool guard_sigbus = false;         // survive a SIGBUS of a staging file (sigbus_guard.h)
  bool unsafe_file_system = false;   // open on network file systems all the same
  uint32_t history_interval_ms = 0;  // 0: no history
  uint32_t history_points = 600;     // of one run
  Hooks hooks;
};

struct StartOptions {
  /// QUEUED and DELAYED: the run belongs to the store, and to a process once that resumes it.
  RunStatus status = RunStatus::kExecuting;
  std::string id;  // empty: one is made, "run_" and 26 characters that sort by time
  std::string task;
  std::string parent;
  std::string root;
  std::vector<std::string> tags;
  Object metadata;
  RunDetails details;  // the depth is counted at the start
  Attachments with;    // the run's texts, and notes
};

}  // namespace cairn::engine
