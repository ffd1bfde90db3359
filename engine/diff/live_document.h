// The hot state of a run: its document and the pending diff, whose values are the document's own.
// Invariants:
// - a member with a pending entry has the entry's index, and the entry has the member's; entries without member are
//   kDelete and have their key;
// - under `replace` the entries are one plain kSet for each member, in the order of the document.
// It does no I/O and takes no lock: run.h guards it and stages it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/diff/diff.h"
#include "engine/diff/pending_diff.h"
#include "engine/document/apply.h"
#include "engine/document/document.h"
#include "engine/document/operation.h"
#include "engine/document/path.h"

namespace cairn::engine {

/// Why a document would be too large.
struct SizeDetail {
  size_t needed = 0;  // 0: unknown, because the operation's value alone exceeds the limit
  size_t limit = 0;
};

struct LiveChange;

class LiveDocument {
 public:
  LiveDocument();
  ~LiveDocument();
  LiveDocument(const LiveDocument&);  // transactions work on a copy
  LiveDocument(LiveDocument&&) noexcept;
  LiveDocument& operator=(const LiveDocument&);
  LiveDocument& operator=(LiveDocument&&) noexcept;

  [[nodiscard]] const Document& document() const { return document_; }
  [[nodiscard]] Document& document() { return document_; }
  [[nodiscard]] const PendingDiff& pending() const { return pending_; }

  /// Starts again from a recovered or given document, with nothing pending.
  void reset(Document document, uint64_t base);
  /// The pending diff was sealed: nothing is pending, and the next diff's base is `base`. Keeps capacity: no allocation
  /// when the same keys change again.
  void clear_pending(uint64_t base);

  /// Applies any operation, with the exact size limit. A change is folded into the pending diff. `entry` gets the index
  /// of the one pending entry that changed, or -1 if several did or the layout changed.
  /// kOk with `outcome` kUnchanged or kUnapplied, and all errors, change nothing, and set `entry` to -1.
  /// Errors: kTooLarge (`detail` says by how much), kTooDeep, kTypeMismatch (a replace by something that is not an
  /// object), those of check_key and plan_edit. A delete or remove that shrinks the document works even if the limit
  /// was lowered below its size.
  /// Cost: that of the operation's value; that of the document's value only if a path leads into it.
  Status apply(const Operation& op, size_t limit, Outcome& outcome, SizeDetail& detail, int& entry);

  /// The same, and undo() can revert it until the next call that changes anything. Values that are replaced are kept,
  /// not copied; a path that starts with `*` or a slice keeps a copy of the document. If it throws std::bad_alloc,
  /// nothing has changed.
  Status apply_undoable(const Operation& op, size_t limit, Outcome& outcome, SizeDetail& detail, int& entry);
  /// Restores document and pending diff; their layout numbers change. Needs no memory.
  void undo();

  /// Hot: sets the member to a number. Its pending entry is made or folded (a kSet after this). Returns the index of
  ///      the
  /// pending entry; -1 if the document would exceed `limit`, or the member is an array or object: then call apply(). No
  /// allocation if the key is already pending, or was before the last clear_pending.
  int set_double(int member, double d, size_t limit) {
    return is_plain(member) && document_.try_assign_double(member, d, limit) ? note_set(member) : -1;
  }
  int set_int(int member, int64_t v, size_t limit) {
    return is_plain(member) && document_.try_assign_int(member, v, limit) ? note_set(member) : -1;
  }
  int set_bool(int member, bool v, size_t limit) {
    if (!is_plain(member) || !document_.try_count(member, v ? 4 : 5, limit)) {
      return -1;
    }
    document_.member(member).value.storage = v;
    return note_set(member);
  }
  /// The same for a string, valid UTF-8, whose JSON takes `json_bytes`; no allocation if the member's string has the
  /// capacity.
  int set_string(int member, std::string_view s, size_t json_bytes, size_t limit);
  /// Hot: replaces the document by this msgpack map. Only if it was already replaced since the last flush, and the map
  /// has the same keys in the same order, at most 32, a number for each number, and otherwise null, bools and strings
  /// of the same type, no string longer than before. `changed` gets a bit for each pending entry whose value differs.
  /// False: nothing happened; call apply(). No allocation.
  bool replace_alike(std::string_view msgpack, size_t limit, uint64_t& changed);
  /// Hot: increments a number member by n (integers exact, else double); -1: call apply().
  int increment(int member, const Value& n, size_t limit) {
    const int64_t* x = document_.member(member).value.get<int64_t>();
    const int64_t* by = n.get<int64_t>();
    int64_t sum = 0;
    if (x == nullptr || by == nullptr || __builtin_add_overflow(*x, *by, &sum)) {
      return increment_any(member, n, limit);
    }
    return document_.try_assign_int(member, sum, limit) ? note_increment(member, n) : -1;
  }

  [[nodiscard]] std::string_view key_of(const PendingEntry& e) const {
    return e.member < 0 ? std::string_view(e.key) : std::string_view(document_.member(e.member).key);
  }
  [[nodiscard]] const Value* value_of(const PendingEntry& e) const {
    return e.member < 0 ? nullptr : &document_.member(e.member).value;
  }
  /// The pending diff as append_diff writes it, without a copy of its values.
  void append_pending(std::string& out, uint64_t last, int64_t updated_us) const;
  /// A self-contained copy of the pending diff.
  [[nodiscard]] Diff pending_diff(uint64_t last, int64_t updated_us) const;

 private:
  [[nodiscard]] bool is_plain(int member) const { return document_.member(member).value.type() <= Type::kString; }
  int note_set(int member) {
    const int entry = document_.member(member).pending;
    if (entry >= 0 && pending_.entries[static_cast<size_t>(entry)].form.kind == FormKind::kSet) [[likely]] {
      return entry;
    }
    return note_first_set(member);
  }
  int note_increment(int member, const Value& n) {
    const int entry = document_.member(member).pending;
    if (entry >= 0) [[likely]] {
      Form& form = pending_.entries[static_cast<size_t>(entry)].form;
      if (form.kind == FormKind::kSet) {
        return entry;
      }
      int64_t* delta = form.delta.get<int64_t>();
      const int64_t* by = n.get<int64_t>();
      int64_t sum = 0;
      if (form.kind == FormKind::kIncrement && delta != nullptr && by != nullptr &&
          !__builtin_add_overflow(*delta, *by, &sum)) {
        *delta = sum;
        return entry;
      }
    }
    return note_other_increment(member, n);
  }
  int note_first_set(int member);
  int note_other_increment(int member, const Value& n);
  int increment_any(int member, const Value& n, size_t limit);

  Status apply_kept(const Operation& op, size_t limit, Outcome& outcome, SizeDetail& detail, int& entry,
                    LiveChange* undo);
  Status apply_to_key(std::string_view key, const Operation& op, size_t limit, Outcome& outcome, SizeDetail& detail,
                      int& entry, LiveChange* undo);
  Status apply_path(const Operation& op, size_t limit, Outcome& outcome, SizeDetail& detail, int& entry,
                    LiveChange* undo);
  Status apply_to_many(const std::vector<Segment>& segments, const Operation& op, size_t limit, Outcome& outcome,
                       SizeDetail& detail, LiveChange* undo);
  Status replace(const Operation& op, size_t limit, SizeDetail& detail, LiveChange* undo);

  int add_member(std::string_view key, Value value, size_t value_bytes, const Operation& op, LiveChange* undo);
  int change_member(int member, Edit edit, size_t value_bytes, const Operation& op, LiveChange* undo);
  int assign_member(int member, Value value, size_t value_bytes, LiveChange* undo);
  int erase_member(int member, LiveChange* undo);

  void make_room_for_entry();
  int push_entry(Form form, int member, LiveChange* undo);
  int fold_entry(int entry, const Operation& op, LiveChange* undo);
  [[nodiscard]] int find_deleted(std::string_view key) const;
  int push_or_move(int entry, PendingEntry now);
  int revive_entry(int entry, int member, LiveChange* undo);
  void take_entry_out(int entry);
  void put_entry_in(int entry, PendingEntry what);
  void shift_members(int from, int by);

  Document document_;
  PendingDiff pending_;
  std::unique_ptr<LiveChange> undo_;
};

}  // namespace cairn::engine
