#include "api/http/secret.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "wal/descriptor.h"

namespace cairn::http {
namespace {

constexpr size_t kLengthMin = 32;
constexpr size_t kLengthMax = 4096;

struct Wiped {
  std::array<char, kLengthMax + 3> bytes{};
  Wiped() = default;
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

Status examine(int fd) {
  struct stat st = {};
  if (fstat(fd, &st) != 0) return {Code::kIo, "stat of the secret's file", errno};
  if (!S_ISREG(st.st_mode)) return {Code::kUnsafe, "the secret's file is no regular file"};
  if (st.st_uid != geteuid()) return {Code::kUnsafe, "the secret's file belongs to another user"};
  if ((st.st_mode & 077) != 0) return {Code::kUnsafe, "others may read or write the secret's file; chmod 600 it"};
  return {};
}

Result<Secret> read_secret(int fd) {
  CAIRN_TRY(examine(fd));
  Wiped wiped;
  size_t size = 0;
  while (size < wiped.bytes.size()) {
    const ssize_t n = ::read(fd, wiped.bytes.data() + size, wiped.bytes.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return {Code::kIo, "reading the secret's file", errno};
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  std::string_view text(wiped.bytes.data(), size);
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return Secret::from_text(text);
}

}  // namespace

Result<Secret> Secret::from_file(const std::string& path) {
  // O_NONBLOCK: a named pipe shall not make us wait.
  const int fd = wal::above_standard(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd < 0) {
    const int error = errno;
    if (error == ENOENT) return {Code::kNotFound, "the secret's file is not there", error};
    if (error == ELOOP) return {Code::kUnsafe, "the secret's file is a symbolic link", error};
    if (error == ENXIO) return {Code::kUnsafe, "the secret's file is no regular file", error};  // a socket
    return {Code::kIo, "opening the secret's file", error};
  }
  Result<Secret> secret = read_secret(fd);
  ::close(fd);
  return secret;
}

Result<Secret> Secret::from_environment(const char* name) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody here changes the environment
  if (text == nullptr) return {Code::kNotFound, "the secret's environment variable is not set"};
  return from_text(text);
}

Result<Secret> Secret::from_text(std::string_view text) {
  if (text.size() < kLengthMin) return {Code::kInvalidArgument, "a secret has at least 32 characters"};
  if (text.size() > kLengthMax) return {Code::kInvalidArgument, "a secret has at most 4096 characters"};
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
    return {Code::kInvalidArgument, "a secret is one line of visible ASCII characters without blanks"};
  }
  return Secret(text);
}

Secret::Secret(std::string_view text) : bytes_(std::make_unique<char[]>(text.size())), size_(text.size()) {
  std::memcpy(bytes_.get(), text.data(), text.size());
}

Secret::~Secret() { wipe(); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    bytes_ = std::move(other.bytes_);
    size_ = other.size_;
  }
  return *this;
}

bool Secret::equals(std::string_view text) const noexcept {
  if (bytes_ == nullptr) return false;
  const bool same_size = text.size() == size_;  // the length is not what is secret
  const char* other = same_size ? text.data() : bytes_.get();
  return (CRYPTO_memcmp(bytes_.get(), other, size_) == 0) && same_size;
}

void Secret::wipe() noexcept {
  if (bytes_ != nullptr) OPENSSL_cleanse(bytes_.get(), size_);
}

}  // namespace cairn::http
