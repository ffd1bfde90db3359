#include "tests/support/scripts.h"

#include <utility>

namespace cairn::generate {

rc::Gen<std::string> colliding_key() {
  return rc::gen::element<std::string>("a", "b", "c", "list", "$", "long key beyond the small string buffer");
}

rc::Gen<std::string> colliding_path() {
  return rc::gen::oneOf(rc::gen::element<std::string>("$.a", "$.list", "$.a.b", "$.a.c", "$.a.b.c", "$.list.0",
                                                      "$.list.1", "$.list.3", "$.list.b", "$.list.[1:]", "$.a.*", "$.*",
                                                      "$.*.b", "$.*.0", "$.[0:1]", "$..", "$.$\\.x", "$.$\\.x.b"),
                        any_path());
}

rc::Gen<Value> exact_number() {
  return rc::gen::element(Value(0), Value(1), Value(-1), Value(7), Value(1000000), Value(2.0), Value(-3.0), Value(0.5),
                          Value(-0.25), Value(1.75));
}

rc::Gen<Value> whole_number() {
  return rc::gen::element(Value(0), Value(1), Value(-1), Value(7), Value(1000000), Value(2.0), Value(-3.0));
}

rc::Gen<Value> colliding_value(const rc::Gen<Value>& numbers) {
  const auto item = rc::gen::oneOf(numbers, rc::gen::element(Value("x"), Value("y"), Value(true), Value()));
  const auto array = rc::gen::map(rc::gen::resize(4, rc::gen::container<Array>(item)),
                                  [](const Array& items) { return Value(items); });
  const auto object =
      rc::gen::map(rc::gen::pair(item, rc::gen::oneOf(item, array)), [](const std::pair<Value, Value>& p) {
        return Value(Object{Property{"b", p.first}, Property{"c", p.second}});
      });
  return rc::gen::weightedOneOf<Value>({{5, item}, {2, array}, {2, object}});
}

rc::Gen<Object> colliding_object(const rc::Gen<Value>& numbers) {
  const auto property = rc::gen::map(rc::gen::pair(colliding_key(), colliding_value(numbers)),
                                     [](const std::pair<std::string, Value>& p) {
                                       return Property{p.first, p.second};
                                     });
  return rc::gen::map(rc::gen::resize(5, rc::gen::container<Object>(property)), [](Object object) {
    engine::keep_last_values(object);
    return object;
  });
}

rc::Gen<Operation> colliding_operation(const rc::Gen<Value>& numbers) {
  const auto keys = rc::gen::weightedOneOf<std::string>({{5, colliding_key()}, {2, colliding_path()}});
  const auto of_type = [&keys](OperationType type, const rc::Gen<Value>& value) {
    return rc::gen::map(rc::gen::pair(keys, value), [type](const std::pair<std::string, Value>& p) {
      return Operation{type, p.first, p.second};
    });
  };
  const auto value = colliding_value(numbers);
  return rc::gen::weightedOneOf<Operation>({{4, of_type(OperationType::kSet, value)},
                                            {3, of_type(OperationType::kDelete, rc::gen::just(Value()))},
                                            {4, of_type(OperationType::kAppend, value)},
                                            {4, of_type(OperationType::kRemove, value)},
                                            {5, of_type(OperationType::kIncrement, numbers)},
                                            {1, rc::gen::map(colliding_object(numbers), [](const Object& object) {
                                               return Operation{OperationType::kReplace, "", object};
                                             })}});
}

rc::Gen<std::vector<Operation>> colliding_operations(const rc::Gen<Value>& numbers, int size) {
  return rc::gen::resize(size, rc::gen::container<std::vector<Operation>>(colliding_operation(numbers)));
}

}  // namespace cairn::generate
