// GET /openapi.json: what the routes take and answer, as OpenAPI 3.1.
#pragma once

#include <string>

#include "api/server/route_table.h"

namespace cairn::server {

/// The file openapi.yaml. It is written in the part of YAML that is JSON, so no program has to translate it.
extern const char* const kOpenApi;

Route openapi_route();

}  // namespace cairn::server
