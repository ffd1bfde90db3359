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

// A switch without default: the compiler names the code that is missing.
Exit exit_of(Code code) {
  switch (code) {
    case Code::kOk:
    case Code::kUnchanged:
    case Code::kAccepted:
      return Exit::kDone;
    case Code::kNotFound:
    case Code::kUnapplied:
    case Code::kExists:
    case Code::kRunning:
    case Code::kFinished:
    case Code::kNoSuchRun:
    case Code::kErased:
      return Exit::kNo;
    case Code::kInvalidArgument:
      return Exit::kUsage;
    case Code::kTooLarge:
    case Code::kInvalidUtf8:
    case Code::kInvalidJson:
    case Code::kInvalidMsgpack:
    case Code::kTooDeep:
    case Code::kNotFinite:
    case Code::kTypeMismatch:
    case Code::kKeyRefused:
    case Code::kNotAStore:
    case Code::kVersion:
    case Code::kCorrupt:
      return Exit::kBadData;
    case Code::kClosed:
    case Code::kForked:
    case Code::kInternal:
      return Exit::kBug;
    case Code::kBusy:
      return Exit::kBusy;
    case Code::kAgain:
    case Code::kTimeout:
    case Code::kBacklog:
    case Code::kNoMemory:
      return Exit::kTryLater;
    case Code::kReadOnly:
    case Code::kIo:
    case Code::kLatched:
    case Code::kIndeterminate:
      return Exit::kIo;
    case Code::kUnsafe:
      return Exit::kAuth;
    case Code::kNoSpace:
      return Exit::kNoSpace;
  }
  return Exit::kBug;
}

}  // namespace cairn::tools
