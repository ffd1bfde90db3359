// One relay for a host: `cairn sync --relay`. Workers that have a slot each send to one socket in the directory of the
// slots, and what they send, and what workers that are gone have left, goes upstream in one stream.
#pragma once

#include <cstdint>
#include <string>

#include "tools/output/exit_code.h"
#include "tools/output/globals.h"
#include "tools/sync/upstream_way.h"

namespace cairn::tools {

struct RelayOptions {
  std::string slots;  // the directory that the slots are in, as an absolute path; made if there is none
  GivenWay given;
  int64_t deadline_ms = 60'000;    // so long what waits is sent at the end
  int64_t retain_finished_ms = 0;  // 0: finished runs stay
  uint32_t metadata_bytes_max = 4096;
  uint32_t batch_runs = 0;  // 0: the default
};

/// Until it is interrupted. What went wrong is reported.
Exit run_relay(const Globals& globals, const RelayOptions& options);

}  // namespace cairn::tools
