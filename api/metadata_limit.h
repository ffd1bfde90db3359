// The size limit of a run's metadata: the option, else the environment, else the default.
#pragma once

#include <cstdint>

#include "cairn/status.h"

namespace cairn::api {

inline constexpr uint32_t kMetadataBytesDefault = 4096;
inline constexpr uint32_t kMetadataBytesMin = 2;  // {}

/// `option` 0: TASK_RUN_METADATA_MAXIMUM_SIZE, or kMetadataBytesDefault without it. kInvalidArgument, with a text that
/// names the source, if it is not a whole number from kMetadataBytesMin to a quarter of the largest record (a diff
/// holds form and value).
Result<uint32_t> metadata_limit(uint32_t option, uint32_t segment_bytes);

}  // namespace cairn::api
