// The hot state of a run: its document and the pending diff, whose values are the document's own.
// No I/O and no lock: run.h guards it and stages it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/diff.h"
#include "engine/document.h"
#include "engine/operation.h"

namespace cairn::engine {

struct PendingEntry {
  Form form;
  int32_t member = -1;  // index into the document; -1: the key is deleted
  std::string key;      // only when member is -1
};

struct PendingDiff {
  uint64_t base = 0;  // `last` is the run's sequence, which the owner keeps
  bool replace = false;
  std::vector<PendingEntry> entries;
  uint32_t layout =
      0;  // changes whenever an entry index may mean another entry (add at the end excepted), or entries vanish
  [[nodiscard]] bool empty() const { return entries.empty() && !replace; }
};

/// Why a document would be too large.
struct SizeDetail {
  size_t needed = 0;
  size_t limit = 0;
};

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

  /// Starts anew from a recovered or given document, with nothing pending.
  void reset(Document document, uint64_t base);
  /// The pending diff was sealed: nothing is pending, and the next diff's base is `base`. Keeps capacity: no allocation
  /// when the same keys change again.
  void clear_pending(uint64_t base);

  /// Applies any operation, with the exact size limit. kTooLarge fills `detail`; errors and kUnapplied and kUnchanged
  /// leave everything as it was. A change is folded into the pending diff. `entry` gets the index of the one pending
  /// entry that changed, or -1 when several did or the layout changed.
  Status apply(const Operation& op, size_t limit, Outcome& outcome, SizeDetail& detail, int& entry);

  /// The same, and can be taken back by undo() until the next call of apply, clear_pending or reset.
  Status apply_undoable(const Operation& op, size_t limit, Outcome& outcome, SizeDetail& detail, int& entry);
  void undo();

  /// Hot: the member takes a number. Its pending entry is made or folded (a kSet after this). Returns the index of the
  /// pending entry, -1 when it does not fit in `limit` or the member is not a plain scalar: then call apply(). No
  /// allocation when the key is already pending.
  int set_double(int member, double d, size_t limit);
  int set_int(int member, int64_t v, size_t limit);
  int set_bool(int member, bool v, size_t limit);
  /// A string of any length; no allocation when the member's string has the capacity.
  int set_string(int member, std::string_view s, size_t limit);
  /// Hot: a number member grows by n (integers exact, else double); -1: call apply().
  int increment(int member, const Value& n, size_t limit);

  [[nodiscard]] std::string_view key_of(const PendingEntry& e) const {
    return e.member < 0 ? std::string_view(e.key) : std::string_view(document_.member(e.member).key);
  }
  [[nodiscard]] const Value* value_of(const PendingEntry& e) const {
    return e.member < 0 ? nullptr : &document_.member(e.member).value;
  }
  /// A self-contained copy of the pending diff.
  [[nodiscard]] Diff pending_diff(uint64_t last, int64_t updated_us) const;

 private:
  struct Undo;
  Document document_;
  PendingDiff pending_;
  std::unique_ptr<Undo> undo_;
};

}  // namespace cairn::engine
