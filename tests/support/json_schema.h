// As much of JSON Schema as tools/json.schema.json uses; one schema, whose only reference is itself.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

namespace cairn::tests {

class JsonSchema {
 public:
  explicit JsonSchema(nlohmann::ordered_json root) : root_(std::move(root)) {}
  /// What does not fit, with where it is; "" if all does.
  [[nodiscard]] std::string mismatch(const nlohmann::ordered_json& value) const { return check(root_, value, ""); }

 private:
  using Json = nlohmann::ordered_json;

  static bool is_of(const std::string& type, const Json& v) {
    return (type == "object" && v.is_object()) || (type == "array" && v.is_array()) ||
           (type == "string" && v.is_string()) || (type == "boolean" && v.is_boolean()) ||
           (type == "integer" && v.is_number_integer()) || (type == "number" && v.is_number()) ||
           (type == "null" && v.is_null());
  }

  [[nodiscard]] std::string check(const Json& schema, const Json& v, const std::string& at) const {
    if (schema.contains("$ref")) {
      return check(root_, v, at);
    }
    if (schema.contains("anyOf")) {
      std::string wrong;
      for (const Json& one : schema["anyOf"]) {
        wrong = check(one, v, at);
        if (wrong.empty()) {
          return {};
        }
      }
      return wrong;
    }
    if (schema.contains("type")) {
      const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
      bool fits = false;
      for (const Json& type : types) {
        fits = fits || is_of(type.get<std::string>(), v);
      }
      if (!fits) {
        return at + " is " + v.dump() + ", not " + types.dump();
      }
    }
    if (schema.contains("pattern") && v.is_string() &&
        !matches(v.get<std::string>(), schema["pattern"].get<std::string>())) {
      return at + " is " + v.dump() + ", not as " + schema["pattern"].dump();
    }
    std::string wrong;
    if (v.is_array() && schema.contains("items")) {
      for (const Json& item : v) {
        wrong += wrong.empty() ? check(schema["items"], item, at + "[]") : "";
      }
    }
    if (v.is_object() && schema.contains("properties")) {
      for (const auto& [name, member] : v.items()) {
        wrong += wrong.empty() ? check_member(schema, name, member, at + "." + name) : "";
      }
    }
    return wrong;
  }

  [[nodiscard]] std::string check_member(const Json& schema, const std::string& name, const Json& v,
                                         const std::string& at) const {
    if (schema["properties"].contains(name)) {
      return check(schema["properties"][name], v, at);
    }
    for (const auto& [pattern, one] : schema["patternProperties"].items()) {
      if (matches(name, pattern)) {
        return check(one, v, at);
      }
    }
    return at + " has a name that is not in the schema";
  }

  [[nodiscard]] bool matches(const std::string& text, const std::string& pattern) const {
    return std::regex_search(text, patterns_.try_emplace(pattern, pattern).first->second);
  }

  Json root_;
  mutable std::map<std::string, std::regex> patterns_;
};

}  // namespace cairn::tests
