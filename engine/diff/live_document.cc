// Operations on a live document: sizes are checked before anything changes, then the value changes in place, then the
// operation is folded into the pending entry of its key.
#include "engine/diff/live_document.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/base/undo_unless_done.h"
#include "engine/diff/live_change.h"
#include "engine/document/path_apply.h"
#include "engine/json/json.h"

namespace cairn::engine {
namespace {

constexpr Status kOverLimit{Code::kTooLarge, "the document would exceed its limit"};

const Operation& plain_set() {
  static const Operation op;
  return op;
}

/// A limit that was lowered below the document's size must not stop operations that take something out. (A remove that
/// matches several arrays may still grow the document: all of them become what the first one becomes.)
bool takes_out(const Operation& op) { return op.type == OperationType::kDelete || op.type == OperationType::kRemove; }

}  // namespace

LiveDocument::LiveDocument() = default;
LiveDocument::~LiveDocument() = default;
LiveDocument::LiveDocument(const LiveDocument& o) : document_(o.document_), pending_(o.pending_) {}
LiveDocument::LiveDocument(LiveDocument&&) noexcept = default;
LiveDocument& LiveDocument::operator=(const LiveDocument& o) {
  if (this != &o) {
    document_ = o.document_;
    pending_ = o.pending_;
    undo_.reset();
  }
  return *this;
}
LiveDocument& LiveDocument::operator=(LiveDocument&&) noexcept = default;

void LiveDocument::reset(Document document, uint64_t base) {
  document.continue_layout(document_.layout());
  document_ = std::move(document);
  for (int i = 0; i < document_.size(); ++i) {
    document_.member(i).pending = -1;
  }
  pending_.entries.clear();
  pending_.replace = false;
  pending_.base = base;
  ++pending_.layout;
  undo_.reset();
}

void LiveDocument::clear_pending(uint64_t base) {
  for (const PendingEntry& entry : pending_.entries) {
    if (entry.member >= 0) {
      document_.member(entry.member).pending = -1;
    }
  }
  pending_.entries.clear();
  pending_.replace = false;
  pending_.base = base;
  ++pending_.layout;
  if (undo_ != nullptr) {
    undo_->forget();
  }
}

Status LiveDocument::apply(const Operation& op, size_t limit, Outcome& outcome, SizeDetail& detail, int& entry) {
  if (undo_ != nullptr) {
    undo_->forget();
  }
  return apply_kept(op, limit, outcome, detail, entry, nullptr);
}

Status LiveDocument::apply_undoable(const Operation& op, size_t limit, Outcome& outcome, SizeDetail& detail,
                                    int& entry) {
  if (undo_ == nullptr) {
    undo_ = std::make_unique<LiveChange>();
  } else {
    undo_->forget();
  }
  UndoUnlessDone take_back([this] { undo(); });  // if memory runs out below, nothing has changed
  const Status status = apply_kept(op, limit, outcome, detail, entry, undo_.get());
  take_back.done();
  return status;
}

Status LiveDocument::apply_kept(const Operation& op, size_t limit, Outcome& outcome, SizeDetail& detail, int& entry,
                                LiveChange* undo) {
  outcome = Outcome();
  detail = SizeDetail{0, limit};
  entry = -1;
  if (op.type == OperationType::kReplace) {
    return replace(op, limit, detail, undo);
  }
  if (is_path(op.key)) {
    return apply_path(op, limit, outcome, detail, entry, undo);
  }
  return apply_to_key(op.key, op, limit, outcome, detail, entry, undo);
}

Status LiveDocument::apply_to_key(std::string_view key, const Operation& op, size_t limit, Outcome& outcome,
                                  SizeDetail& detail, int& entry, LiveChange* undo) {
  const int i = document_.find(key);
  if (i < 0) {
    CAIRN_TRY(check_key(op.key));
  }
  const Value* existing = i < 0 ? nullptr : &document_.member(i).value;
  Result<Edit> edit = plan_edit(existing, op, 1);
  if (!edit.ok()) {
    return edit.status();
  }
  outcome = edit->outcome;
  if (edit->kind == EditKind::kNone) {
    return {};
  }
  if (edit->kind == EditKind::kErase) {
    entry = erase_member(i, undo);
    return {};
  }
  size_t existing_bytes = 0;
  if (i >= 0) {
    const Member& m = document_.member(i);
    existing_bytes = m.exact ? m.value_bytes : double_text_bytes(*m.value.get<double>());
  }
  const size_t value_bytes = edited_bytes(*edit, op, existing, existing_bytes);
  if (i < 0) {
    if (!document_.fits_insert(json_string_bytes(key), value_bytes, limit, &detail.needed)) {
      return kOverLimit;
    }
    Value value;
    carry_out(std::move(edit).value(), op.value, value);
    entry = add_member(key, std::move(value), value_bytes, op, undo);
    return {};
  }
  if (edit->kind != EditKind::kDrop && !document_.fits_assign(i, value_bytes, limit, &detail.needed)) {
    return kOverLimit;
  }
  entry = change_member(i, std::move(edit).value(), value_bytes, op, undo);
  return {};
}

Status LiveDocument::apply_path(const Operation& op, size_t limit, Outcome& outcome, SizeDetail& detail, int& entry,
                                LiveChange* undo) {
  CAIRN_TRY(check_key(op.key));
  const Result<std::vector<Segment>> segments = parse_path(op.key);
  if (!segments.ok()) {
    return segments.status();
  }
  if (segments->empty()) {
    outcome = {OutcomeKind::kUnapplied, Reason::kEmptyPath};
    return {};
  }
  const Segment& first = segments->front();
  if (first.kind != Segment::Kind::kName) {
    return apply_to_many(*segments, op, limit, outcome, detail, undo);
  }
  if (segments->size() == 1) {
    return apply_to_key(first.name, op, limit, outcome, detail, entry, undo);
  }
  const int i = document_.find(first.name);
  if (i < 0) {
    outcome = {OutcomeKind::kUnapplied, Reason::kMissingParent};
    return {};
  }
  Value value = document_.member(i).value;
  const Result<Outcome> applied = apply_at(value, *segments, 1, op, limit);
  if (!applied.ok()) {
    return applied.status();
  }
  outcome = *applied;
  if (outcome.kind != OutcomeKind::kApplied) {
    return {};
  }
  const size_t value_bytes = json_bytes(value);
  const bool shrinks = takes_out(op) && value_bytes <= document_.member(i).value_bytes;
  if (!shrinks && !document_.fits_assign(i, value_bytes, limit, &detail.needed)) {
    outcome = Outcome();
    return kOverLimit;
  }
  entry = assign_member(i, std::move(value), value_bytes, undo);
  return {};
}

// The path starts with `*` or a slice. It creates no top-level key and keeps the order of the others.
Status LiveDocument::apply_to_many(const std::vector<Segment>& segments, const Operation& op, size_t limit,
                                   Outcome& outcome, SizeDetail& detail, LiveChange* undo) {
  Value root = document_.to_object();
  const Result<Outcome> applied = apply_at(root, segments, 0, op, limit);
  if (!applied.ok()) {
    return applied.status();
  }
  if (applied->kind != OutcomeKind::kApplied) {
    outcome = *applied;
    return {};
  }
  const size_t bytes = json_bytes(root);
  const bool shrinks = takes_out(op) && bytes <= document_.exact_bytes();
  if (!shrinks && bytes > limit) {
    detail.needed = bytes;
    return kOverLimit;
  }
  if (undo != nullptr) {
    undo->keep_all(document_, pending_);
  }
  // All keys that a set, append or increment matched become kSet, even if a value did not change: others may write the
  // run too.
  const bool sets_all_met = !takes_out(op);
  Object& after = *root.get<Object>();
  auto next = after.begin();
  for (int i = 0; i < document_.size();) {
    if (next == after.end() || next->key != document_.member(i).key) {
      erase_member(i, nullptr);
      continue;
    }
    if (!(next->value == document_.member(i).value) || (sets_all_met && find_at(next->value, segments, 1) != nullptr)) {
      const size_t value_bytes = json_bytes(next->value);
      assign_member(i, std::move(next->value), value_bytes, nullptr);
    }
    ++next;
    ++i;
  }
  assert(next == after.end());
  return {};
}

Status LiveDocument::replace(const Operation& op, size_t limit, SizeDetail& detail, LiveChange* undo) {
  const Object* object = op.value.get<Object>();
  if (object == nullptr) {
    return {Code::kTypeMismatch, "metadata must be an object"};
  }
  if (depth_of(op.value) > kDepthMax) {
    return {Code::kTooDeep, "the document would be nested deeper than 128"};
  }
  Document document = Document::from_object(*object);
  if (document.exact_bytes() > limit) {
    detail.needed = document.exact_bytes();
    return kOverLimit;
  }
  document.continue_layout(document_.layout());
  PendingDiff pending;
  pending.base = pending_.base;
  pending.layout = pending_.layout + 1;
  pending.replace = true;
  pending.entries.reserve(object->size());
  for (int i = 0; i < document.size(); ++i) {
    PendingEntry& entry = pending.entries.emplace_back();
    entry.member = i;
    document.member(i).pending = i;
  }
  if (undo != nullptr) {
    undo->keep_all(std::move(document_), std::move(pending_));
  }
  document_ = std::move(document);
  pending_ = std::move(pending);
  return {};
}

int LiveDocument::add_member(std::string_view key, Value value, size_t value_bytes, const Operation& op,
                             LiveChange* undo) {
  const int deleted = pending_.replace ? -1 : find_deleted(key);
  Form form = pending_.replace || deleted >= 0 ? Form() : form_of(op);
  make_room_for_entry();
  const int member = document_.insert(std::string(key), std::move(value), value_bytes);
  if (undo != nullptr) {
    undo->value_change = LiveChange::ValueChange::kAdded;
  }
  if (deleted >= 0) {
    return revive_entry(deleted, member, undo);
  }
  return push_entry(std::move(form), member, undo);
}

int LiveDocument::change_member(int member, Edit edit, size_t value_bytes, const Operation& op, LiveChange* undo) {
  Value& slot = document_.member(member).value;
  if (undo != nullptr) {
    undo->keep_value(member, document_.member(member), edit);
  }
  const EditKind kind = edit.kind;
  // A drop needs no argument, so it is not copied: the copy may need memory, and nothing may fail once items are
  // removed.
  carry_out(std::move(edit), kind == EditKind::kDrop ? Value() : op.value, slot);
  document_.count(member, value_bytes, true);
  if (undo != nullptr) {
    undo->note_value(kind);
  }
  const int entry = document_.member(member).pending;
  return entry < 0 ? push_entry(form_of(op), member, undo) : fold_entry(entry, op, undo);
}

int LiveDocument::assign_member(int member, Value value, size_t value_bytes, LiveChange* undo) {
  Edit edit;
  edit.kind = EditKind::kAssign;
  if (undo != nullptr) {
    undo->keep_value(member, document_.member(member), edit);
  }
  document_.assign(member, std::move(value), value_bytes);
  const int entry = document_.member(member).pending;
  return entry < 0 ? push_entry(Form(), member, undo) : fold_entry(entry, plain_set(), undo);
}

int LiveDocument::erase_member(int member, LiveChange* undo) {
  PendingEntry deleted;
  deleted.form = Form(FormKind::kDelete);
  if (!pending_.replace) {
    deleted.key = document_.member(member).key;
    make_room_for_entry();
  }
  // From here on nothing needs memory.
  Member gone = document_.erase(member);
  PendingEntry before;
  if (gone.pending >= 0) {
    PendingEntry& there = pending_.entries[static_cast<size_t>(gone.pending)];
    before = std::exchange(there, PendingEntry());
  }
  shift_members(member, -1);
  int changed = -1;
  if (pending_.replace) {
    take_entry_out(gone.pending);
  } else {
    changed = push_or_move(gone.pending, std::move(deleted));
  }
  if (undo != nullptr) {
    undo->value_change = LiveChange::ValueChange::kErased;
    undo->member = member;
    undo->keep_entry(gone.pending, std::move(before), pending_.replace);
    undo->erased = std::move(gone);
  }
  return changed;
}

void LiveDocument::make_room_for_entry() {
  if (pending_.entries.size() == pending_.entries.capacity()) {
    pending_.entries.reserve(std::max<size_t>(4, pending_.entries.size() * 2));
  }
}

int LiveDocument::push_entry(Form form, int member, LiveChange* undo) {
  const int entry = static_cast<int>(pending_.entries.size());
  PendingEntry& made = pending_.entries.emplace_back();
  made.form = std::move(form);
  made.member = member;
  document_.member(member).pending = entry;
  if (undo != nullptr) {
    undo->entry_change = LiveChange::EntryChange::kPushed;
  }
  return entry;
}

// Appends `now` after all entries, in place of the one at `entry` (-1: there is none). A delete does this, and so does
// an operation that creates a deleted key again: the last of them decides the place, so the place does not depend on
// where a sequence was cut into diffs.
int LiveDocument::push_or_move(int entry, PendingEntry now) {
  const int last = static_cast<int>(pending_.entries.size()) - 1;
  if (entry >= 0 && entry == last) {
    pending_.entries.back() = std::move(now);
    return last;
  }
  if (entry >= 0) {
    take_entry_out(entry);
  }
  pending_.entries.push_back(std::move(now));
  return entry < 0 ? last + 1 : -1;
}

int LiveDocument::fold_entry(int entry, const Operation& op, LiveChange* undo) {
  Form& form = pending_.entries[static_cast<size_t>(entry)].form;
  if (undo != nullptr) {
    const bool has_lists = form.kind == FormKind::kList || form.kind == FormKind::kIncrementList;
    if (has_lists && op.type == OperationType::kAppend) {
      const bool coerce_before = form.lists->coerce;
      fold_operation(form, op);
      undo->note_list_end(entry, coerce_before);
      return entry;
    }
    if (op.type == OperationType::kSet) {
      undo->keep_form(entry, std::move(form));  // kind and fresh stay, the fold needs them
    } else {
      undo->keep_form(entry, Form(form));
    }
  }
  fold_operation(form, op);
  return entry;
}

int LiveDocument::find_deleted(std::string_view key) const {
  for (size_t i = 0; i < pending_.entries.size(); ++i) {
    if (pending_.entries[i].member < 0 && pending_.entries[i].key == key) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

int LiveDocument::revive_entry(int entry, int member, LiveChange* undo) {
  PendingEntry revived;
  revived.form.fresh = true;
  revived.member = member;
  PendingEntry before = std::move(pending_.entries[static_cast<size_t>(entry)]);
  const int changed = push_or_move(entry, std::move(revived));
  document_.member(member).pending = static_cast<int>(pending_.entries.size()) - 1;
  if (undo != nullptr) {
    undo->keep_entry(entry, std::move(before), false);
  }
  return changed;
}

void LiveDocument::take_entry_out(int entry) {
  pending_.entries.erase(pending_.entries.begin() + entry);
  for (size_t i = static_cast<size_t>(entry); i < pending_.entries.size(); ++i) {
    if (pending_.entries[i].member >= 0) {
      document_.member(pending_.entries[i].member).pending = static_cast<int>(i);
    }
  }
  ++pending_.layout;
}

void LiveDocument::put_entry_in(int entry, PendingEntry what) {
  pending_.entries.insert(pending_.entries.begin() + entry, std::move(what));
  for (size_t i = static_cast<size_t>(entry); i < pending_.entries.size(); ++i) {
    if (pending_.entries[i].member >= 0) {
      document_.member(pending_.entries[i].member).pending = static_cast<int>(i);
    }
  }
  ++pending_.layout;
}

// Corrects the entries after members from `from` on moved in the document by one place, up or down.
void LiveDocument::shift_members(int from, int by) {
  for (PendingEntry& entry : pending_.entries) {
    if (entry.member >= from) {
      entry.member += by;
    }
  }
}

void LiveDocument::append_pending(std::string& out, uint64_t last, int64_t updated_us) const {
  append_diff_head(out, pending_.base, last, updated_us, pending_.replace, pending_.entries.size());
  for (const PendingEntry& entry : pending_.entries) {
    append_entry(out, key_of(entry), entry.form, value_of(entry));
  }
}

Diff LiveDocument::pending_diff(uint64_t last, int64_t updated_us) const {
  Diff diff;
  diff.base = pending_.base;
  diff.last = last;
  diff.updated_us = updated_us;
  diff.replace = pending_.replace;
  diff.entries.reserve(pending_.entries.size());
  for (const PendingEntry& entry : pending_.entries) {
    DiffEntry& made = diff.entries.emplace_back();
    made.key = key_of(entry);
    made.form = entry.form;
    if (const Value* value = value_of(entry)) {
      made.value = *value;
    }
  }
  return diff;
}

}  // namespace cairn::engine
