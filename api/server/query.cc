#include "api/server/query.h"

#include "engine/json/json.h"

namespace cairn::server {

namespace {

int digit_of_hex(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

bool decode_percent(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit_of_hex(text[i + 1]) : -1;
    const int low = high >= 0 ? digit_of_hex(text[i + 2]) : -1;
    if (low < 0) {
      return false;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return engine::valid_utf8(out);
}

}  // namespace

std::optional<std::vector<std::pair<std::string, std::string>>> read_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view part = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (part.empty()) {
      continue;
    }
    const size_t equals = part.find('=');
    auto& [name, value] = out.emplace_back();
    if (!decode_percent(part.substr(0, equals), name) ||
        (equals != std::string_view::npos && !decode_percent(part.substr(equals + 1), value))) {
      return std::nullopt;
    }
  }
  return out;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    if (comma != 0) {
      out.emplace_back(text.substr(0, comma));
    }
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return out;
}

}  // namespace cairn::server
