#include "api/secret/secret.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "api/secret/secret_file.h"
#include "wal/descriptor.h"

namespace cairn {

namespace {

// Checks that the text can follow "Bearer " in a header, cannot break the header, and is too long to be guessed.
Status check_token(std::string_view text) {
  if (text.empty()) {
    return {Code::kInvalidArgument, "the token is empty"};
  }
  if (text.size() > Secret::kBytesMax) {
    return {Code::kTooLarge, "the token has more than 8192 characters"};
  }
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
    return {Code::kInvalidArgument, "the token has a space or a byte that is not visible ASCII"};
  }
  if (text.size() < Secret::kBytesMin) {
    return {Code::kInvalidArgument, "the token has fewer than 32 characters (openssl rand -hex 32)"};
  }
  return {};
}

}  // namespace

Secret::Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    bytes_.swap(other.bytes_);
  }
  return *this;
}

Secret::~Secret() { wipe(); }

void Secret::wipe() {
  bytes_.resize(bytes_.capacity());  // does not reallocate
  if (!bytes_.empty()) {
    explicit_bzero(bytes_.data(), bytes_.size());
  }
  bytes_.clear();
}

Result<Secret> Secret::from_file(const std::string& path) {
  CAIRN_TRY_ASSIGN(const wal::Descriptor file, open_secret_file(path, SecretKind::kToken));
  Secret secret;
  std::vector<char>& bytes = secret.bytes_;
  bytes.resize(kBytesMax + 3);  // never grows: a smaller buffer would be freed without being wiped
  size_t length = 0;
  while (length < bytes.size()) {
    const ssize_t got = read(file.get(), bytes.data() + length, bytes.size() - length);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return {Code::kIo, "the token file cannot be read", errno};
    }
    if (got == 0) {
      break;
    }
    length += static_cast<size_t>(got);
  }
  if (length > 0 && bytes[length - 1] == '\n') {
    --length;
    if (length > 0 && bytes[length - 1] == '\r') {
      --length;
    }
  }
  CAIRN_TRY(check_token({bytes.data(), length}));
  bytes.resize(length + 1);
  bytes[length] = '\0';
  return secret;
}

Result<Secret> Secret::from_environment(const std::string& variable) {
  const char* text =
      std::getenv(variable.c_str());  // NOLINT(concurrency-mt-unsafe): only a concurrent setenv would race
  if (text == nullptr) {
    return {Code::kInvalidArgument, "the environment variable of the token is not set"};
  }
  return from_text(text);
}

Result<Secret> Secret::from_text(std::string_view text) {
  CAIRN_TRY(check_token(text));
  Secret secret;
  secret.bytes_.reserve(text.size() + 1);
  secret.bytes_.assign(text.begin(), text.end());
  secret.bytes_.push_back('\0');
  return secret;
}

bool Secret::equals(std::string_view text) const noexcept {
  const std::string_view own = reveal();
  if (own.empty() || text.size() != own.size()) {
    return false;  // the length is not secret
  }
  volatile unsigned char differs = 0;  // volatile, so that the compiler does not end the loop early
  for (size_t i = 0; i < own.size(); ++i) {
    differs = static_cast<unsigned char>(differs |
                                         (static_cast<unsigned char>(own[i]) ^ static_cast<unsigned char>(text[i])));
  }
  return differs == 0;
}

Secret Secret::with_prefix(std::string_view prefix) const {
  Secret line;
  line.bytes_.reserve(prefix.size() + bytes_.size());
  line.bytes_.assign(prefix.begin(), prefix.end());
  line.bytes_.insert(line.bytes_.end(), bytes_.begin(), bytes_.end());
  return line;
}

}  // namespace cairn
