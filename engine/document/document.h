// A run's metadata object in memory: a flat, insertion-ordered map of top-level keys, with its exact or bounded JSON
// size.
//
// Invariants:
// - member order is insertion order; erase keeps the order of the rest;
// - bytes_bound() is never below the size of the JSON text; it equals it when no member is inexact;
// - only doubles are inexact, and an inexact member counts kDoubleTextMax;
// - layout() changes whenever a member index may mean another key (insert, erase, clear);
// - if memory runs out in insert, the document is unchanged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/json/json.h"
#include "engine/json/value.h"

namespace cairn::engine {

struct Member {
  std::string key;
  Value value;
  uint32_t key_bytes = 0;    // JSON text of the key, quotes included
  uint32_t value_bytes = 0;  // JSON text of the value; kDoubleTextMax for a double that was not formatted
  bool exact = true;
  int32_t pending = -1;  // index of this key's entry in the run's pending diff (live_document.h), or -1
};

class Document {
 public:
  [[nodiscard]] int size() const { return static_cast<int>(members_.size()); }
  [[nodiscard]] Member& member(int i) { return members_[static_cast<size_t>(i)]; }
  [[nodiscard]] const Member& member(int i) const { return members_[static_cast<size_t>(i)]; }
  /// Index of `key`, or -1. Linear for few members, hashed (XXH3) for more; no allocation.
  [[nodiscard]] int find(std::string_view key) const;
  [[nodiscard]] uint32_t layout() const { return layout_; }
  /// This document replaces one with that layout: an index into the other must not be taken for an index into this one.
  void continue_layout(uint32_t layout) { layout_ = layout + 1; }

  [[nodiscard]] size_t bytes_bound() const { return bytes_; }
  /// Formats the inexact doubles once.
  size_t exact_bytes();

  /// True if the document stays within `limit` when member i has a value of `value_bytes` bytes of JSON. Formats
  /// inexact members (all but i) only if the bound alone does not decide. If false, `needed`, if given, gets the exact
  /// size.
  bool fits_assign(int i, size_t value_bytes, size_t limit, size_t* needed = nullptr);
  bool fits_insert(size_t key_bytes, size_t value_bytes, size_t limit, size_t* needed = nullptr);

  /// The hot path: sets member i to the double `d` (finite) if the document stays within `limit`. No allocation if it
  /// was a number, bool or null.
  bool try_assign_double(int i, double d, size_t limit) {
    Member& m = member(i);
    const size_t bound = bytes_ - m.value_bytes + kDoubleTextMax;
    if (bound > limit || tight_) [[unlikely]] {
      if (!count_double_exactly(i, d, limit)) {
        return false;
      }
    } else {
      bytes_ = bound;
      inexact_ += static_cast<int>(m.exact);
      m.value_bytes = kDoubleTextMax;
      m.exact = false;
    }
    if (double* held = m.value.get<double>()) {
      *held = d;
    } else {
      m.value.storage = d;
    }
    return true;
  }
  bool try_assign_int(int i, int64_t v, size_t limit) {
    if (!try_count(i, integer_text_bytes(v), limit)) {
      return false;
    }
    Member& m = member(i);
    if (int64_t* held = m.value.get<int64_t>()) {
      *held = v;
    } else {
      m.value.storage = v;
    }
    return true;
  }

  /// True if the bound stays within `limit` when all values together take `more` bytes more than now, without counting
  /// doubles exactly.
  [[nodiscard]] bool has_room(int64_t more, size_t limit) const {
    return !tight_ && static_cast<int64_t>(bytes_) + more <= static_cast<int64_t>(limit);
  }
  /// Replaces the value. `value_bytes` is its exact JSON size. Returns the old value.
  Value assign(int i, Value v, size_t value_bytes);
  /// Sets the counted size of member i to exactly `value_bytes` if the document stays within `limit`. The caller
  /// changes the value in place.
  bool try_count(int i, size_t value_bytes, size_t limit) {
    if (bytes_ - member(i).value_bytes + value_bytes > limit && !fits_assign(i, value_bytes, limit)) [[unlikely]] {
      return false;
    }
    count(i, value_bytes, true);
    return true;
  }
  /// Sets the counted size of member i, whose value the caller changes in place (undo: also back to inexact).
  void count(int i, size_t value_bytes, bool exact) {
    Member& m = member(i);
    bytes_ = bytes_ - m.value_bytes + value_bytes;
    inexact_ += static_cast<int>(m.exact) - static_cast<int>(exact);
    m.value_bytes = static_cast<uint32_t>(value_bytes);
    m.exact = exact;
  }
  /// The same for several members in turn: `more` and `inexact` sum up the arguments for recount() at the end.
  void count_apart(int i, uint32_t value_bytes, bool exact, int64_t& more, int& inexact) {
    Member& m = member(i);
    more += int64_t{value_bytes} - int64_t{m.value_bytes};
    inexact += static_cast<int>(m.exact) - static_cast<int>(exact);
    m.value_bytes = value_bytes;
    m.exact = exact;
  }
  void recount(int64_t more, int inexact) {
    bytes_ = static_cast<size_t>(static_cast<int64_t>(bytes_) + more);
    inexact_ += inexact;
  }
  /// Appends a member; `key` is not there yet. Returns its index.
  int insert(std::string key, Value v, size_t value_bytes);
  /// Inserts before index i. Reverts an erase without needing memory, if nothing was inserted since.
  void insert_at(int i, Member m);
  Member erase(int i);
  void clear();

  [[gnu::cold, nodiscard]] Object to_object() const;
  [[gnu::cold, nodiscard]] std::string to_json() const;
  /// The keys of `object` must be unique (parse_json and decode_msgpack ensure it).
  [[gnu::cold]] static Document from_object(Object object);
  [[gnu::cold]] bool operator==(const Document& other) const;  // keys, order, bit-identical values

 private:
  bool count_double_exactly(int i, double d, size_t limit);
  void format_inexact(int except);
  [[nodiscard]] int find_linear(std::string_view key) const;
  [[nodiscard]] int find_hashed(std::string_view key) const;
  void make_room(std::string_view key);
  [[gnu::cold]] void index_rebuild(size_t members);
  void index_add(int i);
  [[nodiscard]] size_t index_place(std::string_view key) const;
  void index_open_gap(int i);
  void index_close_gap(int i);

  std::vector<Member> members_;
  std::vector<uint32_t> index_;  // open addressing, member + 1, power of two; empty for few members
  size_t index_used_ = 0;        // slots that are not free, the erased ones included
  size_t bytes_ = 2;
  int inexact_ = 0;
  uint32_t layout_ = 0;
  // Set when the limit forced inexact members to be formatted: from then on doubles are counted exactly at once, until
  // every member could grow to the longest double. Otherwise two doubles could take turns in forcing a scan of all
  // members at each call.
  bool tight_ = false;
};

}  // namespace cairn::engine
