// A token: never printed, and wiped when it is destroyed. Client and server use this one class, so that a file that is
// valid for one is valid for the other.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn {

/// Holds a token, or none: 32 to 8,192 characters of visible ASCII, as allowed in an Authorization header.
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

  /// Reads the whole file, without a last end of line.
  /// Errors: kIo (cannot be read), those of open_secret_file (secret_file.h), kTooLarge, kInvalidArgument (empty, too
  ///         short, or other characters). `what` says which.
  static Result<Secret> from_file(const std::string& path);
  /// Errors: kInvalidArgument (also: not set), kTooLarge.
  /// Threads: as getenv. The variable stays in the environment of the process, where others may be able to read it.
  static Result<Secret> from_environment(const std::string& variable);
  /// Errors: kInvalidArgument, kTooLarge.
  static Result<Secret> from_text(std::string_view text);

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  /// Takes the same time wherever the text differs. Nothing equals an empty token.
  [[nodiscard]] bool equals(std::string_view text) const noexcept;
  /// The token; valid until this is moved from or destroyed. Never log it.
  [[nodiscard]] std::string_view reveal() const { return {bytes_.data(), empty() ? 0 : bytes_.size() - 1}; }
  /// `prefix` followed by this token; reveal().data() ends with a zero byte.
  [[nodiscard]] Secret with_prefix(std::string_view prefix) const;

 private:
  void wipe();

  std::vector<char> bytes_;  // with a last zero byte; not std::string, which keeps short ones inside itself and leaves
                             // them there when moved from
};

std::ostream& operator<<(std::ostream&, const Secret&) = delete;

}  // namespace cairn
