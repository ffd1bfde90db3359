#include "engine/base/code_name.h"

#include <string_view>

namespace cairn::engine {

// A switch without default: the compiler names the code that is missing.
const char* code_name(Code code) {
  switch (code) {
    case Code::kOk:
      return "OK";
    case Code::kUnchanged:
      return "UNCHANGED";
    case Code::kNotFound:
      return "NOT_FOUND";
    case Code::kAccepted:
      return "ACCEPTED";
    case Code::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case Code::kUnapplied:
      return "UNAPPLIED";
    case Code::kTooLarge:
      return "TOO_LARGE";
    case Code::kInvalidUtf8:
      return "INVALID_UTF8";
    case Code::kInvalidJson:
      return "INVALID_JSON";
    case Code::kInvalidMsgpack:
      return "INVALID_MSGPACK";
    case Code::kTooDeep:
      return "TOO_DEEP";
    case Code::kNotFinite:
      return "NOT_FINITE";
    case Code::kTypeMismatch:
      return "TYPE_MISMATCH";
    case Code::kKeyRefused:
      return "KEY_REFUSED";
    case Code::kExists:
      return "EXISTS";
    case Code::kRunning:
      return "RUNNING";
    case Code::kFinished:
      return "FINISHED";
    case Code::kNoSuchRun:
      return "NO_SUCH_RUN";
    case Code::kErased:
      return "ERASED";
    case Code::kClosed:
      return "CLOSED";
    case Code::kForked:
      return "FORKED";
    case Code::kBusy:
      return "BUSY";
    case Code::kAgain:
      return "AGAIN";
    case Code::kTimeout:
      return "TIMEOUT";
    case Code::kReadOnly:
      return "READ_ONLY";
    case Code::kUnsafe:
      return "UNSAFE";
    case Code::kNotAStore:
      return "NOT_A_STORE";
    case Code::kVersion:
      return "NEWER_VERSION";
    case Code::kBacklog:
      return "BACKLOG";
    case Code::kNoSpace:
      return "NO_SPACE";
    case Code::kIo:
      return "IO";
    case Code::kLatched:
      return "LATCHED";
    case Code::kIndeterminate:
      return "INDETERMINATE";
    case Code::kCorrupt:
      return "CORRUPT";
    case Code::kNoMemory:
      return "NO_MEMORY";
    case Code::kInternal:
      return "INTERNAL";
  }
  return "UNKNOWN";
}

std::optional<Code> code_from_name(std::string_view name) {
  for (int32_t number = 0; number <= static_cast<int32_t>(Code::kInternal); ++number) {
    if (name == code_name(static_cast<Code>(number)) && name != "UNKNOWN") {
      return static_cast<Code>(number);
    }
  }
  return std::nullopt;
}

}  // namespace cairn::engine
