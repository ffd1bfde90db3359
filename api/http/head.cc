#include "api/http/head.h"

#include <algorithm>
#include <utility>  // ahead of Asio, whose awaitable.hpp uses std::exchange without it

namespace cairn::http {
namespace {

namespace http = boost::beast::http;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

HeadScan::Found HeadScan::scan(std::string_view bytes) {
  for (; at_ < bytes.size(); ++at_) {
    const auto c = static_cast<unsigned char>(bytes[at_]);
    const bool after_cr = at_ > 0 && bytes[at_ - 1] == '\r';
    if (after_cr != (c == '\n')) {
      return Found::kBad;
    }
    if (c == '\n') {
      const bool empty = line_begin_ + 1 == at_;
      if (empty && line_begin_ == 0) {
        return Found::kBad;
      }
      line_begin_ = at_ + 1;
      if (empty) {
        ++at_;
        return Found::kComplete;
      }
      continue;
    }
    if (at_ == line_begin_ && (c == ' ' || c == '\t')) {
      return Found::kBad;
    }
    if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f) {
      return Found::kBad;
    }
  }
  return Found::kMore;
}

Refusal check_framing(const Fields& fields, unsigned version) {
  const size_t encodings = fields.count(http::field::transfer_encoding);
  const size_t lengths = fields.count(http::field::content_length);
  if (encodings + lengths > 1) {
    return {400, "more than one of Content-Length and Transfer-Encoding"};
  }
  if (encodings == 1) {
    if (version < 11) {
      return {400, "Transfer-Encoding in HTTP/1.0"};
    }
    if (!equals_ignoring_case(text(fields[http::field::transfer_encoding]), "chunked")) {
      return {400, "a Transfer-Encoding other than chunked"};
    }
  }
  if (lengths == 1) {
    const std::string_view length = text(fields[http::field::content_length]);
    if (length.empty() || !std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      return {400, "a Content-Length that is not a number"};
    }
  }
  return {};
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

}  // namespace cairn::http
