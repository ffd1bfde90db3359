// An entry of a batch: what is new of one run. PROTOCOL.md is the specification.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/diff/diff.h"
#include "engine/json/msgpack_cursor.h"
#include "engine/sync/head.h"

namespace cairn::engine::sync {

enum class EntryKind : uint8_t {
  kValues = 0,  // the values that keys have now: of a run of the sender that nobody else writes, or that is sent whole
  kForms = 1,   // the operations done to keys: of a run of the sender that others write, too
  kDelta = 2,   // the operations done to keys: of a run owned elsewhere
  kErase = 3,   // a run of the sender was erased
};

struct Entry {
  EntryKind kind = EntryKind::kValues;
  std::string id;
  uint64_t life = 0;      // creation LSN at the owner; 0 for kDelta
  uint64_t sequence = 0;  // the owner's sequence of the run after this entry; 0 for kDelta
  int64_t updated_us = 0;
  std::optional<Head> head;
  bool replace = false;            // the document starts empty; kDelta: whatever its owner has by then
  RunTexts texts;                  // kValues, kForms: those of the run that were not sent before
  std::vector<DiffEntry> changes;  // kValues: only kSet and kDelete; kForms, kDelta: only kSet has a value
  uint8_t hops = 0;                // kDelta: how many stores passed it on, the maximum of what was folded together
  bool too_deep = false;           // a change is nested deeper than the limit for reading; `changes` is empty
  [[nodiscard]] bool whole() const { return replace && head.has_value(); }
};

/// Appends the entry. `wall_us` is the header's; times are sent as differences from it.
void append_entry(std::string& body, const Entry& entry, int64_t wall_us);
/// False: malformed.
bool read_entry(MsgpackCursor& in, int64_t wall_us, Entry& entry);

}  // namespace cairn::engine::sync
