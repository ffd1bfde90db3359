// How calls report errors: by an exception, or by the same error as a value.
//
// Without exceptions (-fno-exceptions, and -fno-rtti as well) the try_ names work; a call of a name that throws does
// not compile. These headers are inline, so then all files of a program that include them must be compiled without
// exceptions.
#ifndef CAIRN_ERROR_H
#define CAIRN_ERROR_H

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "cairn/cairn.h"
#include "cairn/status.h"

namespace cairn {

/// Thrown by the plain names; try_ names return its status() instead.
class Error : public std::runtime_error {
 public:
  explicit Error(const cairn_error& e)
      : std::runtime_error(text(e)),
        code_(static_cast<Code>(e.code)),
        os_errno_(e.os_errno),
        reason_(e.reason),
        owner_alive_(e.owner_alive != 0),
        needed_(e.needed),
        limit_(e.limit),
        index_(e.index),
        owner_pid_(e.owner_pid),
        told_(e.told != 0),
        key_(e.key),
        run_(e.run) {}

  [[nodiscard]] Code code() const noexcept { return code_; }
  [[nodiscard]] Status status() const noexcept {
    return {code_, cairn_status_text(static_cast<cairn_status>(code_)), os_errno_};
  }
  /// The key or path that the call was about; its first 255 bytes.
  [[nodiscard]] const std::string& key() const noexcept { return key_; }
  /// The run's id if an update, start, resume or erase failed; "" for another call.
  [[nodiscard]] const std::string& run() const noexcept { return run_; }
  /// Options::on_error was called for this error.
  [[nodiscard]] bool told() const noexcept { return told_; }
  /// kTooLarge: the bytes needed, and the limit.
  [[nodiscard]] uint64_t needed() const noexcept { return needed_; }
  [[nodiscard]] uint64_t limit() const noexcept { return limit_; }
  /// kUnapplied: CAIRN_REASON_*.
  [[nodiscard]] int32_t reason() const noexcept { return reason_; }
  /// Of a transaction or a list: position of the operation that failed.
  [[nodiscard]] uint64_t index() const noexcept { return index_; }
  [[nodiscard]] int32_t os_errno() const noexcept { return os_errno_; }
  /// kBusy: the process that owns the store, 0 if unknown; and whether it lives.
  [[nodiscard]] uint64_t owner_pid() const noexcept { return owner_pid_; }
  [[nodiscard]] bool owner_alive() const noexcept { return owner_alive_; }

 private:
  static std::string text(const cairn_error& e) {
    std::string s(e.message);
    const std::string key(e.key);
    if (e.run[0] == '\0' && !key.empty() && s.compare(0, key.size(), key) != 0) {
      s += " (key \"" + key + "\")";
    }
    return s;
  }
  Code code_;
  int32_t os_errno_;
  int32_t reason_;
  bool owner_alive_;
  uint64_t needed_;
  uint64_t limit_;
  uint64_t index_;
  uint64_t owner_pid_;
  bool told_;
  std::string key_;
  std::string run_;
};

/// The last error of this thread, also of a try_ call. code() is kOk if there was none.
inline Error last_error() {
  cairn_error e;
  e.struct_bytes = sizeof e;
  (void)cairn_last_error(&e);
  return Error(e);
}

namespace detail {

/// The status of a call that has just returned `s`.
inline Status status_of(cairn_status s) noexcept {
  if (s == CAIRN_OK) {
    return {};
  }
  int32_t cause = 0;
  if (CAIRN_FAILED(s)) {
    cairn_error e;
    e.struct_bytes = offsetof(cairn_error, reason);  // no more is needed
    (void)cairn_last_error(&e);
    cause = e.os_errno;
  }
  return {static_cast<Code>(s), cairn_status_text(s), cause};
}

/// Makes an error that the C++ layer found the thread's last error.
inline cairn_status set_error(Code code, const std::string& key, const std::string& message) noexcept {
  cairn_error e = {};
  e.struct_bytes = sizeof e;
  e.code = static_cast<int32_t>(code);
  e.key_bytes = static_cast<uint32_t>(key.size());
  key.copy(e.key, sizeof e.key - 1);
  message.copy(e.message, sizeof e.message - 1);
  return cairn_set_last_error(&e);
}

/// For try_ names: runs `call`, which returns a cairn_status. An exception thrown by the conversion of a value becomes
/// kInvalidArgument.
template <class Call>
Status attempt(Call&& call) noexcept {
#if defined(__cpp_exceptions)
  try {
    return status_of(call());
  } catch (const std::bad_alloc&) {
    return {Code::kNoMemory, "no memory"};
  } catch (...) {
    return {Code::kInvalidArgument, "the conversion of the value threw an exception"};
  }
#else
  return status_of(call());
#endif
}

/// Carries an exception of the host's callback past the C ABI, which no exception may cross.
#if defined(__cpp_exceptions)
class CarriedException {
 public:
  /// The result of `call`; `otherwise` if it throws.
  template <class Call, class R>
  R take(Call&& call, R otherwise) noexcept {
    try {
      return call();
    } catch (...) {
      thrown_ = std::current_exception();
      return otherwise;
    }
  }
  void rethrow() const {
    if (thrown_) {
      std::rethrow_exception(thrown_);
    }
  }

 private:
  std::exception_ptr thrown_;
};
#else
struct CarriedException {
  template <class Call, class R>
  R take(Call&& call, R) noexcept {
    return call();
  }
  void rethrow() const {}
};
#endif

/// What this thread's last call of an on_error threw. There is one variable in the whole process, however many
/// libraries use it.
__attribute__((visibility("default"))) inline thread_local CarriedException thrown_by_on_error;

#if defined(__cpp_exceptions)
/// Throws if the call that has just returned `s` failed.
inline void check(cairn_status s) {
  if (CAIRN_FAILED(s)) {
    throw last_error();
  }
}
/// After an update failed: throws its error. If on_error was called for it, throws only what on_error threw, if
/// anything.
[[gnu::cold]] [[gnu::noinline]] inline void refuse_update() {
  const Error error = last_error();
  if (!error.told()) {
    throw error;
  }
  std::exchange(thrown_by_on_error, {}).rethrow();
}
/// As check, for an update.
inline void check_update(cairn_status s) {
  if (CAIRN_FAILED(s)) {
    refuse_update();
  }
}
#else
void check(cairn_status s) __attribute__((error("cairn: without exceptions use the try_ form of this call")));
void check_update(cairn_status s) __attribute__((error("cairn: without exceptions use the try_ form of this call")));
#endif

}  // namespace detail
}  // namespace cairn

#endif  // CAIRN_ERROR_H
