// The store that a server has open for weeks: how it is opened, what it says meanwhile, and whether it still takes
// anything.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/store/store.h"
#include "tools/output/globals.h"
#include "wal/descriptor.h"

namespace cairn::tools {

/// Connections that a server may have: `wanted`, or if that is 0 as many as this process has descriptors for, but for
/// those that the store needs. Nothing: `wanted` is more.
std::optional<size_t> connections_max(uint64_t wanted);

class ServedStore {
 public:
  struct Options {
    std::string directory;
    uint32_t metadata_bytes_max = 4096;
    uint64_t retain_finished_ms = 0;  // 0: never
  };
  /// Makes the store if there is none. Before there are threads: it sets how the process uses memory, and that it
  /// outlives whoever reads its output. `globals` outlives it. Errors: those of Store::open.
  static Result<std::unique_ptr<ServedStore>> open(const Globals& globals, const Options& options);

  engine::Store& store() { return *store_; }
  /// To be called often. kLatched: the server has to end, because the store takes nothing before it is opened again.
  Status look();
  /// The same: what a burst of requests, `requests` so far, left free goes back to the system when it is over.
  void give_memory_back(uint64_t requests);
  Status close() { return store_->close(0); }

 private:
  explicit ServedStore(const Globals& globals) : globals_(globals) {}
  void take(engine::LogLevel level, Code code, const char* message);

  const Globals& globals_;
  std::atomic<bool> latched_{false};
  std::unique_ptr<engine::Store> store_;
  std::optional<wal::Descriptor> directory_;
  int64_t looked_ms_ = 0;
  uint64_t requests_ = 0;
  int64_t quiet_since_ms_ = 0;
  bool trimmed_ = true;
};

}  // namespace cairn::tools
