// The exit codes of the command: one table, for every status code of the library. Scripts branch on them, so they are
// never renumbered. From 64 on they are those of sysexits.h where one fits.
#pragma once

#include <span>
#include <string>

#include "cairn/status.h"
#include "engine/base/code_name.h"

namespace cairn::tools {

enum class Exit : int {
  kDone = 0,
  kNo = 1,         // the question was answered with no: no such run or key, finished, unapplied
  kUsage = 64,     // the command line is wrong
  kBadData = 65,   // input that is no JSON or too large; a damaged store, or none
  kBug = 70,       // a bug in Cairn
  kNoSpace = 73,   // the disk or the store's budget is full
  kIo = 74,        // the machine failed to read or write
  kTryLater = 75,  // the same command may work in a moment
  kFork = 76,      // the store was copied or rewound, and the upstream knows a later history of it
  kAuth = 77,      // files or directories of others, or an upstream that refuses the key
  kBusy = 78,      // a live process owns the store, or another server has the address
};

struct ExitRow {
  Exit exit;
  const char* meaning;
};
/// In ascending order; for `cairn --help`.
std::span<const ExitRow> exit_table();
/// The table as text, one line of at most 100 columns after the other.
std::string exit_lines();

/// Every code has one, also those that a command should never meet.
Exit exit_of(Code code);

using engine::code_name;

}  // namespace cairn::tools
