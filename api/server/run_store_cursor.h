// A place in the order of creation, as a text: 16 hexadecimal digits of when the run was created, "-", its id.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/records/run_query.h"

namespace cairn::server {

std::string cursor_text(int64_t created_us, const std::string& id);
std::optional<engine::RunPosition> read_cursor(std::string_view text);

}  // namespace cairn::server
