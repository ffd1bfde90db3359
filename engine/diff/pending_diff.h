// The pending diff of a live document, whose values are the document's own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/diff/diff.h"

namespace cairn::engine {

struct PendingEntry {
  Form form;
  int32_t member = -1;  // index into the document; -1: the key is deleted
  std::string key;      // only when member is -1
};

struct PendingDiff {
  uint64_t base = 0;  // `last` is the run's sequence, which the owner keeps
  bool replace = false;
  std::vector<PendingEntry> entries;
  /// Changes whenever an entry index may mean another entry, or entries are removed. Not when one is added at the end.
  uint32_t layout = 0;
  [[nodiscard]] bool empty() const { return entries.empty() && !replace; }
};

}  // namespace cairn::engine
