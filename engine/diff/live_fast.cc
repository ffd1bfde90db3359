// The rare cases of the hot calls: the first change of a key after a flush, a pending form that is not a plain set,
// numbers of mixed types.
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/diff/live_document.h"
#include "engine/json/json.h"
#include "engine/json/plain_text.h"

namespace cairn::engine {
namespace {

Operation increment_by(const Value& n) {
  Operation op;
  op.type = OperationType::kIncrement;
  op.value = n;
  return op;
}

// A value that a hot replace accepts: not an array or object.
struct Scalar {
  Type type;
  uint64_t bits;          // of a number or bool
  std::string_view text;  // of a string
  uint32_t json_bytes;
};

uint64_t big_endian(const char* at, int bytes) {
  uint64_t v = 0;
  for (int i = 0; i < bytes; ++i) {
    v = v << 8 | static_cast<uint8_t>(at[i]);
  }
  return v;
}

uint64_t big_endian_8(const char* at) {
  uint64_t v;
  std::memcpy(&v, at, sizeof v);
  return __builtin_bswap64(v);
}

// The text after a msgpack string header at `at`; null if there is none.
[[gnu::always_inline]] inline const char* read_text(const char* at, const char* end, std::string_view& text) {
  if (at == end) {
    return nullptr;
  }
  const auto tag = static_cast<uint8_t>(*at++);
  size_t bytes = 0;
  if ((tag & 0xe0) == 0xa0) {
    bytes = tag & 0x1f;
  } else if (tag == 0xd9 && at != end) {
    bytes = static_cast<uint8_t>(*at++);
  } else if (tag == 0xda && end - at >= 2) {
    bytes = big_endian(at, 2);
    at += 2;
  } else {
    return nullptr;
  }
  if (static_cast<size_t>(end - at) < bytes) {
    return nullptr;
  }
  text = {at, bytes};
  return at + bytes;
}

Scalar integer(int64_t v) {
  return {Type::kInt64, static_cast<uint64_t>(v), {}, static_cast<uint32_t>(integer_text_bytes(v))};
}

// Null: there is something else than a finite number, a bool, null or a plain text.
const char* read_scalar(const char* at, const char* end, Scalar& out) {
  if (at == end) {
    return nullptr;
  }
  const auto tag = static_cast<uint8_t>(*at);
  const auto left = end - at - 1;
  switch (tag) {
    case 0xc0:
      out = {Type::kNull, 0, {}, 4};
      return at + 1;
    case 0xc2:
    case 0xc3:
      out = {Type::kBool, uint64_t{tag} & 1, {}, tag == 0xc3 ? 4U : 5U};
      return at + 1;
    case 0xcb: {
      if (left < 8) {
        return nullptr;
      }
      out = {Type::kDouble, big_endian_8(at + 1), {}, static_cast<uint32_t>(kDoubleTextMax)};
      return std::isfinite(std::bit_cast<double>(out.bits)) ? at + 9 : nullptr;
    }
    case 0xca: {
      if (left < 4) {
        return nullptr;
      }
      const double d = std::bit_cast<float>(static_cast<uint32_t>(big_endian(at + 1, 4)));
      out = {Type::kDouble, std::bit_cast<uint64_t>(d), {}, static_cast<uint32_t>(kDoubleTextMax)};
      return std::isfinite(d) ? at + 5 : nullptr;
    }
    case 0xcc:
    case 0xcd:
    case 0xce: {
      const int bytes = 1 << (tag - 0xcc);
      if (left < bytes) {
        return nullptr;
      }
      out = integer(static_cast<int64_t>(big_endian(at + 1, bytes)));
      return at + 1 + bytes;
    }
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: {
      const int bytes = 1 << (tag - 0xd0);
      if (left < bytes) {
        return nullptr;
      }
      const int unused = 64 - 8 * bytes;
      out = integer(static_cast<int64_t>(big_endian(at + 1, bytes) << unused) >> unused);
      return at + 1 + bytes;
    }
    default:
      break;
  }
  if (tag <= 0x7f || tag >= 0xe0) {
    out = integer(static_cast<int8_t>(tag));
    return at + 1;
  }
  at = read_text(at, end, out.text);
  if (at == nullptr || !is_plain_text(out.text)) {
    return nullptr;
  }
  out.type = Type::kString;
  out.json_bytes = static_cast<uint32_t>(out.text.size() + 2);
  return at;
}

bool takes_place_of(const Scalar& now, const Value& before) {
  if (now.type == Type::kString) {
    const auto* text = before.get<std::string>();
    return text != nullptr && now.text.size() <= text->size();
  }
  return now.type == before.type() || (now.type >= Type::kInt64 && before.is_number());
}

// Whether the values are equal, bit for bit.
bool is_same(const Scalar& now, const Value& before) {
  switch (now.type) {
    case Type::kNull:
      return true;
    case Type::kBool:
      return (now.bits != 0) == *before.get<bool>();
    case Type::kString:
      return same_text(now.text, *before.get<std::string>());
    case Type::kDouble: {
      const double* d = before.get<double>();
      return d != nullptr && std::bit_cast<uint64_t>(*d) == now.bits;
    }
    default: {
      const int64_t* i = before.get<int64_t>();
      return i != nullptr && static_cast<uint64_t>(*i) == now.bits;
    }
  }
}

// Requires that `text` is not longer than `held`.
void assign_shorter(std::string& held, std::string_view text) {
  std::memcpy(held.data(), text.data(), text.size());  // inlined, unlike assign()
  held.resize(text.size());
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
      assign_shorter(*held, s);
    } else {
      held->assign(s);
    }
  } else {
    value.storage.emplace<std::string>(s);
  }
  return note_set(member);
}

bool LiveDocument::replace_alike(std::string_view msgpack, size_t limit, uint64_t& changed) {
  constexpr int kMembersMax = 32;
  const int count = document_.size();
  const char* at = msgpack.data();
  const char* const end = at + msgpack.size();
  if (!pending_.replace || count == 0 || count > kMembersMax || msgpack.size() < 3) {
    return false;
  }
  const auto tag = static_cast<uint8_t>(*at++);
  if (tag == 0xde) {
    if (big_endian(at, 2) != static_cast<uint64_t>(count)) {
      return false;
    }
    at += 2;
  } else if (tag != (0x80 | count) || count > 15) {
    return false;
  }
  // First everything is checked, then everything is changed.
  std::array<Scalar, kMembersMax> values;
  int64_t more = 0;
  changed = 0;
  for (int i = 0; i < count; ++i) {
    const Member& m = document_.member(i);
    Scalar& value = values[static_cast<size_t>(i)];
    std::string_view key;
    at = read_text(at, end, key);
    if (at == nullptr || !same_text(key, m.key)) {
      return false;
    }
    at = read_scalar(at, end, value);
    if (at == nullptr || !takes_place_of(value, m.value)) {
      return false;
    }
    changed |= uint64_t{!is_same(value, m.value)} << i;
    more += int64_t{value.json_bytes} - int64_t{m.value_bytes};
  }
  if (at != end || !document_.has_room(more, limit)) {
    return false;
  }
  more = 0;
  int inexact = 0;
  for (uint64_t rest = changed; rest != 0; rest &= rest - 1) {
    const int i = std::countr_zero(rest);
    Member& m = document_.member(i);
    const Scalar& now = values[static_cast<size_t>(i)];
    document_.count_apart(i, now.json_bytes, now.type != Type::kDouble, more, inexact);
    switch (now.type) {
      case Type::kDouble:
        if (double* held = m.value.get<double>()) {
          *held = std::bit_cast<double>(now.bits);
        } else {
          m.value.storage = std::bit_cast<double>(now.bits);
        }
        break;
      case Type::kInt64:
        if (int64_t* held = m.value.get<int64_t>()) {
          *held = static_cast<int64_t>(now.bits);
        } else {
          m.value.storage = static_cast<int64_t>(now.bits);
        }
        break;
      case Type::kBool:
        *m.value.get<bool>() = now.bits != 0;
        break;
      case Type::kString:
        assign_shorter(*m.value.get<std::string>(), now.text);
        break;
      default:
        break;
    }
  }
  document_.recount(more, inexact);
  return true;
}

}  // namespace cairn::engine
