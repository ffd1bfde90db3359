// Where a secret comes from, and that it goes nowhere.
#include "api/http/secret.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <ostream>
#include <type_traits>
#include <utility>

#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

using http::Secret;

template <class T, class = void>
struct HasStreamOperator : std::false_type {};
template <class T>
struct HasStreamOperator<T, std::void_t<decltype(std::declval<std::ostream&>() << std::declval<const T&>())>>
    : std::true_type {};
static_assert(!HasStreamOperator<Secret>::value);
static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string> && !std::is_convertible_v<Secret, std::string_view>);

class SecretFile : public HttpTest {
 protected:
  std::string write(const std::string& text, mode_t mode = 0600) {
    std::string path = directory() + "/token";
    std::ofstream(path) << text;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  static void expect_error(Code code, const std::string& words, const std::string& path) {
    const auto secret = Secret::from_file(path);
    ASSERT_FALSE(secret.ok());
    EXPECT_EQ(secret.code(), code);
    EXPECT_NE(std::string(secret.status().what).find(words), std::string::npos) << secret.status().what;
  }
};

TEST_F(SecretFile, IsReadWithoutItsLineEnd) {
  for (const char* end : {"", "\n", "\r\n"}) {
    const auto secret = Secret::from_file(write(std::string(kToken) + end));
    ASSERT_TRUE(secret.ok()) << secret.status().what;
    EXPECT_TRUE(secret->equals(kToken));
  }
  EXPECT_TRUE(Secret::from_file(write(kToken, 0400)).ok());
}

TEST_F(SecretFile, EqualsOnlyTheSameText) {
  auto secret = Secret::from_text(kToken);
  ASSERT_TRUE(secret.ok());
  const std::string token = kToken;
  EXPECT_TRUE(secret->equals(token));
  EXPECT_FALSE(secret->equals(""));
  EXPECT_FALSE(secret->equals(token + "x"));
  EXPECT_FALSE(secret->equals(token.substr(1)));
  EXPECT_FALSE(secret->equals("x" + token.substr(1)));
  const Secret moved = std::move(secret).value();
  EXPECT_TRUE(moved.equals(token));
  EXPECT_FALSE(secret->equals(token));  // NOLINT(bugprone-use-after-move): it is empty then
}

TEST_F(SecretFile, MissingIsNotFound) { expect_error(Code::kNotFound, "not there", directory() + "/none"); }

TEST_F(SecretFile, ReadableByOthersIsRefused) {
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0610}) {
    expect_error(Code::kUnsafe, "chmod 600", write(kToken, mode));
  }
}

TEST_F(SecretFile, BehindALinkIsRefused) {
  const std::string link = directory() + "/link";
  ASSERT_EQ(symlink(write(kToken).c_str(), link.c_str()), 0);
  expect_error(Code::kUnsafe, "symbolic link", link);
}

TEST_F(SecretFile, WhatIsNoFileIsRefusedWithoutWaiting) {
  const std::string pipe = directory() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  expect_error(Code::kUnsafe, "no regular file", pipe);
  expect_error(Code::kUnsafe, "no regular file", directory());
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  (directory() + "/socket").copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  expect_error(Code::kUnsafe, "no regular file", address.sun_path);
  close(fd);
}

TEST_F(SecretFile, OfAnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to give a file away";
  const std::string path = write(kToken);
  ASSERT_EQ(chown(path.c_str(), 65534, 65534), 0);
  expect_error(Code::kUnsafe, "another user", path);
}

TEST_F(SecretFile, ShortLongOrOddTextIsRefused) {
  expect_error(Code::kInvalidArgument, "at least 32", write(std::string(31, 'x') + "\n"));
  expect_error(Code::kInvalidArgument, "at least 32", write(""));
  expect_error(Code::kInvalidArgument, "at most 4096", write(std::string(4097, 'x')));
  expect_error(Code::kInvalidArgument, "at most 4096", write(std::string(100'000, 'x')));
  EXPECT_TRUE(Secret::from_file(write(std::string(4096, 'x') + "\r\n")).ok());
  for (const char* odd : {" ", "\n", "\t", "\x7f", "\xc3\xa4"}) {
    expect_error(Code::kInvalidArgument, "visible ASCII", write(std::string(20, 'x') + odd + std::string(20, 'x')));
  }
}

TEST_F(SecretFile, ComesFromTheEnvironmentToo) {
  EXPECT_EQ(Secret::from_environment("CAIRN_TEST_TOKEN").code(), Code::kNotFound);
  setenv("CAIRN_TEST_TOKEN", "short", 1);  // NOLINT(concurrency-mt-unsafe): one thread
  EXPECT_EQ(Secret::from_environment("CAIRN_TEST_TOKEN").code(), Code::kInvalidArgument);
  setenv("CAIRN_TEST_TOKEN", kToken, 1);  // NOLINT(concurrency-mt-unsafe)
  const auto secret = Secret::from_environment("CAIRN_TEST_TOKEN");
  ASSERT_TRUE(secret.ok());
  EXPECT_TRUE(secret->equals(kToken));
  unsetenv("CAIRN_TEST_TOKEN");  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace
}  // namespace cairn::tests
