#include "tools/input/value_argument.h"

#include "engine/json/json.h"

namespace cairn::tools {

using engine::Object;
using engine::Value;

namespace {

// `advice` says how to write what `text` was to be.
std::optional<Value> parse_argument(const Globals& globals, const std::string& text, const char* advice, Exit& exit,
                                    const Subject& subject) {
  auto value = engine::parse_json(text);
  if (value.ok()) {
    return std::move(*value);
  }
  const std::string shown = text.size() > 60 ? text.substr(0, 60) + "..." : text;
  const bool no_json = value.code() == Code::kInvalidJson;
  exit = report_error(globals,
                      engine::fail(value.status(), no_json ? "'" + shown + "' is not JSON; " + advice
                                                           : std::string(value.status().what)),
                      {}, subject);
  return std::nullopt;
}

}  // namespace

std::optional<Value> value_argument(const Globals& globals, const std::string& text, bool is_string, Exit& exit,
                                    const Subject& subject, const char* advice) {
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
  return parse_argument(globals, text, advice, exit, subject);
}

std::optional<Object> object_argument(const Globals& globals, const std::string& text, const char* what, Exit& exit) {
  if (text.empty()) {
    exit = report_usage(globals, std::string(what) + " is given and empty; an object without members is '{}'");
    return std::nullopt;
  }
  auto value = parse_argument(globals, text, "write an object, as in '{\"a\":1}'", exit, {});
  if (!value) {
    return std::nullopt;
  }
  Object* object = value->get<Object>();
  if (object == nullptr) {
    exit = report_error(globals,
                        engine::fail(Code::kTypeMismatch, std::string(what) + " takes an object, as in '{\"a\":1}'"));
    return std::nullopt;
  }
  return std::move(*object);
}

}  // namespace cairn::tools
