#include "api/host_hooks.h"

#include "api/structs.h"

namespace cairn::api {

namespace {

const cairn_hooks& host(void* context) { return *static_cast<const cairn_hooks*>(context); }

}  // namespace

Result<std::unique_ptr<HostHooks>> HostHooks::make(const cairn_hooks& hooks) {
  std::unique_ptr<HostHooks> made(new HostHooks);
  CAIRN_TRY(read_struct(&hooks, made->host_, "cairn_hooks: struct_bytes does not fit"));
  if (made->host_.files != nullptr) {
    auto files = HostFiles::make(*made->host_.files);
    if (!files.ok()) {
      return files.status();
    }
    made->files_ = std::move(files).value();
  }
  return made;
}

HostHooks::~HostHooks() {
  if (adopted_ && host_.release != nullptr) {
    host_.release(host_.context);
  }
}

void HostHooks::install(engine::Hooks& hooks) {
  hooks.context = &host_;
  if (host_.log != nullptr) {
    hooks.log = [](void* c, engine::LogLevel level, Code code, const char* message) {
      host(c).log(host(c).context, static_cast<int32_t>(level), static_cast<cairn_status>(code), message);
    };
  }
  if (host_.wall_us != nullptr) {
    hooks.wall_us = [](void* c) { return host(c).wall_us(host(c).context); };
  }
  if (host_.monotonic_ms != nullptr) {
    hooks.monotonic_ms = [](void* c) { return host(c).monotonic_ms(host(c).context); };
  }
  if (host_.random != nullptr) {
    hooks.random_bytes = [](void* c, void* out, size_t bytes) { host(c).random(host(c).context, out, bytes); };
  }
  hooks.files = files_.get();
}

}  // namespace cairn::api
