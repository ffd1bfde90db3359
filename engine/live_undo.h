// What one operation on a live document changed, and what stood there before. At every point where memory may run out
// it says exactly what was changed so far; taking it back needs none.
#pragma once

#include <utility>
#include <vector>

#include "engine/live_document.h"

namespace cairn::engine {

struct LiveDocument::Undo {
  enum class ValueChange : uint8_t {
    kNone,
    kAll,       // `document` and `pending` stood there
    kAdded,     // the last member is new
    kErased,    // `erased` stood at `member`
    kAssigned,  // `value` stood at `member`
    kPushed,    // the last item of the array is new
    kWrapped,   // the first item of the array stood there
    kDropped,   // `dropped` stood in the array
  };
  enum class EntryChange : uint8_t {
    kNone,
    kPushed,    // the last entry is new
    kFolded,    // `form` stood at `entry`
    kListEnd,   // the form's list `added` grew by one, `coerce` is as it was
    kMoved,     // the last entry stood at `entry`, as `before`
    kTakenOut,  // `before` stood at `entry`
  };

  ValueChange value_change = ValueChange::kNone;
  EntryChange entry_change = EntryChange::kNone;
  int member = -1;
  int entry = -1;
  size_t value_bytes = 0;
  bool exact = true;
  bool coerce = false;
  Value value;
  std::vector<std::pair<size_t, Value>> dropped;
  Member erased;
  Form form;
  PendingEntry before;
  Document document;
  PendingDiff pending;

  void forget() {
    if (value_change != ValueChange::kNone) {
      *this = Undo();
    }
  }
  /// Before `edit` is carried out: takes what it would destroy. kPush and kWrap destroy nothing: note_value() after
  /// them.
  void keep_value(int at, Member& m, const Edit& edit);
  void note_value(EditKind carried_out) {
    if (carried_out == EditKind::kPush || carried_out == EditKind::kWrap) {
      value_change = carried_out == EditKind::kPush ? ValueChange::kPushed : ValueChange::kWrapped;
    }
  }
  void keep_form(int at, Form held) {
    entry_change = EntryChange::kFolded;
    entry = at;
    form = std::move(held);
  }
  /// `at` -1: there was none, and the last one is new.
  void keep_entry(int at, PendingEntry what, bool taken_out) {
    entry_change = taken_out ? EntryChange::kTakenOut : at < 0 ? EntryChange::kPushed : EntryChange::kMoved;
    entry = at;
    before = std::move(what);
  }
  void note_list_end(int at, bool coerce_before) {
    entry_change = EntryChange::kListEnd;
    entry = at;
    coerce = coerce_before;
  }
  void keep_all(Document document_before, PendingDiff pending_before) {
    value_change = ValueChange::kAll;
    document = std::move(document_before);
    pending = std::move(pending_before);
  }
};

}  // namespace cairn::engine
