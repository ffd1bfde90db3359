// A secret text: a token. It has no stream operator and no copy, so that it gets into no log by accident.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::http {

/// Visible ASCII, 32 to 4096 characters, as it can stand in an Authorization header.
/// Lifetime: its memory is wiped when it is destroyed. Moving hands the memory over, nothing is left behind.
class Secret {
 public:
  /// Reads `path`; one line end at its end is not part of the secret.
  /// Errors: kNotFound; kUnsafe (a link, no regular file, owned by somebody else, or others may read or write it);
  /// kInvalidArgument (length or characters); kIo. `what` says which.
  static Result<Secret> from_file(const std::string& path);
  /// Reads the environment variable `name`. The variable stays; it is for who started this process to say who sees it.
  /// Errors: kNotFound, kInvalidArgument.
  static Result<Secret> from_environment(const char* name);
  /// Errors: kInvalidArgument.
  static Result<Secret> from_text(std::string_view text);

  ~Secret();
  Secret(Secret&& other) noexcept = default;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  /// Takes as long for a text that differs in the first character as for one that differs in the last.
  [[nodiscard]] bool equals(std::string_view text) const noexcept;

 private:
  explicit Secret(std::string_view text);
  void wipe() noexcept;

  std::unique_ptr<char[]> bytes_;  // null: moved away
  size_t size_ = 0;
};

std::ostream& operator<<(std::ostream&, const Secret&) = delete;

}  // namespace cairn::http
