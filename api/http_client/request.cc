#include "api/http_client/request.h"

#include <zstd.h>

#include <algorithm>

namespace cairn::http_client {

namespace {

constexpr int kLevel = 3;

bool is_method(std::string_view method) {
  return method == "GET" || method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE";
}

// '#' would begin a fragment, which is not sent.
bool is_path(std::string_view path) {
  return !path.empty() && path.front() == '/' &&
         std::all_of(path.begin(), path.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

bool is_header_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// The body as zstd; empty if that is not smaller.
std::string compressed(std::string_view body) {
  std::string packed(body.size() - 1, '\0');
  const size_t length = ZSTD_compress(packed.data(), packed.size(), body.data(), body.size(), kLevel);
  packed.resize(ZSTD_isError(length) != 0 ? 0 : length);  // most often: it does not fit
  return packed;
}

// libcurl reads header lines only.
char* literal(const char* line) { return const_cast<char*>(line); }

}  // namespace

Status Request::prepare(const std::string& method, const std::string& path, std::string_view body,
                        const std::string& content_type, size_t compress_above_bytes, const char* authorization,
                        std::string_view header) {
  if (!is_method(method)) {
    return {Code::kInvalidArgument, "the method is not one of GET, POST, PUT, PATCH and DELETE"};
  }
  if (method == "GET" && !body.empty()) {
    return {Code::kInvalidArgument, "a GET has no body"};
  }
  if (!is_path(path)) {
    return {Code::kInvalidArgument, "the path does not begin with a slash, or has bytes that must be escaped"};
  }
  if (!is_header_value(content_type)) {
    return {Code::kInvalidArgument, "the content type has bytes that are not printable ASCII"};
  }
  if (!is_header_value(header) || (!header.empty() && header.find(": ") == std::string_view::npos)) {
    return {Code::kInvalidArgument, "the header is not a line of printable ASCII, \"name: value\""};
  }
  method_ = method;
  path_ = path;
  header_ = header;
  body_.clear();
  if (body.size() > std::max<size_t>(compress_above_bytes, 1)) {
    body_ = compressed(body);
  }
  const bool packed = !body_.empty();
  if (!packed) {
    body_ = body;
  }

  header_count_ = 0;
  add_header(literal("Expect:"));  // left out, or libcurl would wait for a "100 Continue" before large bodies
  if (authorization != nullptr) {
    add_header(literal(authorization));
  }
  if (method_ != "GET") {
    content_type_ = content_type.empty() ? "Content-Type:" : "Content-Type: " + content_type;
    add_header(content_type_.data());
  }
  if (packed) {
    add_header(literal("Content-Encoding: zstd"));
  }
  if (!header_.empty()) {
    add_header(header_.data());
  }
  return {};
}

void Request::add_header(char* line) {
  headers_[header_count_] = {.data = line, .next = nullptr};
  if (header_count_ > 0) {
    headers_[header_count_ - 1].next = &headers_[header_count_];
  }
  ++header_count_;
}

void Request::clear() { std::string().swap(body_); }

}  // namespace cairn::http_client
