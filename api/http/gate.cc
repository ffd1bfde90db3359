#include "api/http/gate.h"

#include <algorithm>
#include <utility>  // ahead of Asio

namespace cairn::http {
namespace {

namespace http = boost::beast::http;

bool contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_wrong(std::string_view site) { return site != "same-origin" && site != "none"; }

}  // namespace

Names Names::of(const Listen& address, bool tls, const std::vector<std::string>& configured) {
  Names out;
  const std::string scheme = tls ? "https://" : "http://";
  const auto add = [&](const std::string& host) {
    out.hosts.push_back(host);
    out.origins.push_back(scheme + host);
  };
  if (address.kind == Listen::Kind::kUnix) {
    add("localhost");  // what clients of unix sockets send; no browser connects to one
  } else {
    std::vector<std::string> own = {"127.0.0.1", "localhost", "[::1]"};
    // A numeric Host is not a name that the DNS of an attacker could answer for.
    const std::string text = lower_case(address.text());
    const std::string numeric = text.substr(0, text.rfind(':'));
    if (!contains(own, numeric) && numeric != "0.0.0.0" && numeric != "[::]") {
      own.push_back(numeric);
    }
    for (const std::string& host : own) {
      add(host + ":" + std::to_string(address.port));
      if (address.port == (tls ? 443 : 80)) {
        add(host);
      }
    }
  }
  for (const std::string& name : configured) {
    const std::string host = lower_case(name);
    out.hosts.push_back(host);
    out.origins.push_back("http://" + host);  // a proxy before this server may use TLS for it
    out.origins.push_back("https://" + host);
  }
  return out;
}

Refusal check_names(const Fields& fields, std::string_view method, const Names& names,
                    const std::vector<std::string>& allowed, std::string& page) {
  if (fields.count(http::field::host) != 1) {
    return {400, "a request has one Host"};
  }
  if (!contains(names.hosts, lower_case(text(fields[http::field::host])))) {
    return {421, "this server does not answer for this Host"};
  }
  const size_t origins = fields.count(http::field::origin);
  if (origins > 1) {
    return {400, "more than one Origin"};
  }
  if (origins == 1) {
    const std::string_view origin = text(fields[http::field::origin]);
    if (contains(allowed, origin)) {
      page = origin;
      return {};
    }
    if (!contains(names.origins, lower_case(origin))) {
      return {403, "requests from this Origin are not allowed"};
    }
  }
  if (method != "GET" && method != "HEAD") {
    const auto [begin, end] = fields.equal_range("Sec-Fetch-Site");
    if (std::any_of(begin, end, [](const auto& field) { return is_wrong(text(field.value())); })) {
      return {403, "requests from another site are not allowed"};
    }
  }
  return {};
}

bool is_preflight(const Fields& fields, std::string_view method) {
  return method == "OPTIONS" && fields.count(http::field::origin) == 1 &&
         fields.count(http::field::access_control_request_method) == 1;
}

Refusal CredentialGate::check(const Fields& fields, bool of_a_page, bool is_own_user,
                              std::chrono::steady_clock::time_point now, Principal& principal) {
  if (!authenticate_) {
    return {};
  }
  const size_t count = fields.count(http::field::authorization);
  if (count > 1) {
    return {400, "more than one Authorization"};
  }
  Credentials credentials;
  credentials.has_authorization = count == 1;
  credentials.is_own_user = is_own_user;
  constexpr std::string_view kBearer = "Bearer ";
  std::string_view value = text(fields[http::field::authorization]);
  if (equals_ignoring_case(value.substr(0, kBearer.size()), kBearer)) {
    value.remove_prefix(kBearer.size());
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    credentials.bearer = value;
  }
  if (!of_a_page && fields.count(http::field::cookie) == 1) {
    credentials.cookie = text(fields[http::field::cookie]);
  }
  Authenticated found = authenticate_(credentials);
  if (!found.refusal && found.principal.role == 0) {
    found.refusal = {401, "no role"};  // 0 is nobody, for whom everything is open
  }
  if (!found.refusal) {
    principal = std::move(found.principal);
    return {};
  }
  if (!found.counts) {
    return found.refusal;
  }
  while (!guesses_.empty() && now - guesses_.front() > window_) {
    guesses_.pop_front();
  }
  if (guesses_.size() >= guesses_max_) {
    return {429, "too many wrong tokens"};
  }
  guesses_.push_back(now);
  return found.refusal;
}

}  // namespace cairn::http
