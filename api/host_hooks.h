// What the host brings (cairn_hooks) as the engine's seams.
#pragma once

#include <memory>

#include "api/files_adapter.h"
#include "cairn/cairn.h"
#include "engine/hooks.h"

namespace cairn::api {

/// Outlives the engine that it was installed in.
class HostHooks {
 public:
  /// kInvalidArgument: struct_bytes does not fit, or a file function is missing.
  static Result<std::unique_ptr<HostHooks>> make(const cairn_hooks& hooks);

  /// Sets what the host brings; the rest stays as it is.
  void install(engine::Hooks& hooks);

 private:
  HostHooks() = default;
  cairn_hooks host_ = {};
  std::unique_ptr<HostFiles> files_;
};

}  // namespace cairn::api
