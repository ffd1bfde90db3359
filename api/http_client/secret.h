// A token: never printed, wiped when it is gone.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::http_client {

inline constexpr size_t kTokenBytesMax = 8192;

/// Holds a token, or nothing. Its own memory is wiped on destruction and assignment; copies that libcurl makes of a
/// request in flight are not.
class Secret {
 public:
  Secret() = default;
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  /// The whole file, without a last end of line.
  /// Errors: kIo (cannot be opened or read), kUnsafe (a symbolic link; no regular file; of another user; others than
  ///         its owner have a right to it, or it is executable), kTooLarge (over kTokenBytesMax), kInvalidArgument
  ///         (empty, or a byte outside 0x21 to 0x7e).
  static Result<Secret> from_file(const std::string& path);
  /// Errors: kInvalidArgument (not set, empty, or a byte outside 0x21 to 0x7e), kTooLarge.
  /// Threads: as getenv. The variable stays in the environment.
  static Result<Secret> from_environment(const std::string& variable);

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  /// Until this is moved from or destroyed. For nothing that is logged.
  [[nodiscard]] std::string_view reveal() const { return {bytes_.data(), empty() ? 0 : bytes_.size() - 1}; }
  /// `prefix` and this one; reveal().data() ends with a zero byte.
  [[nodiscard]] Secret behind(std::string_view prefix) const;

 private:
  void wipe();

  std::vector<char> bytes_;  // with a last zero byte; not std::string, which keeps short ones inside itself and leaves
                             // them there when moved from
};

std::ostream& operator<<(std::ostream&, const Secret&) = delete;

}  // namespace cairn::http_client
