// What a worker's store sends to its upstream, made by the library's own encoders, for many workers in one process: a
// store each would take memory and descriptors that are no part of what is measured.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/sync/message.h"

namespace cairn::bench {

/// One worker with one unfinished run. Its messages are answered one after the other; take_... throw std::runtime_error
/// if the answer is not the one that lets the worker go on.
class Worker {
 public:
  explicit Worker(uint32_t number);

  [[nodiscard]] const std::string& run() const { return run_; }
  /// What is new of its run: all of it in the first, then three numbers.
  std::string next_batch();
  void take_reply(std::string_view answer) const;
  /// Follows what others write. The first asks for its run, the later ones for none.
  std::string question(bool for_its_run);
  /// True: others wrote its run.
  bool take_documents(std::string_view answer) const;

 private:
  const std::string run_;
  engine::sync::OwnerId owner_{};
  engine::sync::StreamId stream_{};
  uint64_t batches_ = 0;
  uint64_t questions_ = 0;
  engine::sync::Digest last_{};  // of the last batch
};

}  // namespace cairn::bench
