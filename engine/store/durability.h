// The class of a call's durability: may it be asked for, and the wait for it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "cairn/status.h"
#include "engine/store/options.h"
#include "engine/store/run_log.h"
#include "engine/store/upstream_facts.h"

namespace cairn::engine {

class UpstreamWait;

class DurabilityWait {
 public:
  /// `of_store`: the class of calls that name none.
  DurabilityWait(Durability of_store, RunLog& log, const UpstreamFacts& facts, UpstreamWait& upstream)
      : of_store_(of_store), run_log_(log), facts_(facts), upstream_(upstream) {}

  [[nodiscard]] Durability class_of(Durability d) const { return d == Durability::kDefault ? of_store_ : d; }
  [[nodiscard]] bool wants_power(Durability d) const { return class_of(d) >= Durability::kPower; }
  /// Before anything is done: is there an upstream, if the class needs one?
  [[nodiscard]] Status check(Durability d) const;
  /// Power: `lsn` is on the disk. Upstream: and what these runs were at `lsn` is acknowledged. No lock is held.
  Status wait(Durability d, uint64_t lsn, std::span<const std::string> ids);

 private:
  const Durability of_store_;
  RunLog& run_log_;
  const UpstreamFacts& facts_;
  UpstreamWait& upstream_;
};

}  // namespace cairn::engine
