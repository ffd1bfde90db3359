#include "engine/live_undo.h"

#include <cassert>

namespace cairn::engine {
namespace {

/// Puts the dropped items back at their places, which ascend. The array still has the memory for them.
void put_back(Array& array, std::vector<std::pair<size_t, Value>> dropped) {
  size_t kept = array.size();
  array.resize(kept + dropped.size());
  for (size_t at = array.size(); !dropped.empty();) {
    --at;
    if (dropped.back().first == at) {
      array[at] = std::move(dropped.back().second);
      dropped.pop_back();
    } else {
      array[at] = std::move(array[--kept]);
    }
  }
}

}  // namespace

void LiveDocument::Undo::keep_value(int at, Member& m, const Edit& edit) {
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

void LiveDocument::undo() {
  if (undo_ == nullptr || undo_->value_change == Undo::ValueChange::kNone) {
    return;
  }
  Undo& undo = *undo_;
  if (undo.value_change == Undo::ValueChange::kAll) {
    undo.document.continue_layout(document_.layout());
    undo.pending.layout = pending_.layout + 1;
    document_ = std::move(undo.document);
    pending_ = std::move(undo.pending);
    undo = Undo();
    return;
  }

  switch (undo.entry_change) {
    case Undo::EntryChange::kNone:
    case Undo::EntryChange::kTakenOut:
      break;
    case Undo::EntryChange::kPushed:
    case Undo::EntryChange::kMoved:
      if (const int member = pending_.entries.back().member; member >= 0) {
        document_.member(member).pending = -1;
      }
      pending_.entries.pop_back();
      break;
    case Undo::EntryChange::kFolded:
      pending_.entries[static_cast<size_t>(undo.entry)].form = std::move(undo.form);
      break;
    case Undo::EntryChange::kListEnd: {
      FormLists& lists = *pending_.entries[static_cast<size_t>(undo.entry)].form.lists;
      lists.added.pop_back();
      lists.coerce = undo.coerce;
      break;
    }
  }
  ++pending_.layout;

  switch (undo.value_change) {
    case Undo::ValueChange::kNone:
    case Undo::ValueChange::kAll:
      break;
    case Undo::ValueChange::kAdded:
      document_.erase(document_.size() - 1);
      break;
    case Undo::ValueChange::kErased:
      shift_members(undo.member, 1);
      document_.insert_at(undo.member, std::move(undo.erased));
      break;
    case Undo::ValueChange::kAssigned:
      document_.member(undo.member).value = std::move(undo.value);
      break;
    case Undo::ValueChange::kPushed:
      document_.member(undo.member).value.get<Array>()->pop_back();
      break;
    case Undo::ValueChange::kWrapped: {
      Value& value = document_.member(undo.member).value;
      Value inner = std::move(value.get<Array>()->front());
      value = std::move(inner);
      break;
    }
    case Undo::ValueChange::kDropped:
      put_back(*document_.member(undo.member).value.get<Array>(), std::move(undo.dropped));
      break;
  }
  if (undo.value_change >= Undo::ValueChange::kAssigned) {
    document_.count(undo.member, undo.value_bytes, undo.exact);
  }
  // Last, when member indexes are again those from before the operation.
  if (undo.entry_change == Undo::EntryChange::kMoved || undo.entry_change == Undo::EntryChange::kTakenOut) {
    put_entry_in(undo.entry, std::move(undo.before));
  }
  undo = Undo();
}

}  // namespace cairn::engine
