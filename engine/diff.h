// The diff: the coalesced change of one run from sequence `base` (exclusive) to `last` (inclusive).
//
// For each changed top-level key there is one normal form, with the result beside it. Two operations on a key always
// fold into one form:
//   K(c)  kSet / kDelete   the key becomes c / absent
//   I(d)  kIncrement       x + d, or d where x is no number
//   L     kList            array: (x minus removed_before minus removed_after) ++ added; absent: added if coerce, else
//   absent;
//                          other x: ([] if x in removed_after else [x]) ++ added if coerce, else x
//   IL    kIncrementList   I(d), then L with coerce
// kOperations is an ordered list, for what goes to runs owned elsewhere or comes from their other writers, where no
// normal form exists (two paths with one root, fractional increments).
//
// Rules:
// - `fresh` (kSet only): the key was deleted and made again, so it stands at the end of the document. Entries of keys
//   that the diff creates stand in the order in which the document holds them: an entry goes behind all others when its
//   key is deleted, when a deleted key is made again, and, in diffs of runs owned elsewhere, when a form that creates
//   nothing (a remove) becomes one that does. So the order is the same wherever a sequence was cut into diffs.
// - `replace`: the document starts empty; every entry is a kSet, in document order.
// - `value` is there for every entry of a local run but kDelete; it alone is what apply() stores, so results are
// bit-equal.
//   What others do to a run that is here keeps the form that came, also kOperations, for it goes on to the upstream
//   whatever it did here. Where the key was absent and stays so, the entry is `gone` and has no value.
//   For kSet, `value` is the constant. Diffs of runs owned elsewhere have no values but for kSet.
// - fold by sequence: `next` folds into `into` iff next.base == into.last.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/document.h"
#include "engine/operation.h"
#include "engine/value.h"

namespace cairn::engine {

class ByteSink;

enum class FormKind : uint8_t { kSet = 0, kDelete = 1, kIncrement = 2, kList = 3, kIncrementList = 4, kOperations = 5 };

/// An ordered list of a run owned elsewhere takes no update beyond this many operations (then: kBacklog). Increments
/// that follow each other count once.
inline constexpr size_t kOperationsMax = 64;
/// Of another store's run that is here, and of which so many operations on one key wait for the upstream, others' lists
/// for that key are refused until it has them (kBacklog).
inline constexpr size_t kKnownOperationsMax = 1024;
/// What was accepted apart is folded together, however much it is: what came back from the upstream, and what came
/// meanwhile. Beyond this increments become one sum, and what others did to a run that is here a set of what the key
/// is.
inline constexpr size_t kStoredOperationsMax = 4096;

struct FormLists {
  Array removed_before;
  Array removed_after;
  Array added;
  bool coerce = false;
  std::vector<Operation> operations;
  bool operator==(const FormLists&) const;
};

struct Form {
  FormKind kind = FormKind::kSet;
  bool fresh = false;
  Value delta = 0;                   // kIncrement, kIncrementList
  std::unique_ptr<FormLists> lists;  // kList, kIncrementList, kOperations

  Form() = default;
  explicit Form(FormKind k) : kind(k) {}
  Form(const Form& o);
  Form(Form&&) noexcept = default;
  Form& operator=(const Form& o);
  Form& operator=(Form&&) noexcept = default;
  ~Form() = default;
  bool operator==(const Form&) const;
};

/// The form of one top-level operation on a key that has no form yet. (A path operation on a local run is a kSet of the
/// top-level value.)
Form form_of(const Operation& op);
/// Folds a top-level operation into the form of its key. Where the result is kSet, the caller supplies the value.
void fold_operation(Form& form, const Operation& op);

struct DiffEntry {
  std::string key;
  Form form;
  std::optional<Value> value;
  bool gone = false;  // the key is absent, before and after a form (no kSet, no kDelete) of others
  bool operator==(const DiffEntry&) const = default;
  /// What is known of the key after it, but for kDelete: of a run that is here.
  [[nodiscard]] bool has_result() const { return value.has_value() || gone; }
};

struct Diff {
  uint64_t base = 0;
  uint64_t last = 0;
  int64_t updated_us = 0;  // wall clock of the last operation; data only
  bool replace = false;
  std::vector<DiffEntry> entries;
  bool operator==(const Diff&) const = default;
};

/// Folds `next` behind `into`. kInternal("gap") unless next.base == into.last. With kOperationsMax, that is where an
/// update is taken, also kBacklog (an ordered list would be over it), kTooDeep (check_nesting) and kTooLarge (a path on
/// a constant). With kStoredOperationsMax nothing that was accepted is refused. On error `into` is unchanged.
/// Associative; values are those of `next` where it has them, and evaluated where it has none.
Status fold(Diff& into, const Diff& next, size_t operations_max = kOperationsMax);

/// Stores the diff's values into the document of a local run. The document's sequence is the caller's matter (fold by
/// sequence). kCorrupt when the diff cannot be one of a local run (an entry without value).
Status apply(const Diff& diff, Document& document);

/// Folds one operation into the diff of a run owned elsewhere, which has no document here: forms only. Advances `last`.
/// Operations of an ordered list that act on one path are folded too, where that is exact. Errors (`diff` unchanged):
/// kBacklog, kTooDeep, kTooLarge (a path on a constant), those of check_key, kUnapplied (an empty path),
/// kInvalidArgument (a path that starts with `*` or a slice names no single key), kTypeMismatch (a replace by no
/// object).
Status fold_foreign(Diff& diff, const Operation& op);

/// One entry, an msgpack array: [key, kind | fresh << 3 | gone << 4, ...]. kSet: value. kDelete: nothing. kIncrement:
/// delta, value. kList: removed_before, removed_after, added, coerce, value. kIncrementList: delta, removed_after,
/// added, value. kOperations: [[type, key, value]...], value. `value` null pointer: the array ends before it.
void append_entry(std::string& out, std::string_view key, const Form& form, const Value* value, bool gone = false);
void encode_entry(ByteSink& out, std::string_view key, const Form& form, const Value* value, bool gone = false);
/// kTooDeep: a value is nested deeper than kStoredDepthMax; else kCorrupt.
Result<DiffEntry> decode_entry(std::string_view bytes);

/// The whole diff: an msgpack array [base, last, updated_us, replace, [entry...]].
void append_diff(std::string& out, const Diff& diff);
/// Its head alone, announcing `count` entries that the caller appends behind it.
void append_diff_head(std::string& out, uint64_t base, uint64_t last, int64_t updated_us, bool replace, size_t count);
/// The numbers in front of a diff's entries.
struct DiffHead {
  uint64_t base = 0;
  uint64_t last = 0;
  int64_t updated_us = 0;
};
/// The entries are not looked at. kCorrupt: no diff begins like this.
Result<DiffHead> decode_diff_head(std::string_view bytes);
/// Whole input. kCorrupt: not a diff; last <= base; keys twice; lengths are checked before memory is taken.
Result<Diff> decode_diff(std::string_view bytes);

}  // namespace cairn::engine
