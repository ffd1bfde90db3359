// Work in a process of its own, so that each case begins with a clean memory and may be killed.
#pragma once

#include <sys/types.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace cairn::bench {

/// An empty directory, removed with what it holds.
class CaseDirectory {
 public:
  explicit CaseDirectory(const std::string& below);
  ~CaseDirectory();
  CaseDirectory(const CaseDirectory&) = delete;
  CaseDirectory& operator=(const CaseDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A child in a process group of its own, which ends when this process does. `work` runs there.
pid_t start_child(const std::function<void()>& work);
/// What `work` returned in a child; nothing if it failed, having said why on stderr, or was interrupted.
std::optional<nlohmann::json> in_child(const std::function<nlohmann::json()>& work);

/// SIGINT and SIGTERM kill the child that runs; interrupted() is true from then on.
void catch_interrupts();
bool interrupted();

}  // namespace cairn::bench
