// The rare ends of the hot calls: the first change of a key after a flush, a pending form that is no plain set, numbers
// of mixed types.
#include <cstring>

#include "engine/json.h"
#include "engine/live_document.h"

namespace cairn::engine {
namespace {

Operation increment_by(const Value& n) {
  Operation op;
  op.type = OperationType::kIncrement;
  op.value = n;
  return op;
}

}  // namespace

int LiveDocument::note_first_set(int member) {
  const int entry = document_.member(member).pending;
  if (entry < 0) {
    return push_entry(Form(), member, nullptr);
  }
  fold_operation(pending_.entries[static_cast<size_t>(entry)].form, Operation());
  return entry;
}

int LiveDocument::note_other_increment(int member, const Value& n) {
  const int entry = document_.member(member).pending;
  if (entry < 0) {
    Form form(FormKind::kIncrement);
    form.delta = n;
    return push_entry(std::move(form), member, nullptr);
  }
  fold_operation(pending_.entries[static_cast<size_t>(entry)].form, increment_by(n));
  return entry;
}

int LiveDocument::increment_any(int member, const Value& n, size_t limit) {
  const Value& x = document_.member(member).value;
  Value sum;
  if (!x.is_number() || !n.is_number() || !add_numbers(x, n, sum)) {
    return -1;
  }
  bool fits = false;
  if (const double* d = sum.get<double>()) {
    fits = document_.try_assign_double(member, *d, limit);
  } else if (const int64_t* i = sum.get<int64_t>()) {
    fits = document_.try_assign_int(member, *i, limit);
  }  // beyond int64 is rare: apply() does it
  return fits ? note_increment(member, n) : -1;
}

int LiveDocument::set_string(int member, std::string_view s, size_t json_bytes, size_t limit) {
  if (!is_plain(member) || !document_.try_count(member, json_bytes, limit)) {
    return -1;
  }
  Value& value = document_.member(member).value;
  if (std::string* held = value.get<std::string>()) {
    if (s.size() <= held->size()) [[likely]] {
      std::memcpy(held->data(), s.data(), s.size());  // in line, which assign() is not
      held->resize(s.size());
    } else {
      held->assign(s);
    }
  } else {
    value.storage.emplace<std::string>(s);
  }
  return note_set(member);
}

}  // namespace cairn::engine
