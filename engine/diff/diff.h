// The diff: the coalesced change of one run from sequence `base` (exclusive) to `last` (inclusive).
//
// For each changed top-level key there is one normal form, and the resulting value. Two operations on a key always fold
// into one form:
//   K(c)  kSet / kDelete   the key becomes c / absent
//   I(d)  kIncrement       x + d, or d if x is not a number
//   L     kList            array: (x minus removed_before minus removed_after) ++ added; absent: added if coerce,
//                          else absent;
//                          other x: ([] if x in removed_after else [x]) ++ added if coerce, else x
//   IL    kIncrementList   I(d), then L with coerce
// kOperations is an ordered list. It is used for changes of runs owned elsewhere, and for changes by their other
// writers, that have no normal form (two paths with one root, fractional increments).
//
// Rules:
// - `fresh` (kSet only): the key was deleted and created again, so it is at the end of the document. Entries of keys
//   that the diff creates are in the order in which the document has them. An entry moves to the end when its key is
//   deleted, when a deleted key is created again, and, in diffs of runs owned elsewhere, when a form that creates
//   nothing (a remove) becomes one that does. So the order does not depend on where a sequence was cut into diffs.
// - `replace`: the document starts empty; every entry is a kSet, in document order.
// - every entry of a local run has a `value`, except kDelete; apply() stores only that, so results are bit-equal.
//   Changes that others make to a run that is here keep the form that was received, kOperations too, because the form
//   is sent on to the upstream, whatever it did here. If the key was absent and stays absent, the entry is `gone` and
//   has no value.
//   For kSet, `value` is the constant. In diffs of runs owned elsewhere only kSet has a value.
// - fold by sequence: `next` folds into `into` iff next.base == into.last.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/document/document.h"
#include "engine/document/operation.h"
#include "engine/json/value.h"

namespace cairn::engine {

class ByteSink;

enum class FormKind : uint8_t { kSet = 0, kDelete = 1, kIncrement = 2, kList = 3, kIncrementList = 4, kOperations = 5 };

/// An update that would make an ordered list of a run owned elsewhere longer than this is refused (kBacklog).
/// Increments that follow each other count once.
inline constexpr size_t kOperationsMax = 64;
/// If so many operations on one key of another store's run, which is here, wait for the upstream, lists of others for
/// that key are refused until the upstream has them (kBacklog).
inline constexpr size_t kKnownOperationsMax = 1024;
/// Changes that were accepted separately are folded together, however many there are: those that came back from the
/// upstream, and those that were made meanwhile. Beyond this bound increments become one sum, and what others did to a
/// key of a run that is here becomes a set of its present value.
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
/// Folds a top-level operation into the form of its key. If the result is kSet, the caller supplies the value.
void fold_operation(Form& form, const Operation& op);

struct DiffEntry {
  std::string key;
  Form form;
  std::optional<Value> value;
  bool gone = false;  // a form of others (not kSet, not kDelete) left the key absent, as it was before
  bool operator==(const DiffEntry&) const = default;
  /// The state of the key after this entry is known, because the run is here. Not for kDelete.
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

/// One entry, an msgpack array: [key, kind | fresh << 3 | gone << 4, ...]. kSet: value. kDelete: nothing. kIncrement:
/// delta, value. kList: removed_before, removed_after, added, coerce, value. kIncrementList: delta, removed_after,
/// added, value. kOperations: [[type, key, value]...], value. If `value` is null, the array ends before it.
void append_entry(std::string& out, std::string_view key, const Form& form, const Value* value, bool gone = false);
void encode_entry(ByteSink& out, std::string_view key, const Form& form, const Value* value, bool gone = false);
/// kTooDeep: a value is nested deeper than kStoredDepthMax; else kCorrupt.
Result<DiffEntry> decode_entry(std::string_view bytes);

/// The whole diff: an msgpack array [base, last, updated_us, replace, [entry...]].
void append_diff(std::string& out, const Diff& diff);
/// Only the head, which announces `count` entries; the caller appends them.
void append_diff_head(std::string& out, uint64_t base, uint64_t last, int64_t updated_us, bool replace, size_t count);
/// The numbers before a diff's entries.
struct DiffHead {
  uint64_t base = 0;
  uint64_t last = 0;
  int64_t updated_us = 0;
};
/// Does not decode the entries. kCorrupt: no diff begins like this.
Result<DiffHead> decode_diff_head(std::string_view bytes);
/// Decodes all of `bytes`. kCorrupt: malformed; last <= base; a key twice. Lengths are checked before memory is
/// allocated.
Result<Diff> decode_diff(std::string_view bytes);

}  // namespace cairn::engine
