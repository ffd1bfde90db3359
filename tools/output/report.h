// Errors for people and scripts: one line, or one JSON object, on stderr; never on stdout.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/error_detail.h"
#include "tools/output/exit_code.h"
#include "tools/output/globals.h"

namespace cairn::tools {

/// What an update is of.
struct Subject {
  std::string run = {};                 // "": the error is of no update
  std::optional<std::string> key = {};  // nothing: the error names the key, if one is at fault
  uint64_t metadata_limit = 0;          // in force, and --limit can raise it; 0: it bounds nothing here
};

/// Reports why a call failed, from the thread's error detail, with what to do about it. `while_doing` may be "".
Exit report_error(const Globals& globals, Status status, const std::string& while_doing = {},
                  const Subject& subject = {});

/// The command line cannot be carried out.
Exit report_usage(const Globals& globals, const std::string& message);

/// A remark that is no error; with --json as {"message":...}.
void note(const Globals& globals, const std::string& message);

}  // namespace cairn::tools
