#include "api/report.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "engine/json/json.h"

namespace cairn::api {

namespace {

// Constant initialised and of fixed size: a failing call allocates nothing, and there is nothing to destroy when a
// thread ends.
struct LastError {
  cairn_error error;
  uint64_t next_index;
};
thread_local LastError g_last = {};

// Cuts at a whole character, so that the text stays UTF-8.
std::string_view cut(std::string_view text, size_t bytes_max) {
  size_t n = std::min(text.size(), bytes_max);
  if (n < text.size()) {
    while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xc0u) == 0x80u) {
      --n;
    }
  }
  return text.substr(0, n);
}

template <size_t N>
void copy_text(char (&to)[N], std::string_view from) {
  const std::string_view fits = cut(from, N - 1);
  std::memcpy(to, fits.data(), fits.size());
  to[fits.size()] = '\0';
}

// A message of several parts, one line of UTF-8; it is cut to its maximal size.
class Message {
 public:
  Message& add(std::string_view part) {
    const bool utf8 = engine::valid_utf8(part);
    for (const char c : cut(part, sizeof text_ - 1 - used_)) {
      const auto byte = static_cast<unsigned char>(c);
      text_[used_++] = byte < 0x20 || byte == 0x7f || (byte > 0x7f && !utf8) ? '?' : c;
    }
    return *this;
  }
  [[nodiscard]] std::string_view text() const { return {text_, used_}; }

 private:
  char text_[sizeof cairn_error::message];
  size_t used_ = 0;
};

void begin(Status status) {
  g_last.error = cairn_error{};
  g_last.error.code = static_cast<int32_t>(status.code);
  g_last.error.os_errno = status.cause;
  g_last.error.index = g_last.next_index;
  g_last.next_index = 0;
}

}  // namespace

cairn_error& thread_error() noexcept { return g_last.error; }

void name_in_error(std::string_view run, std::string_view key) noexcept {
  if (run.empty()) {  // there are several runs, and none is at fault
    return;
  }
  constexpr size_t kKeyBytesShown = 64;
  cairn_error& error = g_last.error;
  copy_text(error.run, run);
  if (key.data() != nullptr) {
    error.key_bytes = static_cast<uint32_t>(key.size());
    copy_text(error.key, key);
  } else if (run == error.key) {  // the engine put the run's id there
    error.key_bytes = 0;
    error.key[0] = '\0';
  }
  Message message;
  message.add("run \"").add(error.run).add("\"");
  if (key.data() != nullptr || error.key[0] != '\0') {
    const std::string_view shown = cut(error.key, kKeyBytesShown);
    message.add(", key \"").add(shown).add(shown.size() < error.key_bytes ? "...\"" : "\"");
  }
  message.add(": ").add(error.message);
  copy_text(error.message, message.text());
}

cairn_status report_exception() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return report_literal({Code::kNoMemory, "no memory"});
  } catch (...) {
    return report_literal({Code::kInternal, "an unexpected exception: a bug in Cairn"});
  }
}

cairn_status report_literal(Status status) noexcept {
  begin(status);
  copy_text(g_last.error.message, status.what);
  return g_last.error.code;
}

cairn_status report_failure(Status status) noexcept {
  begin(status);
  engine::ErrorDetail& detail = engine::error_detail();
  cairn_error& error = g_last.error;
  // A detail with another code is of an earlier failure inside, which did not fail the call.
  if (detail.code == status.code) {
    error.reason = static_cast<int32_t>(detail.reason);
    error.needed = detail.needed;
    error.limit = detail.limit;
    error.owner_pid = detail.owner_pid;
    error.owner_alive = detail.owner_alive ? 1 : 0;
    error.key_bytes = static_cast<uint32_t>(detail.key.size());
    copy_text(error.key, detail.key);
    if (error.os_errno == 0) {
      error.os_errno = detail.cause;
    }
  }
  const bool says_more = detail.code == status.code && !detail.message.empty();
  copy_text(error.message, says_more ? std::string_view(detail.message) : std::string_view(status.what));
  if (error.message[0] == '\0') {
    copy_text(error.message, cairn_status_text(error.code));
  }
  detail.code = Code::kOk;
  return error.code;
}

void note_index(size_t index) noexcept { g_last.next_index = index; }

Status invalid(const char* message) { return {Code::kInvalidArgument, message}; }

}  // namespace cairn::api
