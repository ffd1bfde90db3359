// Says in the host's log what is known of the upstream, in one line whenever that changes: a relay's messages may fail
// for weeks without anybody who asks for its state.
#pragma once

#include <cstdint>

#include "engine/base/hooks.h"
#include "engine/sync/sender.h"
#include "engine/sync/sender_state.h"

namespace cairn::engine {

class UpstreamNotice {
 public:
  explicit UpstreamNotice(const Hooks& hooks) : hooks_(hooks) {}

  /// After an answer or a failure.
  void look(const sync::Sender& sender, const sync::SenderState& state);
  /// What is found next is said in any case: it is another upstream, or more is known of the same failure.
  void forget() { told_ = Told::kNothing; }

 private:
  enum class Told : uint8_t { kNothing, kAnswers, kHalted, kFailed };

  const Hooks& hooks_;
  // What was written last.
  Told told_ = Told::kNothing;
  sync::Failure told_failure_ = sync::Failure::kTransient;
};

}  // namespace cairn::engine
