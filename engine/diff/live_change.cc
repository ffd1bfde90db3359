#include "engine/diff/live_change.h"

#include <cassert>

namespace cairn::engine {

void LiveChange::keep_value(int at, Member& m, const Edit& edit) {
  member = at;
  value_bytes = m.value_bytes;
  exact = m.exact;
  switch (edit.kind) {
    case EditKind::kAssign:
    case EditKind::kNumber:
      value_change = ValueChange::kAssigned;
      value = std::move(m.value);
      return;
    case EditKind::kPush:
    case EditKind::kWrap:
      return;
    case EditKind::kDrop: {
      Array& array = *m.value.get<Array>();
      dropped.reserve(edit.dropped.size());
      value_change = ValueChange::kDropped;
      for (const size_t i : edit.dropped) {
        dropped.emplace_back(i, std::move(array[i]));
      }
      return;
    }
    case EditKind::kNone:
    case EditKind::kErase:
      break;
  }
  assert(false && "nothing of the value to keep");
}

}  // namespace cairn::engine
