#include "api/report/wide_numbers.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "engine/json/json.h"

namespace cairn::report {

namespace {

using engine::Value;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_wide(std::string_view name) {
  return name == "lsn" || name.ends_with("_lsn") || name == "sequence" || name.ends_with("_sequence") ||
         is_one_of(name, {"seed", "trace"});
}

}  // namespace

void write_wide_as_text(Value& value) {
  if (auto* list = value.get<engine::Array>()) {
    for (Value& item : *list) {
      write_wide_as_text(item);
    }
  }
  if (auto* object = value.get<engine::Object>(); object != nullptr) {
    write_wide_as_text(*object);
  }
}

void write_wide_as_text(engine::Object& object) {
  for (engine::Property& member : object) {
    if (is_one_of(member.key, {"metadata", "value", "delta"})) {
      continue;  // the user's
    }
    if (is_wide(member.key) && member.value.is_number()) {
      member.value = Value(engine::to_json(member.value));
    } else {
      write_wide_as_text(member.value);
    }
  }
}

}  // namespace cairn::report
