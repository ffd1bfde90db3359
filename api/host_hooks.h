// Adapts the host's functions (cairn_hooks) to the engine's hooks.
#pragma once

#include <memory>

#include "api/files_adapter.h"
#include "cairn/cairn.h"
#include "engine/base/hooks.h"

namespace cairn::api {

/// Must outlive the engine in which it is installed.
class HostHooks {
 public:
  /// kInvalidArgument: struct_bytes does not fit, or a file function is missing.
  static Result<std::unique_ptr<HostHooks>> make(const cairn_hooks& hooks);

  HostHooks(const HostHooks&) = delete;
  HostHooks& operator=(const HostHooks&) = delete;
  ~HostHooks();

  /// Sets the functions that the host supplies; the others stay as they are.
  void install(engine::Hooks& hooks);

  /// The store is open: from now on the destructor releases the host's context.
  void adopt_context() { adopted_ = true; }

  [[nodiscard]] bool hears_errors() const { return host_.on_error != nullptr; }
  void on_error(const cairn_error& error) const { host_.on_error(host_.context, &error); }

 private:
  HostHooks() = default;
  cairn_hooks host_ = {};
  bool adopted_ = false;
  std::unique_ptr<HostFiles> files_;
};

}  // namespace cairn::api
