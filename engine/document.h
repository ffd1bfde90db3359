// A run's metadata object in memory: a flat, insertion-ordered map of top-level keys, with its exact or bounded JSON
// size.
//
// Invariants:
// - member order is insertion order; erase keeps the order of the rest;
// - bytes_bound() is never below the size of the JSON text; it equals it when no member is inexact;
// - layout() changes whenever a member index may mean another key (insert, erase, clear).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/json.h"
#include "engine/value.h"

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

  [[nodiscard]] size_t bytes_bound() const { return bytes_; }
  /// Formats the inexact doubles once.
  size_t exact_bytes();

  /// True when the document stays within `limit` with member i holding a value of `value_bytes` bytes of JSON.
  /// Formats inexact members (all but i) only if the bound alone does not decide. `needed`, if given, gets the exact
  /// result on false.
  bool fits_assign(int i, size_t value_bytes, size_t limit, size_t* needed = nullptr);
  bool fits_insert(size_t key_bytes, size_t value_bytes, size_t limit, size_t* needed = nullptr);

  /// The hot path: member i takes the double `d` (finite) if the document stays within `limit`. No allocation when it
  /// held a number, bool or null.
  bool try_assign_double(int i, double d, size_t limit);
  bool try_assign_int(int i, int64_t v, size_t limit);

  /// Replaces the value. `value_bytes` is its exact JSON size. Returns the old value.
  Value assign(int i, Value v, size_t value_bytes);
  /// Appends a member; `key` is not there yet. Returns its index.
  int insert(std::string key, Value v, size_t value_bytes);
  /// Inserts before index i (undo of erase).
  void insert_at(int i, Member m);
  Member erase(int i);
  void clear();

  [[nodiscard]] Object to_object() const;
  [[nodiscard]] std::string to_json() const;
  /// `object` must be unique in its keys (as parse_json and decode_msgpack give it).
  static Document from_object(Object object);
  bool operator==(const Document& other) const;  // keys, order, bit-identical values

 private:
  std::vector<Member> members_;
  std::vector<uint32_t> index_;  // open addressing, member + 1, power of two; empty for few members
  size_t bytes_ = 2;
  int inexact_ = 0;
  uint32_t layout_ = 0;
};

}  // namespace cairn::engine
