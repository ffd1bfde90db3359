// The bodies stand here, behind rc::Gen, because each inclusion of rapidcheck's combinators costs the compiler seconds.
#include "tests/support/generate.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "engine/json/json.h"

namespace cairn::engine {

void showValue(const Value& v, std::ostream& out) { out << (v.is(Type::kDouble) ? "double " : "") << to_json(v); }

void showValue(const Operation& op, std::ostream& out) {
  std::string text;
  append_operation_json(text, op);
  out << text;
}

void showValue(const Object& object, std::ostream& out) { out << to_json(Value(object)); }

}  // namespace cairn::engine

namespace cairn::generate {

rc::Gen<double> any_double_bits() {
  return rc::gen::map(rc::gen::arbitrary<uint64_t>(), [](uint64_t bits) {
    const auto d = std::bit_cast<double>(bits);
    return std::isfinite(d) ? d : std::bit_cast<double>(bits & 0x800fffffffffffff);  // becomes a subnormal
  });
}

rc::Gen<double> any_double() {
  return rc::gen::oneOf(
      any_double_bits(),
      rc::gen::map(rc::gen::pair(rc::gen::arbitrary<int32_t>(), rc::gen::inRange(0, 8)),
                   [](const std::pair<int32_t, int>& p) { return p.first / std::pow(10.0, p.second); }),
      rc::gen::element(0.0, -0.0, 0.1, -1.5, 1.0, 1e5, 1e-6, 9.9e-7, 1e20, 1e21, 5e-324, -5e-324, 9007199254740992.0,
                       9223372036854775808.0, 1.7976931348623157e308, -1.7976931348623157e308,
                       2.2250738585072014e-308));
}

rc::Gen<Value> any_integer() {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  return rc::gen::oneOf(
      rc::gen::map(rc::gen::inRange<int64_t>(-20, 20), [](int64_t i) { return Value(i); }),
      rc::gen::map(rc::gen::arbitrary<uint64_t>(), [](uint64_t bits) { return Value(std::bit_cast<int64_t>(bits)); }),
      rc::gen::map(rc::gen::arbitrary<uint64_t>(), [](uint64_t u) { return Value(u); }),
      rc::gen::element(Value(kMin), Value(kMin + 1), Value(kMax), Value(kMax - 1), Value(uint64_t{1} << 63),
                       Value(std::numeric_limits<uint64_t>::max()), Value(int64_t{1} << 53),
                       Value((int64_t{1} << 53) + 1), Value(-(int64_t{1} << 53) - 1)));
}

rc::Gen<Value> any_number() {
  return rc::gen::oneOf(any_integer(), rc::gen::map(any_double(), [](double d) { return Value(d); }));
}

rc::Gen<std::string> any_string() {
  const auto piece = rc::gen::oneOf(
      rc::gen::map(rc::gen::inRange<int>(0, 128), [](int c) { return std::string(1, static_cast<char>(c)); }),
      rc::gen::element<std::string>("a", "plain text", "\"", "\\", "\n", "\x1f", "\x7f", "\xc3\xa9", "\xe2\x80\xa8",
                                    "\xf0\x9f\x9a\x80", "\\u0041", "</script>", std::string(1, '\0')));
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece), [](const std::vector<std::string>& pieces) {
    std::string s;
    for (const std::string& p : pieces) {
      s += p;
    }
    return s;
  });
}

rc::Gen<std::string> any_key() {
  return rc::gen::element<std::string>("a", "b", "c", "n", "list", "", "$", "a.b", "0", "constructor", "\xc3\xa9\"\n");
}

rc::Gen<std::string> any_path() {
  const auto segment = rc::gen::weightedOneOf<std::string>(
      {{6, rc::gen::element<std::string>("a", "b", "c", "n", "list")},
       {5, rc::gen::element<std::string>("*", "0", "1", "[:]")},
       {2, rc::gen::element<std::string>("2", "4", "01", "[0:2]", "[1:]", "[:-1]", "[-2:]", "a\\.b", "")}});
  return rc::gen::map(rc::gen::resize(4, rc::gen::container<std::vector<std::string>>(segment)),
                      [](const std::vector<std::string>& segments) {
                        std::string path = "$";
                        for (const std::string& s : segments) {
                          path += "." + s;
                        }
                        return segments.empty() ? path + "." : path;
                      });
}

rc::Gen<Value> any_scalar() {
  return rc::gen::oneOf(rc::gen::just(Value()),
                        rc::gen::map(rc::gen::arbitrary<bool>(), [](bool b) { return Value(b); }), any_number(),
                        rc::gen::map(any_string(), [](const std::string& s) { return Value(s); }));
}

rc::Gen<Object> any_object(int levels) {
  const auto property =
      rc::gen::map(rc::gen::pair(any_key(), any_value(levels - 1)), [](const std::pair<std::string, Value>& p) {
        return Property{p.first, p.second};
      });
  return rc::gen::map(rc::gen::resize(6, rc::gen::container<Object>(property)), [](Object object) {
    engine::keep_last_values(object);
    return object;
  });
}

rc::Gen<Value> any_value(int levels) {
  if (levels == 0) {
    return any_scalar();
  }
  return rc::gen::weightedOneOf<Value>(
      {{4, any_scalar()},
       {1, rc::gen::lazy([levels] {
          return rc::gen::map(rc::gen::resize(6, rc::gen::container<Array>(any_value(levels - 1))),
                              [](const Array& array) { return Value(array); });
        })},
       {1, rc::gen::lazy([levels] {
          return rc::gen::map(any_object(levels), [](const Object& object) { return Value(object); });
        })}});
}

rc::Gen<Value> any_branch(int levels) {
  if (levels == 0) {
    return rc::gen::element(Value(1), Value(2), Value("x"), Value(), Value(Array{}), Value(Object{}));
  }
  const auto child = rc::gen::lazy([levels] { return any_branch(levels - 1); });
  const auto property = rc::gen::map(rc::gen::pair(rc::gen::element<std::string>("a", "b", "c", "n", "list"), child),
                                     [](const std::pair<std::string, Value>& p) {
                                       return Property{p.first, p.second};
                                     });
  return rc::gen::weightedOneOf<Value>(
      {{2, any_branch(0)},
       {3, rc::gen::map(rc::gen::resize(4, rc::gen::container<Array>(child)),
                        [](const Array& array) { return Value(array); })},
       {4, rc::gen::map(rc::gen::resize(6, rc::gen::container<Object>(property)), [](Object object) {
          engine::keep_last_values(object);
          return Value(std::move(object));
        })}});
}

rc::Gen<Object> any_tree() {
  return rc::gen::map(rc::gen::container<Array>(5, any_branch(3)), [](Array children) {
    Object object;
    for (const char* key : {"a", "b", "c", "n", "list"}) {
      object.push_back({key, std::move(children[object.size()])});
    }
    return object;
  });
}

rc::Gen<Operation> any_operation(rc::Gen<std::string> keys, bool with_replace) {
  const auto small = rc::gen::element(Value(1), Value(2), Value("x"), Value(true), Value());
  const auto argument = rc::gen::oneOf(small, any_value(2));  // small ones are met again by remove
  const auto of_type = [&](OperationType type, rc::Gen<Value> value) {
    return rc::gen::map(rc::gen::pair(keys, std::move(value)), [type](const std::pair<std::string, Value>& p) {
      return Operation{type, p.first, p.second};
    });
  };
  const auto on_key =
      rc::gen::oneOf(of_type(OperationType::kSet, argument), of_type(OperationType::kDelete, rc::gen::just(Value())),
                     of_type(OperationType::kAppend, argument), of_type(OperationType::kRemove, small),
                     of_type(OperationType::kIncrement, any_number()));
  if (!with_replace) {
    return on_key;
  }
  return rc::gen::weightedOneOf<Operation>({{12, on_key}, {1, rc::gen::map(any_object(3), [](const Object& object) {
                                                             return Operation{OperationType::kReplace, "", object};
                                                           })}});
}

}  // namespace cairn::generate

namespace rc {

Gen<cairn::engine::Value> Arbitrary<cairn::engine::Value>::arbitrary() { return cairn::generate::any_value(); }

Gen<cairn::engine::Operation> Arbitrary<cairn::engine::Operation>::arbitrary() {
  return cairn::generate::any_operation(gen::oneOf(cairn::generate::any_key(), cairn::generate::any_path()), true);
}

}  // namespace rc
