// A token: never printed, wiped when it is gone. One class for who sends it and who asks for it, so that one file is
// good or bad at both ends.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn {

/// Holds a token, or nothing: 32 to 8,192 characters of visible ASCII, as they can stand in an Authorization header.
/// Its own memory is wiped on destruction and assignment; copies that libcurl makes of a request in flight are not.
class Secret {
 public:
  static constexpr size_t kBytesMin = 32;
  static constexpr size_t kBytesMax = 8192;

  Secret() = default;
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  /// The whole file, without a last end of line.
  /// Errors: kIo (not there, cannot be opened or read), kUnsafe (a symbolic link; no regular file; of another user;
  ///         others than its owner have a right to it, or it is executable), kTooLarge, kInvalidArgument (empty, too
  ///         short, or other characters). `what` says which.
  static Result<Secret> from_file(const std::string& path);
  /// Errors: kInvalidArgument (also: not set), kTooLarge.
  /// Threads: as getenv. The variable stays in the environment; who started this process says who sees it.
  static Result<Secret> from_environment(const std::string& variable);
  /// Errors: kInvalidArgument, kTooLarge.
  static Result<Secret> from_text(std::string_view text);

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  /// Takes as long for a text that differs in the first character as for one that differs in the last. Nothing equals
  /// one that is empty.
  [[nodiscard]] bool equals(std::string_view text) const noexcept;
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

}  // namespace cairn
