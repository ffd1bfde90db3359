#include "engine/diff/fold.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "engine/diff/compose.h"
#include "engine/diff/evaluate.h"
#include "engine/diff/nesting.h"
#include "engine/json/json.h"

namespace cairn::engine {
namespace {

constexpr size_t kLinearMax = 16;
constexpr size_t kFewEntries = 4;  // for so few, searching costs less than building an index

/// The entries of a diff while others are folded in. An entry that moves leaves a hole, so that positions stay valid;
/// finish() closes the holes.
class Folding {
 public:
  Folding(Diff& into, size_t more, size_t operations_max)
      : into_(into),
        operations_max_(operations_max),
        hashed_(more > kFewEntries && into.entries.size() + more > kLinearMax) {
    into_.entries.reserve(into_.entries.size() + more);  // the index holds views of keys, so entries must not move
    hole_.resize(into_.entries.size(), false);
    if (hashed_) {
      for (size_t i = 0; i < into_.entries.size(); ++i) {
        at_.emplace(into_.entries[i].key, i);
      }
    }
  }

  Status add(const DiffEntry& next) {
    if (accepts(operations_max_)) {
      CAIRN_TRY(check_nesting(next));
    }
    return into_.replace ? add_to_replaced(next) : add_to_changes(next);
  }

  void finish() {
    size_t kept = 0;
    for (size_t i = 0; i < into_.entries.size(); ++i) {
      if (!hole_[i]) {
        if (kept != i) {
          into_.entries[kept] = std::move(into_.entries[i]);
        }
        ++kept;
      }
    }
    into_.entries.resize(kept);
  }

 private:
  static constexpr size_t kNone = SIZE_MAX;

  [[nodiscard]] size_t find(const std::string& key) const {
    if (hashed_) {
      const auto found = at_.find(key);
      return found == at_.end() ? kNone : found->second;
    }
    for (size_t i = 0; i < into_.entries.size(); ++i) {
      if (!hole_[i] && into_.entries[i].key == key) {
        return i;
      }
    }
    return kNone;
  }

  void push(DiffEntry entry) {
    into_.entries.push_back(std::move(entry));
    hole_.push_back(false);
    if (hashed_) {
      at_.emplace(into_.entries.back().key, into_.entries.size() - 1);
    }
  }

  void drop(size_t i) {
    if (hashed_) {
      at_.erase(into_.entries[i].key);
    }
    hole_[i] = true;
  }

  void move_to_end(size_t i) {
    drop(i);
    push(std::move(into_.entries[i]));
  }

  Status add_to_changes(const DiffEntry& next) {
    const size_t i = find(next.key);
    if (i == kNone) {
      push(next);
      return {};
    }
    bool moves = false;
    CAIRN_TRY(compose(into_.entries[i], next, moves, operations_max_));
    if (moves) {
      move_to_end(i);
    }
    return {};
  }

  // Every entry is a kSet here, and a key without entry is absent.
  Status add_to_replaced(const DiffEntry& next) {
    const size_t i = find(next.key);
    std::optional<Value> value;
    if (next.form.kind == FormKind::kSet || next.value) {
      value = next.value;
    } else if (next.form.kind != FormKind::kDelete && !next.gone) {
      if (i != kNone) {
        value = accepts(operations_max_) ? into_.entries[i].value : std::move(into_.entries[i].value);
      }
      const Status refused = evaluate(next.key, next.form, value);
      if (accepts(operations_max_)) {
        CAIRN_TRY(refused);
        CAIRN_TRY(value ? check_nesting(*value) : Status());
      }
    }
    if (i != kNone && !value) {
      drop(i);
    } else if (i != kNone) {
      into_.entries[i].value = std::move(value);
      if (next.form.fresh) {
        move_to_end(i);
      }
    } else if (value) {
      push(DiffEntry{next.key, Form(FormKind::kSet), std::move(value)});
    }
    return {};
  }

  Diff& into_;
  const size_t operations_max_;
  const bool hashed_;
  std::vector<bool> hole_;
  std::unordered_map<std::string_view, size_t> at_;
};

/// Only forms without values can result in a list that is too long, or in a value that is nested too deep although they
/// are not.
bool may_fail(const Diff& next) {
  return std::any_of(next.entries.begin(), next.entries.end(), [](const DiffEntry& e) {
    return !e.has_result() && e.form.kind != FormKind::kSet && e.form.kind != FormKind::kDelete;
  });
}

Status fold_entries(Diff& into, const Diff& next, size_t operations_max) {
  Folding folding(into, next.entries.size(), operations_max);
  for (const DiffEntry& entry : next.entries) {
    CAIRN_TRY(folding.add(entry));
  }
  folding.finish();
  return {};
}

std::vector<DiffEntry> entries_of(const Object& object) {
  std::vector<DiffEntry> entries;
  entries.reserve(object.size());
  for (const Property& p : object) {
    entries.push_back(DiffEntry{p.key, Form(FormKind::kSet), p.value});
  }
  return entries;
}

bool is_of_local_run(const Diff& diff) {
  return std::all_of(diff.entries.begin(), diff.entries.end(), [&diff](const DiffEntry& e) {
    return e.form.kind == FormKind::kDelete ? !diff.replace : e.has_result();
  });
}

}  // namespace

Status fold(Diff& into, const Diff& next, size_t operations_max) {
  if (next.base != into.last) {
    return {Code::kInternal, "gap"};
  }
  if (accepts(operations_max)) {
    CAIRN_TRY(check_nesting(next.entries));
  }
  if (next.replace) {
    into.replace = true;
    into.entries = next.entries;
  } else if (may_fail(next)) {
    Diff copy = into;
    CAIRN_TRY(fold_entries(copy, next, operations_max));
    into = std::move(copy);
  } else {
    CAIRN_TRY(fold_entries(into, next, operations_max));
  }
  into.last = next.last;
  into.updated_us = next.updated_us;
  return {};
}

Status apply(const Diff& diff, Document& document) {
  if (!is_of_local_run(diff)) {
    return {Code::kCorrupt, "malformed diff: an entry without its value"};
  }
  if (diff.replace) {
    document.clear();
  }
  for (const DiffEntry& entry : diff.entries) {
    int i = document.find(entry.key);
    const bool absent = entry.form.kind == FormKind::kDelete || entry.gone;
    if (i >= 0 && (absent || entry.form.fresh)) {
      document.erase(i);
      i = -1;
    }
    if (absent) {
      continue;
    }
    const size_t value_bytes = json_bytes(*entry.value);
    if (i >= 0) {
      document.assign(i, *entry.value, value_bytes);
    } else {
      document.insert(entry.key, *entry.value, value_bytes);
    }
  }
  return {};
}

Status fold_foreign(Diff& diff, const Operation& op) {
  if (op.type == OperationType::kReplace) {
    const Object* object = op.value.get<Object>();
    if (object == nullptr) {
      return {Code::kTypeMismatch, "metadata must be an object"};
    }
    for (const Property& p : *object) {
      CAIRN_TRY(check_nesting(p.value));
    }
    diff.replace = true;
    diff.entries = entries_of(*object);
    ++diff.last;
    return {};
  }
  Result<DiffEntry> entry = entry_of(op);
  if (!entry.ok()) {
    return entry.status();
  }
  Folding folding(diff, 1, kOperationsMax);
  CAIRN_TRY(folding.add(*entry));
  folding.finish();
  ++diff.last;
  return {};
}

}  // namespace cairn::engine
