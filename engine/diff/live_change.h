// Records what one operation on a live document changed, and what was there before. At every point where memory may run
// out the record is exact; undoing it needs no memory.
#pragma once

#include <utility>
#include <vector>

#include "engine/diff/pending_diff.h"
#include "engine/document/apply.h"
#include "engine/document/document.h"

namespace cairn::engine {

struct LiveChange {
  enum class ValueChange : uint8_t {
    kNone,
    kAll,       // everything was replaced; before: `document` and `pending`
    kAdded,     // the last member is new
    kErased,    // `erased` was at `member`
    kAssigned,  // `value` was at `member`
    kPushed,    // the last item of the array is new
    kWrapped,   // the value before is the first item of the array
    kDropped,   // `dropped` were in the array
  };
  enum class EntryChange : uint8_t {
    kNone,
    kPushed,    // the last entry is new
    kFolded,    // the form at `entry` was `form`
    kListEnd,   // the form's list `added` grew by one; `coerce` is the value before
    kMoved,     // the last entry was at `entry`, as `before`
    kTakenOut,  // `before` was at `entry`
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
      *this = LiveChange();
    }
  }
  /// Call before carrying out `edit`: saves what it would destroy. kPush and kWrap destroy nothing: call note_value()
  /// after them.
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
  /// `at` -1: there was no entry, and the last one is new.
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
