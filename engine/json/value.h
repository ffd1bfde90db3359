// A JSON value in memory. Integers of 64 bits and doubles are different types; objects keep insertion order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cairn::engine {

struct Value;
struct Property;
using Array = std::vector<Value>;
using Object = std::vector<Property>;

/// The order is that of Value::Storage.
enum class Type : uint8_t { kNull, kBool, kInt64, kUint64, kDouble, kString, kArray, kObject };

/// A non-negative integer that fits int64 is always kInt64: kUint64 holds only values above INT64_MAX.
struct Value {
  using Storage = std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Array, Object>;
  Storage storage;

  // Defined below, where Property is complete: a vector of it may be declared before, but not built or destroyed.
  Value() noexcept;
  Value(std::nullptr_t) noexcept;
  Value(bool v) noexcept;
  Value(int v) noexcept;
  Value(int64_t v) noexcept;
  Value(uint64_t v) noexcept;
  Value(double v) noexcept;
  Value(std::string v);
  Value(std::string_view v);
  Value(const char* v);
  Value(Array v) noexcept;
  Value(Object v) noexcept;

  // Copies are made outside the variant and moved in. If the copy constructor of a string or vector in a variant
  // throws, libstdc++ 12 destroys it as if it existed, so running out of memory in the variant's own copy ends the
  // process.
  Value(const Value& o);
  Value& operator=(const Value& o);
  Value(Value&& o) noexcept;
  Value& operator=(Value&& o) noexcept;
  ~Value();

  [[nodiscard]] Type type() const { return static_cast<Type>(storage.index()); }
  [[nodiscard]] bool is(Type t) const { return type() == t; }
  [[nodiscard]] bool is_number() const { return type() >= Type::kInt64 && type() <= Type::kDouble; }
  /// null, bool or number: the length of its encoding depends only on the type.
  [[nodiscard]] bool is_fixed() const { return type() <= Type::kDouble; }

  template <class T>
  T* get() {
    return std::get_if<T>(&storage);
  }
  template <class T>
  const T* get() const {
    return std::get_if<T>(&storage);
  }

  /// Bit-identical: types, key order, -0 and integers against doubles all count. For tests and recovery checks.
  bool operator==(const Value& other) const;
};

struct Property {
  std::string key;
  Value value;
  bool operator==(const Property& other) const;
};

inline Value::Value() noexcept : storage(nullptr) {}
inline Value::Value(std::nullptr_t) noexcept : storage(nullptr) {}
inline Value::Value(bool v) noexcept : storage(v) {}
inline Value::Value(int v) noexcept : storage(static_cast<int64_t>(v)) {}
inline Value::Value(int64_t v) noexcept : storage(v) {}
inline Value::Value(uint64_t v) noexcept : storage(static_cast<int64_t>(v)) {
  if (v > static_cast<uint64_t>(INT64_MAX)) {
    storage = v;
  }
}
inline Value::Value(double v) noexcept : storage(v) {}
inline Value::Value(std::string v) : storage(std::move(v)) {}
inline Value::Value(std::string_view v) : storage(std::string(v)) {}
inline Value::Value(const char* v) : storage(std::string(v)) {}
inline Value::Value(Array v) noexcept : storage(std::move(v)) {}
inline Value::Value(Object v) noexcept : storage(std::move(v)) {}

/// The value of `key`, or null. Linear.
const Value* find_property(const Object& object, std::string_view key);

/// Makes the keys unique: the last value of a key wins, at the place of the first. For decoders; n log n at worst.
void keep_last_values(Object& object);

/// A member of this name is dropped by every decoder and refused as a key (as Trigger.dev's server does).
inline constexpr std::string_view kProtoKey = "__proto__";

/// Deep equality as `remove` uses it: type-strict, numbers by value, 0 equals -0, object key order irrelevant.
bool deep_equal(const Value& a, const Value& b);

/// x + n: exact in 64-bit integers, a double when that would overflow, else IEEE double arithmetic.
/// False when the result would not be finite (`sum` untouched). Both must be numbers.
bool add_numbers(const Value& x, const Value& n, Value& sum);

/// The negated number (decrement): -INT64_MIN becomes exact as uint64, uint64 above 2^63 a double.
Value negate_number(const Value& n);

/// Deepest nesting that any input may have; the document itself is level 1.
inline constexpr int kDepthMax = 128;
/// Stored data and messages are read with a slightly larger depth: a form holds its values in lists, and data that was
/// once accepted must never keep a store from being opened.
inline constexpr int kStoredDepthMax = kDepthMax + 8;

/// Nesting of `v`: 0 for scalars, 1 for [] and {}.
int depth_of(const Value& v);

}  // namespace cairn::engine
