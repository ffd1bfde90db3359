// A JSON value, or a plain text, as it stands on the command line.
#pragma once

#include <optional>
#include <string>

#include "engine/json/value.h"
#include "tools/output/globals.h"
#include "tools/output/report.h"

namespace cairn::tools {

/// `text` as JSON, or with `is_string` as it is. Nothing: reported, with `subject`; `exit` says how to end.
std::optional<engine::Value> value_argument(const Globals& globals, const std::string& text, bool is_string, Exit& exit,
                                            const Subject& subject = {});

/// The same for an object: `what` names it in the error.
std::optional<engine::Object> object_argument(const Globals& globals, const std::string& text, const char* what,
                                              Exit& exit);

}  // namespace cairn::tools
