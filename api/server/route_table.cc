#include "api/server/route_table.h"

#include <algorithm>
#include <utility>

#include "engine/json/json.h"

namespace cairn::server {

namespace {

// Of what no route takes: as much as a client may send before it reads the 404.
constexpr size_t kStrayBodyBytesMax = 64u << 10;

std::vector<std::string> split(std::string_view pattern) {
  std::vector<std::string> out;
  pattern.remove_prefix(1);
  for (bool more = true; more;) {
    const size_t slash = pattern.find('/');
    more = slash != std::string_view::npos;
    out.emplace_back(pattern.substr(0, slash));
    pattern.remove_prefix(more ? slash + 1 : pattern.size());
  }
  return out;
}

bool is_parameter(const std::string& segment) { return segment.starts_with(':'); }

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  const bool takes_rest = pattern.back() == "*";
  const auto end = pattern.end() - (takes_rest ? 1 : 0);
  const auto count = std::min(end - pattern.begin(), segments.end() - segments.begin());
  return std::equal(pattern.begin(), end, segments.begin(), takes_rest ? segments.begin() + count : segments.end(),
                    [](const std::string& wanted, const std::string& given) {
                      return is_parameter(wanted) ? !given.empty() : wanted == given;
                    });
}

}  // namespace

bool Call::is_let_in(const About& what) const { return lets_in(route->scopes, request.principal, parameters, what); }

http::Response error_response(unsigned status, std::string_view text) {
  http::Response out;
  out.status = status;
  out.content_type = "application/json";
  out.body = engine::to_json(engine::Value(engine::Object{{"error", engine::Value(std::string(text))}}));
  return out;
}

RouteTable::RouteTable(std::vector<Route> routes, std::function<void()> let_go) : let_go_(std::move(let_go)) {
  for (Route& route : routes) {
    Entry entry;
    entry.segments = split(route.pattern);
    entry.route = std::move(route);
    entries_.push_back(std::move(entry));
  }
}

std::vector<const Route*> RouteTable::routes() const {
  std::vector<const Route*> out;
  for (const Entry& entry : entries_) {
    out.push_back(&entry.route);
  }
  return out;
}

const RouteTable::Entry* RouteTable::find(const http::Request& request) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&request](const Entry& entry) {
    return (entry.route.method.empty() || entry.route.method == request.method) &&
           fits(entry.segments, request.segments);
  });
  return found == entries_.end() ? nullptr : &*found;
}

std::string RouteTable::methods_of(const http::Request& request) const {
  std::string out;
  for (const Entry& entry : entries_) {
    if (fits(entry.segments, request.segments)) {
      out += (out.empty() ? "" : ", ") + entry.route.method + (entry.route.method == "GET" ? ", HEAD" : "");
    }
  }
  return out;
}

http::Admission RouteTable::admit(const http::Request& head) {
  http::Admission out;
  out.body_bytes_max = kStrayBodyBytesMax;
  if (const Entry* entry = find(head); entry != nullptr) {
    out.body_bytes_max = entry->route.body_bytes_max;
    out.body_ms = entry->route.body_ms;
    out.route = entry->route.pattern;
    out.open = entry->route.open;
  } else if (out.allow = methods_of(head); !out.allow.empty()) {
    out.refusal = {405, "Method not allowed"};
  }
  return out;
}

void RouteTable::let_go() noexcept {
  if (let_go_) {
    let_go_();
  }
}

void RouteTable::serve(http::Request request, http::Answer answer) {
  const Entry* entry = find(request);
  if (entry == nullptr) {
    answer.send(error_response(404, "there is nothing here"));
    return;
  }
  const int role = request.principal.role;
  const bool may_call = role == kPublicToken ? !entry->route.scopes.empty() : (role & entry->route.roles) != 0;
  if (role != 0 && !may_call) {
    answer.send(role == kPublicToken
                    ? error_response(401, "a public access token does not open this route: it needs an API key")
                    : error_response(403, "this token does not open this route"));
    return;
  }
  Call call;
  for (size_t i = 0; i < entry->segments.size(); ++i) {
    if (is_parameter(entry->segments[i])) {
      call.parameters.push_back(request.segments[i]);
    }
  }
  call.request = std::move(request);
  call.answer = std::move(answer);
  call.route = &entry->route;
  entry->route.handler(std::move(call));
}

}  // namespace cairn::server
