#include "api/http/response_text.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <cstdio>
#include <string_view>
#include <utility>  // ahead of Asio

#include "api/http/head.h"

namespace cairn::http {
namespace {

constexpr std::string_view kCacheControl = "Cache-Control";
constexpr std::array<std::string_view, 6> kOurs = {"Content-Length", "Transfer-Encoding",      "Connection",
                                                   "Date",           "X-Content-Type-Options", "Content-Type"};

bool is_token(std::string_view name) {
  constexpr std::string_view kOther = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kOther.find(c) != std::string_view::npos;
  });
}

bool is_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u >= 0x20 && u != 0x7f) || u == '\t';
  });
}

/// Sun, 06 Nov 1994 08:49:37 GMT. Not strftime: its names are those of the process's locale.
std::string date(std::time_t now) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm tm = {};
  gmtime_r(&now, &tm);
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%s, %02d %s %d %02d:%02d:%02d GMT", kDays[static_cast<size_t>(tm.tm_wday)],
                tm.tm_mday, kMonths[static_cast<size_t>(tm.tm_mon)], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                tm.tm_sec);
  return out.data();
}

void add(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

bool has_no_body(unsigned status) { return status == 204 || status == 304; }

bool is_sendable(const Response& response) {
  if (response.status < 200 || response.status > 599 || !is_value(response.content_type)) {
    return false;
  }
  return std::all_of(response.headers.begin(), response.headers.end(), [](const auto& header) {
    const auto is_ours = [&](std::string_view ours) { return equals_ignoring_case(header.first, ours); };
    return is_token(header.first) && is_value(header.second) && std::none_of(kOurs.begin(), kOurs.end(), is_ours);
  });
}

std::string response_head(const Response& response, const Framing& framing, const Cors& cors, std::time_t now) {
  std::string out;
  out.reserve(512);
  const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(response.status));
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ").append(text(reason)).append("\r\n");
  add(out, "Date", date(now));
  if (!response.content_type.empty()) {
    add(out, "Content-Type", response.content_type);
  }
  if (framing.body == Framing::Body::kChunked) {
    add(out, "Transfer-Encoding", "chunked");
  } else if (framing.body == Framing::Body::kWhole && !has_no_body(response.status)) {
    add(out, "Content-Length", std::to_string(response.text().size()));
  }
  add(out, "X-Content-Type-Options", "nosniff");
  if (!cors.origins.empty()) {
    add(out, "Vary", "Origin");
  }
  if (!framing.page.empty()) {
    add(out, "Access-Control-Allow-Origin", framing.page);
    if (!cors.expose_headers.empty()) {
      add(out, "Access-Control-Expose-Headers", cors.expose_headers);
    }
  }
  bool cache_control = false;
  for (const auto& [name, value] : response.headers) {
    cache_control = cache_control || equals_ignoring_case(name, kCacheControl);
    add(out, name, value);
  }
  if (!cache_control) {
    add(out, kCacheControl, "no-store");
  }
  if (!framing.keep_alive) {
    add(out, "Connection", "close");
  } else if (framing.version < 11) {
    add(out, "Connection", "keep-alive");
  }
  return out.append("\r\n");
}

Response preflight_response(const Cors& cors, std::string_view headers) {
  Response out;
  out.status = 204;
  out.headers.emplace_back("Access-Control-Allow-Methods", cors.methods);
  if (!headers.empty()) {
    out.headers.emplace_back("Access-Control-Allow-Headers", headers);
  }
  out.headers.emplace_back("Access-Control-Max-Age", std::to_string(cors.max_age_s));
  return out;
}

Response response_to(const Refusal& refusal) {
  Response out;
  out.status = refusal.status;
  out.content_type = "application/json";
  out.body = std::string("{\"error\":\"") + refusal.what + "\"}\n";
  if (refusal.status == 401) {
    out.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  if (refusal.status == 429 || refusal.status == 503) {
    out.headers.emplace_back("Retry-After", "1");
  }
  return out;
}

}  // namespace cairn::http
