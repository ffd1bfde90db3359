// Reverts the last undoable operation.
#include "engine/diff/live_change.h"
#include "engine/diff/live_document.h"

namespace cairn::engine {
namespace {

/// Inserts the dropped items at their places, which ascend. The array still has the memory for them.
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

void LiveDocument::undo() {
  if (undo_ == nullptr || undo_->value_change == LiveChange::ValueChange::kNone) {
    return;
  }
  LiveChange& undo = *undo_;
  if (undo.value_change == LiveChange::ValueChange::kAll) {
    undo.document.continue_layout(document_.layout());
    undo.pending.layout = pending_.layout + 1;
    document_ = std::move(undo.document);
    pending_ = std::move(undo.pending);
    undo = LiveChange();
    return;
  }

  switch (undo.entry_change) {
    case LiveChange::EntryChange::kNone:
    case LiveChange::EntryChange::kTakenOut:
      break;
    case LiveChange::EntryChange::kPushed:
    case LiveChange::EntryChange::kMoved:
      if (const int member = pending_.entries.back().member; member >= 0) {
        document_.member(member).pending = -1;
      }
      pending_.entries.pop_back();
      break;
    case LiveChange::EntryChange::kFolded:
      pending_.entries[static_cast<size_t>(undo.entry)].form = std::move(undo.form);
      break;
    case LiveChange::EntryChange::kListEnd: {
      FormLists& lists = *pending_.entries[static_cast<size_t>(undo.entry)].form.lists;
      lists.added.pop_back();
      lists.coerce = undo.coerce;
      break;
    }
  }
  ++pending_.layout;

  switch (undo.value_change) {
    case LiveChange::ValueChange::kNone:
    case LiveChange::ValueChange::kAll:
      break;
    case LiveChange::ValueChange::kAdded:
      document_.erase(document_.size() - 1);
      break;
    case LiveChange::ValueChange::kErased:
      shift_members(undo.member, 1);
      document_.insert_at(undo.member, std::move(undo.erased));
      break;
    case LiveChange::ValueChange::kAssigned:
      document_.member(undo.member).value = std::move(undo.value);
      break;
    case LiveChange::ValueChange::kPushed:
      document_.member(undo.member).value.get<Array>()->pop_back();
      break;
    case LiveChange::ValueChange::kWrapped: {
      Value& value = document_.member(undo.member).value;
      Value inner = std::move(value.get<Array>()->front());
      value = std::move(inner);
      break;
    }
    case LiveChange::ValueChange::kDropped:
      put_back(*document_.member(undo.member).value.get<Array>(), std::move(undo.dropped));
      break;
  }
  if (undo.value_change >= LiveChange::ValueChange::kAssigned) {
    document_.count(undo.member, undo.value_bytes, undo.exact);
  }
  // Last, when member indexes are again those from before the operation.
  if (undo.entry_change == LiveChange::EntryChange::kMoved || undo.entry_change == LiveChange::EntryChange::kTakenOut) {
    put_entry_in(undo.entry, std::move(undo.before));
  }
  undo = LiveChange();
}

}  // namespace cairn::engine
