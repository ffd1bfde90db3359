#include "api/server/metadata_filter.h"

#include "engine/document/path.h"
#include "engine/document/path_apply.h"
#include "engine/json/json.h"

namespace cairn::server {

bool has_value(const engine::Value& document, const std::string& path, const std::string& wanted) {
  const auto segments = engine::parse_path("$." + path);
  const engine::Value* found = segments.ok() ? engine::find_at(document, *segments, 0) : nullptr;
  if (found == nullptr || found->is(engine::Type::kObject) || found->is(engine::Type::kArray)) {
    return false;
  }
  if (const std::string* text = found->get<std::string>(); text != nullptr) {
    return *text == wanted;
  }
  const auto value = engine::parse_json(wanted);
  return value.ok() && engine::deep_equal(*found, *value);
}

}  // namespace cairn::server
