// Adapts the host's file functions (cairn_files) to the engine's interface wal::Files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cairn/cairn.h"
#include "wal/files.h"

namespace cairn::api {

class HostFiles final : public wal::Files {
 public:
  /// kInvalidArgument: a function is missing, or struct_bytes does not fit.
  static Result<std::unique_ptr<HostFiles>> make(const cairn_files& files);

  Result<std::unique_ptr<wal::File>> open(const std::string& name, wal::OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& name) override;
  Status make_directory(const std::string& name) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status sync_directory(const std::string& directory) override;
  Result<uint64_t> free_bytes() override;

 private:
  explicit HostFiles(const cairn_files& files) : files_(files) {}
  const cairn_files files_;
};

}  // namespace cairn::api
