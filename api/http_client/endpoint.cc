#include "api/http_client/endpoint.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <strings.h>
#include <sys/un.h>

#include <cstdint>
#include <memory>
#include <string_view>

namespace cairn::http_client {

namespace {

constexpr std::string_view kUnix = "unix:";

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;

std::string part(const Url& url, CURLUPart what) {
  char* text = nullptr;
  if (curl_url_get(url.get(), what, &text, 0) != CURLUE_OK) {
    return {};
  }
  std::string copy = text;
  curl_free(text);
  return copy;
}

struct Host {
  bool loopback = false;
  bool name = true;
};

// libcurl has already converted unusual forms of an IPv4 address (127.1, 0x7f000001) to four numbers.
Host look_at(const std::string& host) {
  in_addr v4 = {};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return {.loopback = (ntohl(v4.s_addr) >> 24) == 127, .name = false};
  }
  if (host.size() > 2 && host.front() == '[') {
    in6_addr v6 = {};
    const std::string address = host.substr(1, host.size() - 2);
    return {.loopback = inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6) != 0,
            .name = false};
  }
  // libcurl answers localhost itself, whatever the resolver says.
  return strcasecmp(host.c_str(), "localhost") == 0 ? Host{.loopback = true, .name = false} : Host{};
}

Result<Endpoint> parse_socket(const std::string& url) {
  if (url.find('?') != std::string::npos) {
    return {Code::kInvalidArgument, "the upstream URL: the path of a socket holds no '?'"};
  }
  std::string path = url.substr(kUnix.size());
  if (path.compare(0, 3, "///") == 0) {
    path.erase(0, 2);
  }
  if (path.empty() || path.front() != '/' || path.compare(0, 2, "//") == 0) {
    return {Code::kInvalidArgument, "the upstream URL: unix: needs an absolute path"};
  }
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return {Code::kInvalidArgument, "the upstream URL: the path of a socket has at most 107 bytes"};
  }
  Endpoint endpoint;
  endpoint.base = "http://localhost";
  endpoint.shown = std::string(kUnix) + path;
  endpoint.socket_path = std::move(path);
  endpoint.local = true;
  return endpoint;
}

}  // namespace

Result<Endpoint> parse_endpoint(const std::string& url, bool allow_plain_http) {
  if (url.find('\0') != std::string::npos) {
    return {Code::kInvalidArgument, "the upstream URL holds a zero byte"};
  }
  if (url.compare(0, kUnix.size(), kUnix) == 0) {
    return parse_socket(url);
  }
  const Url parsed(curl_url());
  if (!parsed) {
    return {Code::kNoMemory, "reading the upstream URL"};
  }
  const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_DISALLOW_USER);
  if (code == CURLUE_USER_NOT_ALLOWED) {
    return {Code::kInvalidArgument, "the upstream URL has a user or password in it: give a token instead"};
  }
  if (code != CURLUE_OK) {
    return {Code::kInvalidArgument, "the upstream URL is not an http://, https:// or unix:/ URL"};
  }
  const std::string scheme = part(parsed, CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return {Code::kInvalidArgument, "the upstream URL is not an http://, https:// or unix:/ URL"};
  }
  if (url.find_first_of("?#") != std::string::npos) {
    return {Code::kInvalidArgument, "the upstream URL has a query or a fragment"};
  }
  Endpoint endpoint;
  endpoint.base = part(parsed, CURLUPART_URL);
  while (!endpoint.base.empty() && endpoint.base.back() == '/') {
    endpoint.base.pop_back();
  }
  endpoint.shown = endpoint.base;
  endpoint.tls = scheme == "https";
  const Host host = look_at(part(parsed, CURLUPART_HOST));
  endpoint.local = host.loopback;
  endpoint.has_name = host.name;
  if (!endpoint.tls && !endpoint.local && !allow_plain_http) {
    return {Code::kUnsafe, "the upstream URL: plain http only to this machine (use https)"};
  }
  return endpoint;
}

}  // namespace cairn::http_client
