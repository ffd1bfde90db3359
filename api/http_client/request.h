// One request in the form that libcurl needs: libcurl keeps pointers into these bytes until the reply is there.
#pragma once

#include <curl/curl.h>

#include <array>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::http_client {

class Request {
 public:
  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  /// `authorization`: a whole header line that outlives the request, or nullptr. `header`: one more line; empty: none.
  /// Errors: as Client::send.
  Status prepare(const std::string& method, const std::string& path, std::string_view body,
                 const std::string& content_type, size_t compress_above_bytes, const char* authorization,
                 std::string_view header = {});

  /// Frees the memory of the body.
  void clear();

  [[nodiscard]] const std::string& method() const { return method_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& body() const { return body_; }
  [[nodiscard]] curl_slist* headers() { return headers_.data(); }

 private:
  void add_header(char* line);

  std::string method_;
  std::string path_;
  std::string body_;
  std::string content_type_;             // the whole line
  std::string header_;                   // likewise
  std::array<curl_slist, 5> headers_{};  // linked by hand, so that libcurl's list holds no second copy of the token
  size_t header_count_ = 0;
};

}  // namespace cairn::http_client
