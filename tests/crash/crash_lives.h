// Scripted lives that several crash tests cut.
#pragma once

#include "tests/support/recorded_life.h"

namespace cairn::testing {

inline engine::Operation set_operation(const std::string& key, engine::Value value) {
  return {engine::OperationType::kSet, key, std::move(value)};
}

/// One of everything: creation, 1, 2, 5 and 50 keys in rotation, slot moves, seals, transactions, overflow, rotation,
/// checkpoint, erase, a run made again, clean close and another open.
void whole_life(RecordedLife& life, uint64_t seed);

/// A little of most: for faults at every call.
void short_life(RecordedLife& life);

}  // namespace cairn::testing
