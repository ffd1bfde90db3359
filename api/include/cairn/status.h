// Outcome of a call: one code, the operating system's cause, and a literal that says what was being done.
// The values are those of the C ABI (CAIRN_* in cairn.h); they are never reused.
#ifndef CAIRN_STATUS_H
#define CAIRN_STATUS_H

#include <cstdint>
#include <optional>
#include <utility>

namespace cairn {

enum class Code : int32_t {
  kOk = 0,

  // Answers: the call worked, and this is what it found.
  kUnchanged = 1,  // the operation was valid and had nothing to change
  kNotFound = 2,   // no such key, no such run
  kAccepted = 3,   // recorded for a run that is owned elsewhere

  // The caller's input.
  kInvalidArgument = 16,
  kUnapplied = 17,    // the operation does not fit the value there; the reason stands in the detail
  kTooLarge = 18,     // the document, a record or a key would exceed its limit; nothing changed
  kInvalidUtf8 = 19,  // bytes that are not UTF-8, or a lone surrogate
  kInvalidJson = 20,
  kInvalidMsgpack = 21,
  kTooDeep = 22,       // nested deeper than 128
  kNotFinite = 23,     // NaN or an infinity
  kTypeMismatch = 24,  // a typed read found another type; or the top level of metadata is not an object
  kKeyRefused = 25,    // __proto__, or a path through __proto__, constructor or prototype

  // The run.
  kExists = 32,  // start: a run of this id is there, finished, or left unfinished (resume it); or another store owns it
  kRunning = 33,   // start: a run of this id is running in this process
  kFinished = 34,  // the run was finished; nothing changed
  kNoSuchRun = 35,
  kErased = 36,  // the run was erased while this handle was open

  // The handle and the store.
  kClosed = 48,
  kForked = 49,   // this process is a forked child of the one that opened the store
  kBusy = 50,     // another process, or another handle of this one, owns the store
  kAgain = 51,    // try later, for example: a writer was too fast for a reader
  kTimeout = 52,  // the time is over; what was acknowledged is safe on disk
  kReadOnly = 53,
  kUnsafe = 54,     // the promises do not cover this file system, these permissions or this owner
  kNotAStore = 55,  // no store there, or files that are not Cairn's
  kVersion = 56,    // written by a newer version; nothing was touched
  kBacklog = 57,    // too much is queued for a run's owner; or, at a start, for the upstream

  // The machine.
  kNoSpace = 64,  // nothing changed; works again when space returns
  kIo = 65,
  kLatched = 66,        // a sync failed: no acknowledgement until the store is opened again
  kIndeterminate = 67,  // the sync that covers this call failed: it may or may not survive
  kCorrupt = 68,        // damaged bytes below the durable watermark; reported, never dropped
  kNoMemory = 69,

  kInternal = 80,  // a bug in Cairn
};

struct [[nodiscard]] Status {
  Code code = Code::kOk;
  int32_t cause = 0;      // errno or MDB_*, 0 if neither
  const char* what = "";  // a literal

  constexpr Status() = default;
  constexpr Status(Code c, const char* w = "", int32_t why = 0) : code(c), cause(why), what(w) {}
  [[nodiscard]] constexpr bool ok() const { return code == Code::kOk; }
  /// kOk or an answer.
  [[nodiscard]] constexpr bool worked() const { return static_cast<int32_t>(code) < 16; }
};
static_assert(sizeof(Status) == 16);

/// A value, or the Status that says why there is no value. Calling value() without ok() is a bug of the caller.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T v) : value_(std::move(v)) {}  // NOLINT(google-explicit-constructor)
  Result(Status s) : status_(s) {}       // NOLINT(google-explicit-constructor)
  Result(Code c, const char* what, int32_t cause = 0) : status_(c, what, cause) {}
  [[nodiscard]] bool ok() const { return value_.has_value(); }
  [[nodiscard]] Status status() const { return status_; }
  [[nodiscard]] Code code() const { return status_.code; }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return std::move(*value_); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace cairn

// Returns the Status from the calling function unless it is ok. Each use names its variable differently, because the
// expression may contain a lambda that uses the macro too.
#define CAIRN_TRY(expr) CAIRN_TRY_COUNTED(expr, __COUNTER__)
#define CAIRN_TRY_COUNTED(expr, number) CAIRN_TRY_NUMBERED(expr, number)
#define CAIRN_TRY_NUMBERED(expr, number)                                               \
  do {                                                                                 \
    if (::cairn::Status cairn_status_##number = (expr); !cairn_status_##number.ok()) { \
      return cairn_status_##number;                                                    \
    }                                                                                  \
  } while (false)

// The same for a Result, whose value it assigns: `CAIRN_TRY_ASSIGN(const size_t count, txn.entries(t));`. With `auto&&`
// as the type nothing is moved: the value stays in the Result, which lives as long as the name.
#define CAIRN_TRY_ASSIGN(variable, ...) CAIRN_TRY_ASSIGN_COUNTED(variable, __COUNTER__, __VA_ARGS__)
#define CAIRN_TRY_ASSIGN_COUNTED(variable, number, ...) CAIRN_TRY_ASSIGN_NUMBERED(variable, number, __VA_ARGS__)
#define CAIRN_TRY_ASSIGN_NUMBERED(variable, number, ...) \
  auto cairn_result_##number = (__VA_ARGS__);            \
  if (!cairn_result_##number.ok()) {                     \
    return cairn_result_##number.status();               \
  }                                                      \
  variable = std::move(cairn_result_##number).value()

#endif  // CAIRN_STATUS_H
