// Refuses request heads that Boost.Beast 1.74 accepts but that two servers may understand differently: then one of them
// may see a second request that an attacker has put there (request smuggling). Beast accepts folded lines, several
// equal Content-Length fields and lists of them, a Transfer-Encoding that is not "chunked" (as no body, or together
// with a Content-Length), and waits for more if a line ends in a bare LF.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "api/http/refusal.h"

namespace cairn::http {

/// Checks the bytes of one head as they arrive. Lines end in CRLF, CR and LF are nowhere else; no line is folded; no
/// control characters.
class HeadScan {
 public:
  enum class Found { kMore, kComplete, kBad };
  /// `bytes`: the head so far, from its first byte; longer at each call.
  Found scan(std::string_view bytes);
  /// After kComplete: the length of the head.
  [[nodiscard]] size_t bytes() const { return at_; }
  /// Where the line begins that is not complete yet.
  [[nodiscard]] size_t line_begin() const { return line_begin_; }

 private:
  size_t at_ = 0;
  size_t line_begin_ = 0;
};

using Fields = boost::beast::http::fields;

/// Refuses (400) framing that can be understood in two ways. `version`: 10 or 11.
Refusal check_framing(const Fields& fields, unsigned version);

inline std::string_view text(boost::beast::string_view view) { return {view.data(), view.size()}; }
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string lower_case(std::string_view text);

}  // namespace cairn::http
