#include "engine/document/document.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "engine/document/operation.h"
#include "engine/json/plain_text.h"
#include "wal/xxh3.h"

namespace cairn::engine {
namespace {

constexpr size_t kLinearMax = 16;
constexpr size_t kIndexDropAt = 8;  // half of kLinearMax: a document at the border is not indexed again and again
constexpr uint32_t kFree = 0;
constexpr uint32_t kErased = UINT32_MAX;

bool same_key(const std::string& a, std::string_view b) {
  return a.size() == b.size() && same_bytes(a.data(), b.data(), b.size());
}

uint64_t hash_of(std::string_view key) { return xxh3(key.data(), key.size()); }

}  // namespace

int Document::find(std::string_view key) const { return index_.empty() ? find_linear(key) : find_hashed(key); }

int Document::find_linear(std::string_view key) const {
  const Member* begin = members_.data();
  const Member* end = begin + members_.size();
  for (const Member* m = begin; m != end; ++m) {
    if (same_key(m->key, key)) {
      return static_cast<int>(m - begin);
    }
  }
  return -1;
}

int Document::find_hashed(std::string_view key) const {
  if (key.size() > kKeyBytesMax) {
    return -1;  // such a key is never in a document
  }
  const size_t mask = index_.size() - 1;
  for (size_t slot = hash_of(key) & mask; index_[slot] != kFree; slot = (slot + 1) & mask) {
    if (index_[slot] != kErased && same_key(members_[index_[slot] - 1].key, key)) {
      return static_cast<int>(index_[slot] - 1);
    }
  }
  return -1;
}

// Rebuilds the index with room for `members`. If memory runs out, the index is unchanged.
void Document::index_rebuild(size_t members) {
  size_t slots = 64;
  while (slots < members * 3) {
    slots *= 2;
  }
  index_.assign(slots, kFree);
  index_used_ = 0;
  for (size_t i = 0; i < members_.size(); ++i) {
    index_add(static_cast<int>(i));
  }
}

// The slot for a key that is not in the index: the first one of its chain that holds no member.
size_t Document::index_place(std::string_view key) const {
  const size_t mask = index_.size() - 1;
  size_t slot = hash_of(key) & mask;
  while (index_[slot] != kFree && index_[slot] != kErased) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

// Allocates all the memory that one more member with this key needs. Slots of erased members are reused before the
// index grows, so a member that was just erased can be inserted again without memory.
void Document::make_room(std::string_view key) {
  if (members_.size() == members_.capacity()) {
    members_.reserve(std::max<size_t>(4, members_.size() * 2));
  }
  if (index_.empty()) {
    if (members_.size() == kLinearMax) {
      index_rebuild(members_.size() + 1);
    }
  } else if ((index_used_ + 1) * 4 > index_.size() * 3 && index_[index_place(key)] == kFree) {
    index_rebuild(members_.size() + 1);
  }
}

void Document::index_add(int i) {
  const size_t slot = index_place(member(i).key);
  if (index_[slot] == kFree) {
    ++index_used_;
  }
  index_[slot] = static_cast<uint32_t>(i) + 1;
}

// Members from i on move up by one.
void Document::index_open_gap(int i) {
  for (uint32_t& slot : index_) {
    if (slot != kErased && slot > static_cast<uint32_t>(i)) {
      ++slot;
    }
  }
}

// Member i was removed, those after it moved down. No hashing: one pass over small integers.
void Document::index_close_gap(int i) {
  if (members_.size() <= kIndexDropAt) {
    index_.clear();
    index_used_ = 0;
    return;
  }
  const uint32_t gone = static_cast<uint32_t>(i) + 1;
  for (uint32_t& slot : index_) {
    if (slot == gone) {
      slot = kErased;
    } else if (slot != kErased && slot > gone) {
      --slot;
    }
  }
}

void Document::format_inexact(int except) {
  for (int i = 0; i < size(); ++i) {
    const Member& m = members_[static_cast<size_t>(i)];
    if (!m.exact && i != except) {
      count(i, double_text_bytes(*m.value.get<double>()), true);
    }
  }
}

size_t Document::exact_bytes() {
  if (inexact_ > 0) {
    format_inexact(-1);
  }
  return bytes_;
}

bool Document::fits_assign(int i, size_t value_bytes, size_t limit, size_t* needed) {
  const Member& m = member(i);
  size_t bytes = bytes_ - m.value_bytes + value_bytes;
  if (bytes <= limit) {
    return true;
  }
  if (inexact_ > static_cast<int>(!m.exact)) {
    format_inexact(i);
    tight_ = true;
    bytes = bytes_ - m.value_bytes + value_bytes;
  }
  if (needed != nullptr) {
    *needed = bytes;
  }
  return bytes <= limit;
}

bool Document::fits_insert(size_t key_bytes, size_t value_bytes, size_t limit, size_t* needed) {
  const size_t more = (members_.empty() ? 0 : 1) + key_bytes + 1 + value_bytes;
  if (bytes_ + more <= limit) {
    return true;
  }
  if (inexact_ > 0) {
    format_inexact(-1);
    tight_ = true;
  }
  if (needed != nullptr) {
    *needed = bytes_ + more;
  }
  return bytes_ + more <= limit;
}

bool Document::count_double_exactly(int i, double d, size_t limit) {
  const size_t exact = double_text_bytes(d);
  if (!try_count(i, exact, limit)) {
    return false;
  }
  if (tight_ && limit - bytes_ >= members_.size() * kDoubleTextMax) {
    tight_ = false;
  }
  return true;
}

Value Document::assign(int i, Value v, size_t value_bytes) {
  count(i, value_bytes, true);
  Value old = std::move(member(i).value);
  member(i).value = std::move(v);
  return old;
}

int Document::insert(std::string key, Value v, size_t value_bytes) {
  Member m;
  m.key_bytes = static_cast<uint32_t>(json_string_bytes(key));
  m.key = std::move(key);
  m.value = std::move(v);
  m.value_bytes = static_cast<uint32_t>(value_bytes);
  insert_at(size(), std::move(m));
  return size() - 1;
}

void Document::insert_at(int i, Member m) {
  assert(i >= 0 && i <= size());
  make_room(m.key);
  bytes_ += (members_.empty() ? 0 : 1) + m.key_bytes + 1 + m.value_bytes;
  inexact_ += static_cast<int>(!m.exact);
  if (i < size()) {
    index_open_gap(i);
  }
  members_.insert(members_.begin() + i, std::move(m));
  if (!index_.empty()) {
    index_add(i);
  }
  ++layout_;
}

Member Document::erase(int i) {
  Member m = std::move(member(i));
  members_.erase(members_.begin() + i);
  bytes_ -= (members_.empty() ? 0 : 1) + m.key_bytes + 1 + m.value_bytes;
  inexact_ -= static_cast<int>(!m.exact);
  if (!index_.empty()) {
    index_close_gap(i);
  }
  ++layout_;
  return m;
}

void Document::clear() {
  members_.clear();
  index_.clear();
  index_used_ = 0;
  bytes_ = 2;
  inexact_ = 0;
  tight_ = false;
  ++layout_;
}

Object Document::to_object() const {
  Object object;
  object.reserve(members_.size());
  for (const Member& m : members_) {
    object.push_back(Property{m.key, m.value});
  }
  return object;
}

std::string Document::to_json() const {
  std::string out;
  out.reserve(bytes_);
  out += '{';
  for (const Member& m : members_) {
    if (out.size() > 1) {
      out += ',';
    }
    append_json_string(out, m.key);
    out += ':';
    append_json(out, m.value);
  }
  out += '}';
  return out;
}

Document Document::from_object(Object object) {
  Document document;
  document.members_.reserve(object.size());
  for (Property& p : object) {
    const size_t value_bytes = json_bytes(p.value);
    document.insert(std::move(p.key), std::move(p.value), value_bytes);
  }
  return document;
}

bool Document::operator==(const Document& other) const {
  if (members_.size() != other.members_.size()) {
    return false;
  }
  for (size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].key != other.members_[i].key || !(members_[i].value == other.members_[i].value)) {
      return false;
    }
  }
  return true;
}

}  // namespace cairn::engine
