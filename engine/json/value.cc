#include "engine/json/value.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

namespace cairn::engine {
namespace {

// Up to this many members comparing all pairs is cheaper than sorting; above it, an untrusted object must not cost the
// square of its members.
constexpr size_t kPairwiseMax = 16;

__extension__ using Int128 = __int128;  // the exact sum of any two 64-bit integers

std::vector<uint32_t> sorted_by_key(const Object& object) {
  std::vector<uint32_t> order(object.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int c = object[a].key.compare(object[b].key);
    return c != 0 ? c < 0 : a < b;
  });
  return order;
}

bool has_duplicates(const Object& object) {
  for (size_t i = 1; i < object.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (object[i].key == object[j].key) {
        return true;
      }
    }
  }
  return false;
}

bool objects_equal(const Object& a, const Object& b) {
  if (a.size() != b.size()) {
    return false;
  }
  if (a.size() <= kPairwiseMax) {
    return std::all_of(a.begin(), a.end(), [&](const Property& p) {
      const Value* other = find_property(b, p.key);
      return other != nullptr && deep_equal(p.value, *other);
    });
  }
  const std::vector<uint32_t> in_a = sorted_by_key(a);
  const std::vector<uint32_t> in_b = sorted_by_key(b);
  for (size_t i = 0; i < in_a.size(); ++i) {
    const Property& x = a[in_a[i]];
    const Property& y = b[in_b[i]];
    if (x.key != y.key || !deep_equal(x.value, y.value)) {
      return false;
    }
  }
  return true;
}

// Compares the exact values: no double equals the integer 2^53 + 1. The casts below are defined only within these
// bounds.
constexpr double kTwo63 = 9223372036854775808.0;
constexpr double kTwo64 = 18446744073709551616.0;

bool equals_double(int64_t i, double d) {
  return d >= -kTwo63 && d < kTwo63 && static_cast<int64_t>(d) == i && d == static_cast<double>(i);
}

bool equals_double(uint64_t u, double d) {
  return d >= 0 && d < kTwo64 && static_cast<uint64_t>(d) == u && d == static_cast<double>(u);
}

bool numbers_equal(const Value& a, const Value& b) {
  if (a.type() == b.type()) {
    return a.storage == b.storage;
  }
  if (const double* d = a.get<double>()) {
    const int64_t* i = b.get<int64_t>();
    return i != nullptr ? equals_double(*i, *d) : equals_double(*b.get<uint64_t>(), *d);
  }
  if (b.is(Type::kDouble)) {
    return numbers_equal(b, a);
  }
  return false;  // one int64, one uint64: the latter is above all of the former
}

Int128 exact_integer(const Value& v) {
  const int64_t* i = v.get<int64_t>();
  return i != nullptr ? static_cast<Int128>(*i) : static_cast<Int128>(*v.get<uint64_t>());
}

double as_double(const Value& v) {
  const double* d = v.get<double>();
  return d != nullptr ? *d : static_cast<double>(exact_integer(v));
}

Value from_exact(Int128 v) {
  if (v >= std::numeric_limits<int64_t>::min() && v <= std::numeric_limits<int64_t>::max()) {
    return static_cast<int64_t>(v);
  }
  if (v > 0 && v <= static_cast<Int128>(std::numeric_limits<uint64_t>::max())) {
    return static_cast<uint64_t>(v);
  }
  return static_cast<double>(v);
}

}  // namespace

// Constructors, destructor and assignments are here and not in the header: inlined wherever a value is copied, moved or
// destroyed, the variant's code would be more than half of the library.
Value::Value(Value&& o) noexcept = default;
Value& Value::operator=(Value&& o) noexcept = default;
Value::~Value() = default;
Value::Value(const Value& o) : storage(nullptr) {
  if (const auto* s = o.get<std::string>()) {
    storage = std::string(*s);
  } else if (const auto* a = o.get<Array>()) {
    storage = Array(*a);
  } else if (const auto* p = o.get<Object>()) {
    storage = Object(*p);
  } else {
    storage = o.storage;  // a scalar: nothing can throw
  }
}
Value& Value::operator=(const Value& o) {
  if (this != &o) {
    *this = Value(o);
  }
  return *this;
}

bool Value::operator==(const Value& other) const {
  const double* d = get<double>();
  const double* e = other.get<double>();
  if (d != nullptr && e != nullptr) {
    return std::bit_cast<uint64_t>(*d) == std::bit_cast<uint64_t>(*e);
  }
  return storage == other.storage;
}

bool Property::operator==(const Property& other) const { return key == other.key && value == other.value; }

const Value* find_property(const Object& object, std::string_view key) {
  for (const Property& p : object) {
    if (p.key == key) {
      return &p.value;
    }
  }
  return nullptr;
}

void keep_last_values(Object& object) {
  if (object.size() <= kPairwiseMax && !has_duplicates(object)) {
    return;
  }
  const std::vector<uint32_t> order = sorted_by_key(object);
  std::vector<bool> dropped(object.size());
  bool any = false;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && object[order[end]].key == object[order[begin]].key) {
      dropped[order[end]] = true;
      any = true;
      ++end;
    }
    if (end - begin > 1) {
      object[order[begin]].value = std::move(object[order[end - 1]].value);
    }
    begin = end;
  }
  if (!any) {
    return;
  }
  size_t kept = 0;
  for (size_t i = 0; i < object.size(); ++i) {
    if (!dropped[i]) {
      if (kept != i) {
        object[kept] = std::move(object[i]);
      }
      ++kept;
    }
  }
  object.resize(kept);
}

bool deep_equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    return numbers_equal(a, b);
  }
  if (a.type() != b.type()) {
    return false;
  }
  if (const Array* x = a.get<Array>()) {
    const Array* y = b.get<Array>();
    return std::equal(x->begin(), x->end(), y->begin(), y->end(), deep_equal);
  }
  if (const Object* x = a.get<Object>()) {
    return objects_equal(*x, *b.get<Object>());
  }
  return a.storage == b.storage;
}

bool add_numbers(const Value& x, const Value& n, Value& sum) {
  assert(x.is_number() && n.is_number());
  if (!x.is(Type::kDouble) && !n.is(Type::kDouble)) {
    sum = from_exact(exact_integer(x) + exact_integer(n));
    return true;
  }
  const double d = as_double(x) + as_double(n);
  if (!std::isfinite(d)) {
    return false;
  }
  sum = d;
  return true;
}

Value negate_number(const Value& n) {
  assert(n.is_number());
  if (const double* d = n.get<double>()) {
    return -*d;
  }
  return from_exact(-exact_integer(n));
}

int depth_of(const Value& v) {
  int inner = 0;
  if (const Array* array = v.get<Array>()) {
    for (const Value& item : *array) {
      inner = std::max(inner, depth_of(item));
    }
    return inner + 1;
  }
  if (const Object* object = v.get<Object>()) {
    for (const Property& p : *object) {
      inner = std::max(inner, depth_of(p.value));
    }
    return inner + 1;
  }
  return 0;
}

}  // namespace cairn::engine
