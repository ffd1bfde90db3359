// How much the log has grown since the last checkpoint.
#pragma once

#include <atomic>
#include <cstdint>

#include "wal/writer.h"

namespace cairn::engine {

class LogGrowth {
 public:
  LogGrowth(const wal::Writer& writer, uint32_t segment_bytes) : writer_(writer), segment_bytes_(segment_bytes) {}

  /// Since the open.
  [[nodiscard]] uint64_t written_bytes() const { return writer_.counters().bytes; }
  [[nodiscard]] uint64_t bytes() const { return written_bytes() - at_checkpoint_.load(std::memory_order_relaxed); }
  /// Half a segment: then a checkpoint and the next spare are due.
  [[nodiscard]] bool is_due() const { return bytes() >= segment_bytes_ / 2; }
  /// A checkpoint worked that began when so much was written.
  void checkpointed(uint64_t written_bytes) { at_checkpoint_ = written_bytes; }

 private:
  const wal::Writer& writer_;
  const uint32_t segment_bytes_;
  std::atomic<uint64_t> at_checkpoint_{0};
};

}  // namespace cairn::engine
