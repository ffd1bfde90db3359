// Random values, keys and operations for property tests. Keys come from a small set, so that operations meet each
// other; numbers and strings from the corners where encodings differ.
#pragma once

#include <rapidcheck.h>

#include <ostream>
#include <string>

#include "engine/document/operation.h"
#include "engine/json/value.h"

namespace cairn::engine {

void showValue(const Value& v, std::ostream& out);
void showValue(const Operation& op, std::ostream& out);
void showValue(const Object& object, std::ostream& out);

}  // namespace cairn::engine

namespace cairn::generate {

using engine::Array;
using engine::Object;
using engine::Operation;
using engine::OperationType;
using engine::Property;
using engine::Type;
using engine::Value;

/// Every finite double, by its bits: most are very large or very small.
rc::Gen<double> any_double_bits();
rc::Gen<double> any_double();
rc::Gen<Value> any_integer();
rc::Gen<Value> any_number();
/// UTF-8 with control characters, quotes, NUL, and characters of every length.
rc::Gen<std::string> any_string();
/// A literal key, from a set so small that two of them often are the same.
rc::Gen<std::string> any_key();
/// A path through such keys, array positions, `*` and slices; "$." too.
rc::Gen<std::string> any_path();
rc::Gen<Value> any_scalar();
/// At most `levels` levels of containers.
rc::Gen<Value> any_value(int levels = 4);
/// Unique keys, as every decoder gives.
rc::Gen<Object> any_object(int levels = 4);
/// Documents of few scalars and many containers whose names the paths of any_path meet.
rc::Gen<Value> any_branch(int levels);
rc::Gen<Object> any_tree();
/// An operation on one of `keys`; updates too when asked for.
rc::Gen<Operation> any_operation(rc::Gen<std::string> keys, bool with_replace);

}  // namespace cairn::generate

namespace rc {

template <>
struct Arbitrary<cairn::engine::Value> {
  static Gen<cairn::engine::Value> arbitrary();
};

/// Any of the six, with literal keys and paths.
template <>
struct Arbitrary<cairn::engine::Operation> {
  static Gen<cairn::engine::Operation> arbitrary();
};

}  // namespace rc
