// What operations mean, written down once more as plainly as possible: on a plain object, without Document, diffs,
// plans or edits in place. Other tests hold the engine against it. A path is followed by making a list of places, each
// a chain of positions, and rebuilding the document from the root.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/document/operation.h"
#include "engine/document/path.h"
#include "engine/json/json.h"
#include "engine/json/value.h"

namespace cairn::reference {

using engine::Array;
using engine::Object;
using engine::Operation;
using engine::OperationType;
using engine::Outcome;
using engine::OutcomeKind;
using engine::Property;
using engine::Reason;
using engine::Segment;
using engine::Type;
using engine::Value;

using Slot = std::optional<Value>;  // a value, or absent

/// The table of operations for one value.
inline Outcome change(Slot& slot, const Operation& op) {
  switch (op.type) {
    case OperationType::kSet:
      slot = op.value;
      return {};
    case OperationType::kDelete:
      if (!slot) {
        return {OutcomeKind::kUnchanged};
      }
      slot.reset();
      return {};
    case OperationType::kAppend: {
      Array items;
      if (slot && slot->is(Type::kArray)) {
        items = *slot->get<Array>();
      } else if (slot) {
        items = {*slot};
      }
      items.push_back(op.value);
      slot = Value(items);
      return {};
    }
    case OperationType::kRemove: {
      if (!slot) {
        return {OutcomeKind::kUnapplied, Reason::kMissingKey};
      }
      if (!slot->is(Type::kArray)) {
        return {OutcomeKind::kUnapplied, Reason::kNotAnArray};
      }
      Array kept;
      for (const Value& item : *slot->get<Array>()) {
        if (!engine::deep_equal(item, op.value)) {
          kept.push_back(item);
        }
      }
      if (kept.size() == slot->get<Array>()->size()) {
        return {OutcomeKind::kUnchanged};
      }
      slot = Value(kept);
      return {};
    }
    case OperationType::kIncrement: {
      if (!slot || !slot->is_number()) {
        slot = op.value;
        return {};
      }
      Value sum;
      if (!engine::add_numbers(*slot, op.value, sum)) {
        return {OutcomeKind::kUnapplied, Reason::kOverflow};
      }
      slot = sum;
      return {};
    }
    case OperationType::kReplace:
      break;
  }
  std::abort();
}

inline Slot child(const Value& node, const std::string& name) {
  if (const Object* object = node.get<Object>()) {
    for (const Property& p : *object) {
      if (p.key == name) {
        return p.value;
      }
    }
  }
  if (const Array* array = node.get<Array>()) {
    for (size_t i = 0; i < array->size(); ++i) {
      if (std::to_string(i) == name) {
        return (*array)[i];
      }
    }
  }
  return {};
}

inline void put_child(Value& node, const std::string& name, Slot slot) {
  if (Object* object = node.get<Object>()) {
    for (size_t i = 0; i < object->size(); ++i) {
      if ((*object)[i].key == name) {
        if (slot) {
          (*object)[i].value = *slot;
        } else {
          object->erase(object->begin() + static_cast<ptrdiff_t>(i));
        }
        return;
      }
    }
    if (slot) {
      object->push_back({name, *slot});
    }
    return;
  }
  Array& array = *node.get<Array>();
  const size_t index = std::stoul(name);
  if (!slot) {
    array.erase(array.begin() + static_cast<ptrdiff_t>(index));
    return;
  }
  while (array.size() <= index) {
    array.emplace_back();
  }
  array[index] = *slot;
}

/// The names of the children that a segment matches; a name matches whether the child is there or not.
inline std::vector<std::string> matches(const Value& node, const Segment& segment, Reason& why_none) {
  std::vector<std::string> names;
  const Object* object = node.get<Object>();
  const Array* array = node.get<Array>();
  if (object == nullptr && array == nullptr) {
    why_none = Reason::kNotAContainer;
    return names;
  }
  why_none = Reason::kNoMatch;
  if (segment.kind == Segment::Kind::kName) {
    const std::string& name = segment.name;
    const bool decimal = !name.empty() && name.size() <= 10 &&
                         name.find_first_not_of("0123456789") == std::string::npos && (name == "0" || name[0] != '0') &&
                         std::stoull(name) <= 2147483647;
    if (object != nullptr || decimal) {
      return {name};
    }
    why_none = Reason::kNoSuchIndex;
    return names;
  }
  if (object != nullptr) {
    if (segment.kind == Segment::Kind::kAll) {
      for (const Property& p : *object) {
        names.push_back(p.key);
      }
    }
    return names;
  }
  const auto size = static_cast<int64_t>(array->size());
  int64_t begin = segment.has_begin ? segment.begin : 0;
  int64_t end = segment.has_end ? segment.end : size;
  begin = begin < 0 ? begin + size : begin;
  end = end < 0 ? end + size : end;
  for (int64_t i = 0; i < size; ++i) {
    if (segment.kind == Segment::Kind::kAll || (i >= begin && i < end)) {
      names.push_back(std::to_string(i));
    }
  }
  return names;
}

using Place = std::vector<std::string>;  // names from the root

struct Places {
  std::vector<Place> all;    // leaves, and where one is missing in a container that is there
  std::vector<Place> there;  // leaves alone
  std::vector<Reason> dead_ends;
};

inline void find_places(const Value& node, const std::vector<Segment>& path, Place& at, Places& found) {
  if (at.size() == path.size()) {
    found.there.push_back(at);
    found.all.push_back(at);
    return;
  }
  Reason why = Reason::kNone;
  const bool last = at.size() + 1 == path.size();
  const std::vector<std::string> names = matches(node, path[at.size()], why);
  if (names.empty()) {
    found.dead_ends.push_back(why);
  }
  for (const std::string& name : names) {
    at.push_back(name);
    if (Slot next = child(node, name)) {
      find_places(*next, path, at, found);
    } else if (last) {
      found.all.push_back(at);
    } else {
      found.dead_ends.push_back(Reason::kMissingParent);
    }
    at.pop_back();
  }
}

inline Slot read(const Value& root, const Place& place) {
  Slot slot = root;
  for (const std::string& name : place) {
    slot = child(*slot, name);
    if (!slot) {
      break;
    }
  }
  return slot;
}

inline Value rebuilt(const Value& node, const Place& place, size_t at, const Slot& slot) {
  Value copy = node;
  put_child(copy, place[at], at + 1 == place.size() ? slot : rebuilt(*child(node, place[at]), place, at + 1, slot));
  return copy;
}

inline Outcome change_at_path(Value& root, const Operation& op, const std::vector<Segment>& path) {
  if (path.empty()) {
    return {OutcomeKind::kUnapplied, Reason::kEmptyPath};
  }
  Places found;
  Place from_root;
  find_places(root, path, from_root, found);
  const Reason first_dead_end = found.dead_ends.empty() ? Reason::kNone : found.dead_ends[0];

  if (found.all.empty() && !(op.type == OperationType::kDelete && first_dead_end == Reason::kNoMatch)) {
    return {OutcomeKind::kUnapplied, first_dead_end};
  }
  if (op.type == OperationType::kDelete) {
    for (auto place = found.there.rbegin(); place != found.there.rend(); ++place) {  // from behind: indices stay right
      root = rebuilt(root, *place, 0, {});
    }
    return {found.there.empty() ? OutcomeKind::kUnchanged : OutcomeKind::kApplied};
  }
  Slot slot = read(root, found.all[0]);
  const Outcome outcome = change(slot, op);
  if (outcome.kind == OutcomeKind::kUnapplied) {
    return outcome;
  }
  const Value before = root;
  for (const Place& place : found.all) {
    root = rebuilt(root, place, 0, slot);
  }
  return outcome.kind == OutcomeKind::kUnchanged && !(root == before) ? Outcome() : outcome;
}

/// Applies the batch as the wire does: an unapplied operation does not stop it. Errors: those of check_key; nothing is
/// applied then. No limits of size or depth.
inline Status apply_operations(Object& document, const std::vector<Operation>& operations,
                               std::vector<Outcome>& outcomes) {
  for (const Operation& op : operations) {
    CAIRN_TRY(engine::check_key(op.key));
  }
  for (const Operation& op : operations) {
    if (op.type == OperationType::kReplace) {
      document = *op.value.get<Object>();
      outcomes.emplace_back();
      continue;
    }
    Value root(document);
    if (engine::is_path(op.key)) {
      Result<std::vector<Segment>> path = engine::parse_path(op.key);
      outcomes.push_back(change_at_path(root, op, path.value()));
    } else {
      Slot slot = child(root, op.key);
      outcomes.push_back(change(slot, op));
      put_child(root, op.key, slot);
    }
    document = *root.get<Object>();
  }
  return {};
}

}  // namespace cairn::reference
