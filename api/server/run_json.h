// A run as the answers of the API show it.
#pragma once

#include <string>

#include "api/server/run_storage.h"
#include "engine/json/value.h"

namespace cairn::server {

/// GET /api/v3/runs/:id: with payload, output, error and relatives. Needs kMetadata, kPayload, kOutput and kRelatives.
engine::Object retrieved_run(const RunView& run);
inline constexpr unsigned kRetrievedParts = kMetadata | kPayload | kOutput | kRelatives;

/// An entry of GET /api/v1/runs: with the environment.
engine::Object listed_run(const RunView& run, const std::string& environment_id, const std::string& environment);

}  // namespace cairn::server
