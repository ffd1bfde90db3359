#include "tools/output/json_output.h"

#include <cstdio>
#include <string>

#include "api/report/wide_numbers.h"
#include "engine/json/json.h"

namespace cairn::tools {

using engine::Value;

void print_json(engine::Object object) {
  report::write_wide_as_text(object);
  const std::string text = engine::to_json(Value(std::move(object))) + "\n";
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
