#include "tools/value_argument.h"

#include "engine/json.h"

namespace cairn::tools {

using engine::Object;
using engine::Value;

std::optional<Value> value_argument(const Globals& globals, const std::string& text, bool is_string, Exit& exit,
                                    const Subject& subject) {
  if (is_string) {
    if (!engine::valid_utf8(text)) {
      exit = report_error(globals, engine::fail(Code::kInvalidUtf8, "the text is not UTF-8"), {}, subject);
      return std::nullopt;
    }
    return Value(text);
  }
  if (text.empty()) {
    exit = report_usage(globals, "the JSON value is given and empty; an empty text is '\"\"', or '' with --string");
    return std::nullopt;
  }
  auto value = engine::parse_json(text);
  if (!value.ok()) {
    const std::string shown = text.size() > 60 ? text.substr(0, 60) + "..." : text;
    exit = report_error(
        globals,
        engine::fail(value.status(), value.code() == Code::kInvalidJson ? "'" + shown + "' is not JSON"
                                                                        : std::string(value.status().what)),
        {}, subject);
    return std::nullopt;
  }
  return std::move(*value);
}

std::optional<Object> object_argument(const Globals& globals, const std::string& text, const char* what, Exit& exit) {
  auto value = value_argument(globals, text, false, exit);
  if (!value) {
    return std::nullopt;
  }
  Object* object = value->get<Object>();
  if (object == nullptr) {
    exit = report_error(globals,
                        engine::fail(Code::kTypeMismatch, std::string(what) + " is an object, as in '{\"a\":1}'"));
    return std::nullopt;
  }
  return std::move(*object);
}

}  // namespace cairn::tools
