#include "tools/output/json_output.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

#include "engine/json/json.h"

namespace cairn::tools {

namespace {

using engine::Value;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_wide(std::string_view name) {
  return name == "lsn" || name.ends_with("_lsn") || name == "sequence" || name.ends_with("_sequence") ||
         is_one_of(name, {"seed", "trace"});
}

void write_wide_as_text(Value& value) {
  if (auto* list = value.get<engine::Array>()) {
    for (Value& item : *list) {
      write_wide_as_text(item);
    }
  }
  auto* object = value.get<engine::Object>();
  if (object == nullptr) {
    return;
  }
  for (engine::Property& member : *object) {
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

}  // namespace

void print_json(engine::Object object) {
  Value line(std::move(object));
  write_wide_as_text(line);
  const std::string text = engine::to_json(line) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void add_damage(engine::Object& object, const wal::Damage& damage) {
  object.push_back({"segment", Value(damage.segment)});
  object.push_back({"offset", Value(damage.offset)});
  object.push_back({"first_lsn", Value(damage.lsn_first)});
  object.push_back({"last_lsn", Value(damage.lsn_last)});
  if (damage.open_end) {
    object.push_back({"open_end", Value(true)});
  }
  object.push_back({"what", Value(damage.what)});
}

}  // namespace cairn::tools
