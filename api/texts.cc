// Texts for the numbers of the ABI; and static checks that they equal the engine's.
#include "cairn/cairn.h"
#include "cairn/status.h"
#include "engine/base/hooks.h"
#include "engine/document/operation.h"
#include "engine/records/run_record.h"
#include "engine/store/store.h"

namespace {

using cairn::Code;
using cairn::engine::Durability;
using cairn::engine::LogLevel;
using cairn::engine::Reason;
using cairn::engine::RunStatus;
using cairn::wal::OpenMode;

template <class Enum>
constexpr bool same(int32_t c, Enum cpp) {
  return c == static_cast<int32_t>(cpp);
}

static_assert(same(CAIRN_OK, Code::kOk) && same(CAIRN_UNCHANGED, Code::kUnchanged));
static_assert(same(CAIRN_NOT_FOUND, Code::kNotFound) && same(CAIRN_ACCEPTED, Code::kAccepted));
static_assert(same(CAIRN_INVALID_ARGUMENT, Code::kInvalidArgument) && same(CAIRN_UNAPPLIED, Code::kUnapplied));
static_assert(same(CAIRN_TOO_LARGE, Code::kTooLarge) && same(CAIRN_INVALID_UTF8, Code::kInvalidUtf8));
static_assert(same(CAIRN_INVALID_JSON, Code::kInvalidJson) && same(CAIRN_INVALID_MSGPACK, Code::kInvalidMsgpack));
static_assert(same(CAIRN_TOO_DEEP, Code::kTooDeep) && same(CAIRN_NOT_FINITE, Code::kNotFinite));
static_assert(same(CAIRN_TYPE_MISMATCH, Code::kTypeMismatch) && same(CAIRN_KEY_REFUSED, Code::kKeyRefused));
static_assert(same(CAIRN_EXISTS, Code::kExists) && same(CAIRN_RUNNING, Code::kRunning));
static_assert(same(CAIRN_FINISHED, Code::kFinished) && same(CAIRN_NO_SUCH_RUN, Code::kNoSuchRun));
static_assert(same(CAIRN_ERASED, Code::kErased) && same(CAIRN_CLOSED, Code::kClosed));
static_assert(same(CAIRN_FORKED, Code::kForked) && same(CAIRN_BUSY, Code::kBusy));
static_assert(same(CAIRN_AGAIN, Code::kAgain) && same(CAIRN_TIMEOUT, Code::kTimeout));
static_assert(same(CAIRN_READ_ONLY, Code::kReadOnly) && same(CAIRN_UNSAFE, Code::kUnsafe));
static_assert(same(CAIRN_NOT_A_STORE, Code::kNotAStore) && same(CAIRN_NEWER_VERSION, Code::kVersion));
static_assert(same(CAIRN_BACKLOG, Code::kBacklog) && same(CAIRN_NO_SPACE, Code::kNoSpace));
static_assert(same(CAIRN_IO, Code::kIo) && same(CAIRN_LATCHED, Code::kLatched));
static_assert(same(CAIRN_INDETERMINATE, Code::kIndeterminate) && same(CAIRN_CORRUPT, Code::kCorrupt));
static_assert(same(CAIRN_NO_MEMORY, Code::kNoMemory) && same(CAIRN_INTERNAL, Code::kInternal));

static_assert(same(CAIRN_REASON_NONE, Reason::kNone) && same(CAIRN_REASON_MISSING_KEY, Reason::kMissingKey));
static_assert(same(CAIRN_REASON_NOT_AN_ARRAY, Reason::kNotAnArray));
static_assert(same(CAIRN_REASON_MISSING_PARENT, Reason::kMissingParent));
static_assert(same(CAIRN_REASON_NOT_A_CONTAINER, Reason::kNotAContainer));
static_assert(same(CAIRN_REASON_NO_SUCH_INDEX, Reason::kNoSuchIndex));
static_assert(same(CAIRN_REASON_EMPTY_PATH, Reason::kEmptyPath));
static_assert(same(CAIRN_REASON_NO_MATCH, Reason::kNoMatch) && same(CAIRN_REASON_OVERFLOW, Reason::kOverflow));

static_assert(same(CAIRN_RUN_PENDING_VERSION, RunStatus::kPendingVersion) &&
              same(CAIRN_RUN_QUEUED, RunStatus::kQueued));
static_assert(same(CAIRN_RUN_DEQUEUED, RunStatus::kDequeued) && same(CAIRN_RUN_EXECUTING, RunStatus::kExecuting));
static_assert(same(CAIRN_RUN_WAITING, RunStatus::kWaiting) && same(CAIRN_RUN_COMPLETED, RunStatus::kCompleted));
static_assert(same(CAIRN_RUN_CANCELED, RunStatus::kCanceled) && same(CAIRN_RUN_FAILED, RunStatus::kFailed));
static_assert(same(CAIRN_RUN_CRASHED, RunStatus::kCrashed));
static_assert(same(CAIRN_RUN_SYSTEM_FAILURE, RunStatus::kSystemFailure));
static_assert(same(CAIRN_RUN_DELAYED, RunStatus::kDelayed) && same(CAIRN_RUN_EXPIRED, RunStatus::kExpired));
static_assert(same(CAIRN_RUN_TIMED_OUT, RunStatus::kTimedOut));

static_assert(same(CAIRN_DURABILITY_DEFAULT, Durability::kDefault) &&
              same(CAIRN_DURABILITY_PROCESS, Durability::kProcess));
static_assert(same(CAIRN_DURABILITY_POWER, Durability::kPower) &&
              same(CAIRN_DURABILITY_UPSTREAM, Durability::kUpstream));
static_assert(same(CAIRN_LOG_DEBUG, LogLevel::kDebug) && same(CAIRN_LOG_INFO, LogLevel::kInfo));
static_assert(same(CAIRN_LOG_WARNING, LogLevel::kWarning) && same(CAIRN_LOG_ERROR, LogLevel::kError));
static_assert(same(CAIRN_FILE_READ, OpenMode::kRead) && same(CAIRN_FILE_WRITE, OpenMode::kWrite));
static_assert(same(CAIRN_FILE_CREATE, OpenMode::kCreate));
static_assert(same(CAIRN_FILE_CREATE_OR_TRUNCATE, OpenMode::kCreateOrTruncate));

}  // namespace

extern "C" {

int32_t cairn_version(void) noexcept { return CAIRN_VERSION; }

const char* cairn_status_text(cairn_status status) noexcept {
  switch (static_cast<Code>(status)) {
    case Code::kOk:
      return "ok";
    case Code::kUnchanged:
      return "nothing to change";
    case Code::kNotFound:
      return "no such key";
    case Code::kAccepted:
      return "recorded for a run that is owned elsewhere";
    case Code::kInvalidArgument:
      return "an argument is not valid";
    case Code::kUnapplied:
      return "the operation does not fit the value there";
    case Code::kTooLarge:
      return "over a size limit";
    case Code::kInvalidUtf8:
      return "not UTF-8";
    case Code::kInvalidJson:
      return "not JSON";
    case Code::kInvalidMsgpack:
      return "not msgpack";
    case Code::kTooDeep:
      return "nested deeper than 128";
    case Code::kNotFinite:
      return "NaN or infinity";
    case Code::kTypeMismatch:
      return "the value is of another type";
    case Code::kKeyRefused:
      return "a key that is not allowed";
    case Code::kExists:
      return "a run of this id exists";
    case Code::kRunning:
      return "a run of this id is running";
    case Code::kFinished:
      return "the run is finished";
    case Code::kNoSuchRun:
      return "no such run";
    case Code::kErased:
      return "the run was erased";
    case Code::kClosed:
      return "the store is closed";
    case Code::kForked:
      return "a forked child of the process that opened the store";
    case Code::kBusy:
      return "the store is open elsewhere";
    case Code::kAgain:
      return "try again later";
    case Code::kTimeout:
      return "the time is over";
    case Code::kReadOnly:
      return "read-only";
    case Code::kUnsafe:
      return "a file system, permission or owner that is not safe";
    case Code::kNotAStore:
      return "not a store";
    case Code::kVersion:
      return "written by a newer version";
    case Code::kBacklog:
      return "too many operations wait for a run owned elsewhere";
    case Code::kNoSpace:
      return "no space";
    case Code::kIo:
      return "input/output error";
    case Code::kLatched:
      return "a sync failed: open the store again";
    case Code::kIndeterminate:
      return "the sync of this call failed: it may or may not survive";
    case Code::kCorrupt:
      return "damaged data";
    case Code::kNoMemory:
      return "no memory";
    case Code::kInternal:
      return "a bug in Cairn";
  }
  return "unknown status";
}

const char* cairn_reason_text(int32_t reason) noexcept {
  if (reason < CAIRN_REASON_NONE || reason > CAIRN_REASON_OVERFLOW) {
    return "unknown reason";
  }
  return cairn::engine::reason_text(static_cast<Reason>(reason));
}

const char* cairn_run_status_name(int32_t status) noexcept {
  if (status < CAIRN_RUN_PENDING_VERSION || status > CAIRN_RUN_TIMED_OUT) {
    return nullptr;
  }
  return cairn::engine::status_name(static_cast<RunStatus>(status));
}

}  // extern "C"
