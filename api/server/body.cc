#include "api/server/body.h"

#include <algorithm>
#include <utility>

#include "api/server/route_table.h"
#include "engine/json/json.h"

namespace cairn::server {

namespace {

int rank_of(unsigned status) { return status == 400 ? 0 : status == 422 ? 1 : 2; }

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}  // namespace

void Complaints::add(unsigned status, std::string text) {
  if (status_ == 0 || rank_of(status) < rank_of(status_)) {
    status_ = status;
    text_ = std::move(text);
  }
}

void Complaints::add_invalid(const std::string& path, std::string_view what) {
  add(400, "Validation error: " + path + " " + std::string(what));
}

http::Response Complaints::response() const { return error_response(status_, text_); }

std::string Members::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

void Members::complain(std::string_view name, std::string_view what) const {
  complaints_.add_invalid(path_of(name), what);
}

const engine::Value* Members::any(std::string_view name) const {
  const engine::Value* found = engine::find_property(object_, name);
  return found == nullptr || found->is(engine::Type::kNull) ? nullptr : found;
}

std::optional<std::string> Members::text(std::string_view name, size_t chars_max) const {
  const engine::Value* found = any(name);
  if (found == nullptr) {
    return std::nullopt;
  }
  const std::string* text = found->get<std::string>();
  if (text == nullptr) {
    complain(name, "must be a string");
    return std::nullopt;
  }
  if (utf16_length(*text) > chars_max) {
    complain(name, "has more than " + std::to_string(chars_max) + " characters");
    return std::nullopt;
  }
  return *text;
}

std::optional<std::string> Members::text_of_bytes(std::string_view name, size_t bytes_max) const {
  auto out = text(name);
  if (out && out->size() > bytes_max) {
    complain(name, "has more than " + std::to_string(bytes_max) + " bytes");
  }
  return out;
}

std::string Members::required_text(std::string_view name, size_t chars_max) const {
  const auto found = text(name, chars_max);
  if (!found || found->empty()) {
    complain(name, found ? "must not be empty" : "is required, a string");
    return "";
  }
  return *found;
}

bool Members::flag(std::string_view name) const {
  const engine::Value* found = any(name);
  const bool* flag = found == nullptr ? nullptr : found->get<bool>();
  if (found != nullptr && flag == nullptr) {
    complain(name, "must be true or false");
  }
  return flag != nullptr && *flag;
}

std::optional<int64_t> Members::whole(std::string_view name, int64_t min, int64_t max) const {
  const engine::Value* found = any(name);
  if (found == nullptr) {
    return std::nullopt;
  }
  std::optional<int64_t> out;
  if (const int64_t* whole = found->get<int64_t>(); whole != nullptr) {
    out = *whole;
  } else if (const double* part = found->get<double>(); part != nullptr && *part >= -1e15 && *part <= 1e15 &&
                                                        static_cast<double>(static_cast<int64_t>(*part)) == *part) {
    out = static_cast<int64_t>(*part);  // 2.0 and 2e0 are 2
  }
  if (!out || *out < min || *out > max) {
    complain(name, "must be a whole number from " + std::to_string(min) +
                       (max == INT64_MAX ? std::string() : " to " + std::to_string(max)));
    return std::nullopt;
  }
  return out;
}

const engine::Object* Members::object(std::string_view name) const {
  const engine::Value* found = any(name);
  const engine::Object* object = found == nullptr ? nullptr : found->get<engine::Object>();
  if (found != nullptr && object == nullptr) {
    complain(name, "must be an object");
  }
  return object;
}

std::vector<std::string> Members::texts(std::string_view name, size_t chars_max) const {
  const engine::Value* found = any(name);
  if (found == nullptr) {
    return {};
  }
  if (found->is(engine::Type::kString)) {
    return {text(name, chars_max).value_or("")};
  }
  const engine::Array* list = found->get<engine::Array>();
  if (list == nullptr) {
    complain(name, "must be a string or a list of strings");
    return {};
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string place = std::string(name) + "[" + std::to_string(i) + "]";
    const std::string* one = (*list)[i].get<std::string>();
    if (one == nullptr) {
      complain(place, "must be a string");
      return {};
    }
    if (utf16_length(*one) > chars_max) {
      complain(place, "has more than " + std::to_string(chars_max) + " characters");
      return {};
    }
    out.push_back(*one);
  }
  return out;
}

size_t utf16_length(std::string_view text) {
  size_t out = 0;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    out += (byte & 0xc0) == 0x80 ? 0 : byte >= 0xf0 ? 2 : 1;
  }
  return out;
}

std::optional<engine::Value> read_json(std::string_view text, int levels, std::string_view place,
                                       Complaints& complaints) {
  auto parsed = engine::parse_json(text, SIZE_MAX, engine::kDepthMax + levels);
  if (parsed.ok()) {
    return std::move(*parsed);
  }
  const std::string where = place.empty() ? std::string() : " on " + std::string(place);
  switch (parsed.code()) {
    case Code::kTooDeep:
    case Code::kNotFinite:
      complaints.add(
          400, "Validation error: " + std::string(place.empty() ? "the body" : place) + ": " + parsed.status().what);
      break;
    case Code::kInvalidUtf8:
      complaints.add(400, "Invalid JSON" + where + ": it is not UTF-8, or has half of a surrogate pair");
      break;
    default:
      complaints.add(400, "Invalid JSON" + where);
  }
  return std::nullopt;
}

std::optional<engine::Object> read_body(std::string_view body, int levels, Complaints& complaints) {
  if (is_blank(body)) {
    complaints.add(400, "Request body is empty");
    return std::nullopt;
  }
  auto value = read_json(body, levels, "", complaints);
  if (!value) {
    return std::nullopt;
  }
  engine::Object* object = value->get<engine::Object>();
  if (object == nullptr) {
    complaints.add(400, "Validation error: the body must be a JSON object");
    return std::nullopt;
  }
  return std::move(*object);
}

}  // namespace cairn::server
