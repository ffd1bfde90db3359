#include "tools/output/exit_code.h"

#include <string_view>

namespace cairn::tools {

namespace {

constexpr ExitRow kTable[] = {
    {Exit::kDone, "done"},
    {Exit::kNo, "no: there is no such run or key, the run is finished, or an operation did not apply"},
    {Exit::kUsage, "usage: the command line is wrong"},
    {Exit::kBadData, "bad data: not JSON, too large, or the store is missing or damaged"},
    {Exit::kBug, "a bug in Cairn"},
    {Exit::kNoSpace, "no space on the disk"},
    {Exit::kIo, "the machine could not read or write"},
    {Exit::kTryLater, "try again later"},
    {Exit::kFork, "the store was copied or restored from an older state: its upstream has more than it has"},
    {Exit::kAuth,
     "not allowed: files of another user, a file system that cannot be trusted, or a token or\n"
     "certificate that is refused"},
    {Exit::kBusy, "busy: a live process owns the store, or another server has the address"},
};

struct CodeRow {
  Exit exit;
  const char* name;
};

// A switch without default: the compiler names the code that is missing.
CodeRow row_of(Code code) {
  switch (code) {
    case Code::kOk:
      return {Exit::kDone, "OK"};
    case Code::kUnchanged:
      return {Exit::kDone, "UNCHANGED"};
    case Code::kNotFound:
      return {Exit::kNo, "NOT_FOUND"};
    case Code::kAccepted:
      return {Exit::kDone, "ACCEPTED"};
    case Code::kInvalidArgument:
      return {Exit::kUsage, "INVALID_ARGUMENT"};
    case Code::kUnapplied:
      return {Exit::kNo, "UNAPPLIED"};
    case Code::kTooLarge:
      return {Exit::kBadData, "TOO_LARGE"};
    case Code::kInvalidUtf8:
      return {Exit::kBadData, "INVALID_UTF8"};
    case Code::kInvalidJson:
      return {Exit::kBadData, "INVALID_JSON"};
    case Code::kInvalidMsgpack:
      return {Exit::kBadData, "INVALID_MSGPACK"};
    case Code::kTooDeep:
      return {Exit::kBadData, "TOO_DEEP"};
    case Code::kNotFinite:
      return {Exit::kBadData, "NOT_FINITE"};
    case Code::kTypeMismatch:
      return {Exit::kBadData, "TYPE_MISMATCH"};
    case Code::kKeyRefused:
      return {Exit::kBadData, "KEY_REFUSED"};
    case Code::kExists:
      return {Exit::kNo, "EXISTS"};
    case Code::kRunning:
      return {Exit::kNo, "RUNNING"};
    case Code::kFinished:
      return {Exit::kNo, "FINISHED"};
    case Code::kNoSuchRun:
      return {Exit::kNo, "NO_SUCH_RUN"};
    case Code::kErased:
      return {Exit::kNo, "ERASED"};
    case Code::kClosed:
      return {Exit::kBug, "CLOSED"};
    case Code::kForked:
      return {Exit::kBug, "FORKED"};
    case Code::kBusy:
      return {Exit::kBusy, "BUSY"};
    case Code::kAgain:
      return {Exit::kTryLater, "AGAIN"};
    case Code::kTimeout:
      return {Exit::kTryLater, "TIMEOUT"};
    case Code::kReadOnly:
      return {Exit::kIo, "READ_ONLY"};
    case Code::kUnsafe:
      return {Exit::kAuth, "UNSAFE"};
    case Code::kNotAStore:
      return {Exit::kBadData, "NOT_A_STORE"};
    case Code::kVersion:
      return {Exit::kBadData, "NEWER_VERSION"};
    case Code::kBacklog:
      return {Exit::kTryLater, "BACKLOG"};
    case Code::kNoSpace:
      return {Exit::kNoSpace, "NO_SPACE"};
    case Code::kIo:
      return {Exit::kIo, "IO"};
    case Code::kLatched:
      return {Exit::kIo, "LATCHED"};
    case Code::kIndeterminate:
      return {Exit::kIo, "INDETERMINATE"};
    case Code::kCorrupt:
      return {Exit::kBadData, "CORRUPT"};
    case Code::kNoMemory:
      return {Exit::kTryLater, "NO_MEMORY"};
    case Code::kInternal:
      return {Exit::kBug, "INTERNAL"};
  }
  return {Exit::kBug, "UNKNOWN"};
}

}  // namespace

std::span<const ExitRow> exit_table() { return kTable; }

std::string exit_lines() {
  std::string text;
  for (const ExitRow& row : kTable) {
    const std::string code = std::to_string(static_cast<int>(row.exit));
    text += std::string(4 - code.size(), ' ') + code + "  ";
    for (const char c : std::string_view(row.meaning)) {
      text += c == '\n' ? "\n      " : std::string(1, c);
    }
    text += '\n';
  }
  return text;
}

Exit exit_of(Code code) { return row_of(code).exit; }
const char* code_name(Code code) { return row_of(code).name; }

}  // namespace cairn::tools
