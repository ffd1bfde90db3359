// Why the listener itself refuses a request. The connection is closed after it.
#pragma once

namespace cairn::http {

struct Refusal {
  unsigned status = 0;    // 0: not refused
  const char* what = "";  // a literal: nothing of the request is repeated
  [[nodiscard]] explicit operator bool() const { return status != 0; }
};

}  // namespace cairn::http
