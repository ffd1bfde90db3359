// A directory for one measurement, removed after it.
#pragma once

#include <string>

namespace cairn::bench {

class Directory {
 public:
  /// `below` is made if it is absent. Throws std::runtime_error.
  explicit Directory(const std::string& below);
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace cairn::bench
