// Operation sequences on few keys, so that most operations meet what an earlier one left.
#pragma once

#include <rapidcheck.h>

#include <string>
#include <vector>

#include "engine/document/operation.h"
#include "engine/json/value.h"
#include "tests/support/generate.h"

namespace cairn::generate {

rc::Gen<std::string> colliding_key();
rc::Gen<std::string> colliding_path();
/// Numbers whose sums are exact in any order, whole and broken.
rc::Gen<Value> exact_number();
rc::Gen<Value> whole_number();
rc::Gen<Value> colliding_value(const rc::Gen<Value>& numbers);
rc::Gen<Object> colliding_object(const rc::Gen<Value>& numbers);
/// Any operation; numbers of values and increments are drawn from `numbers`.
rc::Gen<Operation> colliding_operation(const rc::Gen<Value>& numbers);
rc::Gen<std::vector<Operation>> colliding_operations(const rc::Gen<Value>& numbers, int size);

}  // namespace cairn::generate
