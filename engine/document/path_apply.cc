#include "engine/document/path_apply.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <limits>
#include <utility>

#include "engine/document/apply.h"
#include "engine/json/json.h"

namespace cairn::engine {
namespace {

struct Range {
  size_t begin = 0;
  size_t end = 0;
};

/// The elements of an array of `size` that `*` or a slice matches.
Range range_of(const Segment& segment, size_t size) {
  if (segment.kind == Segment::Kind::kAll) {
    return {0, size};
  }
  const auto count = static_cast<int64_t>(size);
  const auto clamped = [count](int64_t bound) {
    return static_cast<size_t>(bound < 0 ? std::max<int64_t>(count + bound, 0) : std::min(bound, count));
  };
  Range range{segment.has_begin ? clamped(segment.begin) : 0, segment.has_end ? clamped(segment.end) : size};
  range.end = std::max(range.begin, range.end);
  return range;
}

bool parse_index(std::string_view name, size_t& index) {
  if (name.empty() || name.size() > 10 || (name[0] == '0' && name.size() > 1)) {
    return false;
  }
  uint64_t value = 0;
  const char* const end = name.data() + name.size();
  if (std::from_chars(name.data(), end, value).ptr != end || value > std::numeric_limits<int32_t>::max()) {
    return false;
  }
  index = value;
  return true;
}

using Segments = std::vector<Segment>;

/// What is at the path, found without changing anything. A place is a leaf, or where one would be created.
struct Survey {
  const Value* first = nullptr;           // the leaf at the first place, or null when that one is missing
  const Value* first_existing = nullptr;  // the first leaf that exists
  size_t existing = 0;                    // leaves that exist
  size_t missing = 0;                     // leaves that do not, while their container does
  size_t nulls = 0;                       // that creating the missing leaves would put before them
  Reason reason = Reason::kNone;          // why the first branch that leads nowhere does so
};

class Surveyor {
 public:
  explicit Surveyor(const Segments& segments) : segments_(segments) {}

  void visit(const Value& node, size_t at) {
    if (at == segments_.size()) {
      leaf(node);
      return;
    }
    const Segment& segment = segments_[at];
    if (const Object* object = node.get<Object>()) {
      visit_object(*object, segment, at);
    } else if (const Array* array = node.get<Array>()) {
      visit_array(*array, segment, at);
    } else {
      dead_end(Reason::kNotAContainer);
    }
  }

  [[nodiscard]] const Survey& found() const { return found_; }

 private:
  void visit_object(const Object& object, const Segment& segment, size_t at) {
    if (segment.kind == Segment::Kind::kName) {
      if (const Value* child = find_property(object, segment.name)) {
        visit(*child, at + 1);
      } else {
        absent(at, 0);
      }
      return;
    }
    if (segment.kind == Segment::Kind::kSlice || object.empty()) {
      dead_end(Reason::kNoMatch);
      return;
    }
    for (const Property& p : object) {
      visit(p.value, at + 1);
    }
  }

  void visit_array(const Array& array, const Segment& segment, size_t at) {
    if (segment.kind == Segment::Kind::kName) {
      size_t index = 0;
      if (!parse_index(segment.name, index)) {
        dead_end(Reason::kNoSuchIndex);
      } else if (index < array.size()) {
        visit(array[index], at + 1);
      } else {
        absent(at, index - array.size());
      }
      return;
    }
    const Range range = range_of(segment, array.size());
    if (range.begin == range.end) {
      dead_end(Reason::kNoMatch);
    }
    for (size_t i = range.begin; i < range.end; ++i) {
      visit(array[i], at + 1);
    }
  }

  void leaf(const Value& value) {
    if (found_.existing + found_.missing == 0) {
      found_.first = &value;
    }
    if (found_.existing == 0) {
      found_.first_existing = &value;
    }
    ++found_.existing;
  }

  /// The container exists, the child of this name does not.
  void absent(size_t at, size_t nulls) {
    if (at + 1 < segments_.size()) {
      dead_end(Reason::kMissingParent);
    } else {
      ++found_.missing;
      found_.nulls += nulls;
    }
  }

  void dead_end(Reason reason) { found_.reason = found_.reason == Reason::kNone ? reason : found_.reason; }

  const Segments& segments_;
  Survey found_;
};

/// Calls `change` on every leaf at the path, in the order of the survey. Missing leaves are created, as null, on
/// request.
template <class Change>
void change_leaves(Value& node, const Segments& segments, size_t at, bool create, const Change& change) {
  if (at == segments.size()) {
    change(node);
    return;
  }
  const Segment& segment = segments[at];
  const bool makes_leaf = create && at + 1 == segments.size();
  if (Object* object = node.get<Object>()) {
    if (segment.kind == Segment::Kind::kAll) {
      for (Property& p : *object) {
        change_leaves(p.value, segments, at + 1, create, change);
      }
    } else if (segment.kind == Segment::Kind::kName) {
      auto child =
          std::find_if(object->begin(), object->end(), [&](const Property& p) { return p.key == segment.name; });
      if (child == object->end() && makes_leaf) {
        child = object->insert(child, Property{segment.name, Value()});
      }
      if (child != object->end()) {
        change_leaves(child->value, segments, at + 1, create, change);
      }
    }
  } else if (Array* array = node.get<Array>()) {
    Range range;
    if (segment.kind != Segment::Kind::kName) {
      range = range_of(segment, array->size());
    } else if (size_t index = 0; parse_index(segment.name, index)) {
      if (index >= array->size() && makes_leaf) {
        array->resize(index + 1);
      }
      range = {std::min(index, array->size()), std::min(index + 1, array->size())};
    }
    for (size_t i = range.begin; i < range.end; ++i) {
      change_leaves((*array)[i], segments, at + 1, create, change);
    }
  }
}

void erase_leaves(Value& node, const Segments& segments, size_t first) {
  const Segment& last = segments.back();
  const Segments parents(segments.begin(), segments.end() - 1);
  change_leaves(node, parents, first, false, [&](Value& parent) {
    if (Object* object = parent.get<Object>()) {
      if (last.kind != Segment::Kind::kSlice) {
        std::erase_if(*object,
                      [&](const Property& p) { return last.kind == Segment::Kind::kAll || p.key == last.name; });
      }
    } else if (Array* array = parent.get<Array>()) {
      Range range;
      if (last.kind != Segment::Kind::kName) {
        range = range_of(last, array->size());
      } else if (size_t index = 0; parse_index(last.name, index) && index < array->size()) {
        range = {index, index + 1};
      }
      array->erase(array->begin() + static_cast<ptrdiff_t>(range.begin),
                   array->begin() + static_cast<ptrdiff_t>(range.end));
    }
  });
}

constexpr Outcome kUnchangedOutcome{OutcomeKind::kUnchanged, Reason::kNone};

Result<Outcome> delete_at(Value& root, const Segments& segments, size_t first, const Survey& found) {
  if (first == segments.size()) {
    return {Code::kInvalidArgument, "delete: the value itself is its holder's matter"};
  }
  if (found.existing == 0) {
    const bool container_there = found.missing > 0 || found.reason == Reason::kNoMatch;
    return container_there ? kUnchangedOutcome : Outcome{OutcomeKind::kUnapplied, found.reason};
  }
  erase_leaves(root, segments, first);
  return Outcome();
}

constexpr Status kTooManyBytes{Code::kTooLarge, "the path would make more nulls or copies than fit"};
constexpr size_t kNullBytes = 5;  // with its comma

/// Several places get the result of the edit at the first.
Result<Outcome> copy_to_all(Value& root, const Segments& segments, size_t first, const Operation& op, Edit edit,
                            const Survey& found, size_t bytes_max) {
  const bool uses_first =
      found.first != nullptr && (op.type == OperationType::kAppend || op.type == OperationType::kRemove);
  const size_t copy_bytes = edited_bytes(edit, op, found.first, uses_first ? json_bytes(*found.first) : 0);
  if (copy_bytes > (bytes_max - found.nulls * kNullBytes) / (found.existing + found.missing)) {
    return kTooManyBytes;
  }
  Value result = uses_first ? *found.first : Value();
  bool changed = edit.kind != EditKind::kNone;
  if (changed) {
    carry_out(std::move(edit), op.value, result);
  }
  change_leaves(root, segments, first, true, [&](Value& leaf) {
    if (!(leaf == result)) {
      leaf = result;
      changed = true;
    }
  });
  return changed ? Outcome() : kUnchangedOutcome;
}

/// set, append, remove, increment.
Result<Outcome> store_at(Value& root, const Segments& segments, size_t first, const Operation& op, const Survey& found,
                         size_t bytes_max) {
  const size_t places = found.existing + found.missing;
  if (places == 0) {
    return Outcome{OutcomeKind::kUnapplied, found.reason};
  }
  Result<Edit> edit = plan_edit(found.first, op, static_cast<int>(segments.size()));
  if (!edit.ok()) {
    return edit.status();
  }
  if (edit->outcome.kind == OutcomeKind::kUnapplied || (edit->kind == EditKind::kNone && places == 1)) {
    return edit->outcome;
  }
  if (found.nulls > bytes_max / kNullBytes) {
    return kTooManyBytes;
  }
  if (places > 1) {
    return copy_to_all(root, segments, first, op, std::move(edit).value(), found, bytes_max);
  }
  change_leaves(root, segments, first, true, [&](Value& leaf) { carry_out(edit.value(), op.value, leaf); });
  return Outcome();
}

}  // namespace

Result<Outcome> apply_at(Value& root, const Segments& segments, size_t first, const Operation& op, size_t bytes_max) {
  assert(first <= segments.size());
  if (segments.empty()) {
    return Outcome{OutcomeKind::kUnapplied, Reason::kEmptyPath};
  }
  if (op.type == OperationType::kReplace) {
    return {Code::kInvalidArgument, "an update of the whole metadata has no path"};
  }
  Surveyor surveyor(segments);
  surveyor.visit(root, first);
  return op.type == OperationType::kDelete ? delete_at(root, segments, first, surveyor.found())
                                           : store_at(root, segments, first, op, surveyor.found(), bytes_max);
}

const Value* find_at(const Value& root, const Segments& segments, size_t first) {
  if (segments.empty()) {
    return nullptr;
  }
  Surveyor surveyor(segments);
  surveyor.visit(root, first);
  return surveyor.found().first_existing;
}

}  // namespace cairn::engine
