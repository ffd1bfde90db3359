#include "api/http/account.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <random>

namespace cairn::http {

namespace {

constexpr size_t kIdBytesMax = 64;

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= kIdBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

/// Of this process no other has it, and of another one hardly.
std::string new_id() {
  static const uint32_t process = std::random_device()();
  static std::atomic<uint64_t> count{0};
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%08x-%llx", process, static_cast<unsigned long long>(++count));
  return text.data();
}

}  // namespace

void Account::begin(const Core& core) {
  is_open_ = static_cast<bool>(core.on_end);
  began_ = std::chrono::steady_clock::now();
  status_ = 0;
  bytes_ = 0;
  role_ = 0;
  route_ = {};
  method_.clear();
  path_.clear();
  id_.clear();
}

void Account::open(const Core& core, std::string_view method, std::string_view path, std::string_view given_id) {
  begin(core);
  if (is_open_) {
    method_ = method;
    path_ = path;
  }
  if (core.request_ids) {
    id_ = is_id(given_id) ? std::string(given_id) : new_id();
  }
}

void Account::responds(const Core& core, unsigned status, uint64_t bytes) {
  if (!is_open_) {
    begin(core);
  }
  status_ = status;
  bytes_ = bytes;
}

void Account::close(const Core& core) noexcept {
  if (!is_open_) {
    return;
  }
  is_open_ = false;
  try {
    const auto took = std::chrono::steady_clock::now() - began_;
    core.on_end({method_, path_, route_, status_, bytes_,
                 std::chrono::duration_cast<std::chrono::microseconds>(took).count(), role_, id_});
  } catch (...) {  // NOLINT(bugprone-empty-catch): what is not counted is no reason to end a connection
  }
}

}  // namespace cairn::http
