// A JSON value, or a plain text, as it stands on the command line.
#pragma once

#include <optional>
#include <string>

#include "engine/json/value.h"
#include "tools/output/globals.h"
#include "tools/output/report.h"

namespace cairn::tools {

inline constexpr const char* kValueAdvice =
    "a string needs its quotes inside the shell's, as in '\"text\"', or give --string";

/// `text` as JSON, or with `is_string` as it is. Nothing: reported, with `subject`; `exit` says how to end. `advice`: what
/// to write instead of what is not JSON.
std::optional<engine::Value> value_argument(const Globals& globals, const std::string& text, bool is_string, Exit& exit,
                                            const Subject& subject = {}, const char* advice = kValueAdvice);

/// The same for an object: `what` names it in the error.
std::optional<engine::Object> object_argument(const Globals& globals, const std::string& text, const char* what,
                                              Exit& exit);

}  // namespace cairn::tools
