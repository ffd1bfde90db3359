#include "api/secret/secret.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <type_traits>

#include "api/secret/secret_file.h"
#include "tests/http_client/http_client_fixture.h"

namespace cairn::http_client {

namespace {

template <class T, class = void>
struct Prints : std::false_type {};
template <class T>
struct Prints<T, std::void_t<decltype(std::declval<std::ostream&>() << std::declval<const T&>())>> : std::true_type {};
static_assert(Prints<std::string>::value);
static_assert(!Prints<Secret>::value);
static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);

}  // namespace

class Secrets : public HttpClientTest {
 protected:
  static std::string outcome(const std::string& path) {
    const auto secret = Secret::from_file(path);
    if (secret.ok()) {
      return "token " + std::string(secret->reveal());
    }
    const Status status = secret.status();
    return std::to_string(static_cast<int>(status.code)) + ": " + status.what;
  }
  std::string with(const std::string& bytes, mode_t mode = 0600) const { return outcome(write_file("t", bytes, mode)); }
};

TEST_F(Secrets, AFileHoldsTheTokenAndPerhapsAnEndOfLine) {
  const std::string token(32, 'x');
  for (const char* const end : {"", "\n", "\r\n"}) {
    EXPECT_EQ(with(token + end), "token " + token);
  }
  EXPECT_EQ(with(std::string(8192, 'x') + "\r\n"), "token " + std::string(8192, 'x'));
  EXPECT_EQ(with(token, 0400), "token " + token);
}

TEST_F(Secrets, WhatIsNoTokenIsRefused) {
  EXPECT_EQ(with(""), "16: the token is empty");
  EXPECT_EQ(with("\n"), "16: the token is empty");
  const std::string half(20, 'x');
  const std::string shorter = "16: the token has fewer than 32 characters (openssl rand -hex 32)";
  EXPECT_EQ(with(half), shorter) << "whoever sends it learns it at once, not from the one who asks for it";
  EXPECT_EQ(with(std::string(31, 'x') + "\n"), shorter);
  const std::string bad = "16: the token has a space or a byte that is not visible ASCII";
  for (const std::string& odd : {std::string(" "), std::string("\n"), std::string("\t"), std::string("\x7f"),
                                 std::string("\0", 1), std::string("\xc3\xa4"), std::string("\r\nX-Other: header")}) {
    EXPECT_EQ(with(half + odd + half), bad);
  }
  EXPECT_EQ(with(half + half + "\n\n"), bad);
  EXPECT_EQ(with(std::string(8193, 'x')), "18: the token has more than 8192 characters");
  EXPECT_EQ(with(std::string(100'000, 'x')), "18: the token has more than 8192 characters");
}

TEST_F(Secrets, WhatIsNotItsUsersIsRefused) {
  for (const mode_t mode : {0620, 0602, 0660, 0622, 0777}) {
    EXPECT_EQ(with(kCanary, mode), "54: others may write the token file; chmod 600 it") << std::oct << mode;
  }
  for (const mode_t mode : {0700, 0610, 0755, 04600}) {
    EXPECT_EQ(with(kCanary, mode), "54: the token file has the rights of a program; chmod 600 it") << std::oct << mode;
  }
}

TEST_F(Secrets, WhatOthersMayReadIsTakenWithAWarning) {
  const std::string token = std::string("token ") + kCanary;
  const std::string warning = "others may read the token file; chmod 600 it";
  for (const mode_t mode : {0444, 0644, 0640, 0604}) {
    EXPECT_EQ(with(kCanary, mode), token) << std::oct << mode;
    EXPECT_EQ(secret_file_warning(file("t"), SecretKind::kToken), warning) << std::oct << mode;
  }
  EXPECT_EQ(with(kCanary, 0400), token);
  EXPECT_STREQ(secret_file_warning(file("t"), SecretKind::kToken), "");
  EXPECT_STREQ(secret_file_warning(file("none"), SecretKind::kToken), "");
}

// What others know, they must not be able to choose.
TEST_F(Secrets, WhatOthersMayReadIsNotTakenFromAPlaceThatTheyMayChange) {
  const std::string refused =
      "54: others may write the directory of the token file, or of a link to it; chmod go-w that directory";
  chmod(directory_.c_str(), 0777);
  EXPECT_EQ(with(kCanary, 0444), refused);
  EXPECT_EQ(with(kCanary, 0600), std::string("token ") + kCanary) << "nobody else can make such a file";
  chmod(directory_.c_str(), 0770);
  EXPECT_EQ(with(kCanary, 0444), refused);
  chmod(directory_.c_str(), 01777);
  EXPECT_EQ(with(kCanary, 0444), std::string("token ") + kCanary) << "sticky: as /tmp";
  chmod(directory_.c_str(), 0755);
  EXPECT_EQ(with(kCanary, 0444), std::string("token ") + kCanary);
}

// What Kubernetes mounts: token -> ..data/token, ..data -> ..2026_11_30, exchanged as a whole.
TEST_F(Secrets, MountedSecretsAreLinksToLinks) {
  std::filesystem::create_directory(file("..2026_11_30"));
  write_file("..2026_11_30/token", kCanary, 0444);
  chmod(directory_.c_str(), 01777);
  std::filesystem::create_symlink("..2026_11_30", file("..data"));
  std::filesystem::create_symlink("..data/token", file("token"));
  EXPECT_EQ(outcome(file("token")), std::string("token ") + kCanary);
  std::filesystem::create_symlink(file("token"), file("absolute"));
  EXPECT_EQ(outcome(file("absolute")), std::string("token ") + kCanary);
  chmod(file("..2026_11_30").c_str(), 0777);
  EXPECT_THAT(outcome(file("token")), HasSubstr("others may write the directory of the token file, or of a link"));
  chmod(file("..2026_11_30").c_str(), 0755);
  chmod(directory_.c_str(), 0777);
  EXPECT_THAT(outcome(file("token")), HasSubstr("others may write the directory of the token file, or of a link"));
  chmod(directory_.c_str(), 0700);
  std::filesystem::create_symlink("round", file("round"));
  EXPECT_EQ(outcome(file("round")), "65: the token file cannot be opened");
  std::filesystem::create_symlink("nothing", file("dangling"));
  EXPECT_EQ(outcome(file("dangling")), "65: the token file cannot be opened");
  // By a name without a directory.
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory_);
  EXPECT_EQ(outcome("token"), std::string("token ") + kCanary);
  std::filesystem::current_path(before);
}

class SecretsOfOthers : public Secrets {
 protected:
  static constexpr uid_t kNobody = 65534;
  void SetUp() override {
    if (geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
  }
  /// What somebody who is not root gets.
  std::string as_nobody(const std::string& path) {
    EXPECT_EQ(seteuid(kNobody), 0);
    std::string out = outcome(path);
    EXPECT_EQ(seteuid(0), 0);
    return out;
  }
};

TEST_F(SecretsOfOthers, FilesOfOtherUsersAreRefused) {
  write_file("t", kCanary);
  ASSERT_EQ(chown(file("t").c_str(), kNobody, kNobody), 0);
  EXPECT_EQ(outcome(file("t")), "54: the token file belongs to another user; chown it to this user or to root");
}

TEST_F(SecretsOfOthers, FilesOfRootAreTaken) {
  chmod(directory_.c_str(), 0755);
  write_file("t", kCanary, 0444);
  EXPECT_EQ(as_nobody(file("t")), std::string("token ") + kCanary);
  write_file("t", kCanary, 0440);
  ASSERT_EQ(chown(file("t").c_str(), 0, getegid()), 0);
  EXPECT_EQ(as_nobody(file("t")), std::string("token ") + kCanary);
  ASSERT_EQ(seteuid(kNobody), 0);
  EXPECT_STREQ(secret_file_warning(file("t"), SecretKind::kToken), "") << "root gave it to a group";
  ASSERT_EQ(seteuid(0), 0);
  chmod(directory_.c_str(), 0777);
  EXPECT_THAT(as_nobody(file("t")), HasSubstr("others may write the directory"));
}

TEST_F(SecretsOfOthers, DirectoriesAndLinksOfOthersAreRefused) {
  std::filesystem::create_directory(file("theirs"));
  write_file("theirs/t", kCanary, 0444);
  write_file("ours", kCanary, 0600);
  std::filesystem::create_symlink(file("ours"), file("theirs/link"));
  std::filesystem::create_symlink(file("ours"), file("link"));
  ASSERT_EQ(chown(file("theirs").c_str(), kNobody, kNobody), 0);
  const std::string refused =
      "54: the directory of the token file, or of a link to it, belongs to another user; move it to one of this "
      "user's or of root's";
  EXPECT_EQ(outcome(file("theirs/t")), refused);
  EXPECT_EQ(outcome(file("theirs/link")), refused);
  EXPECT_EQ(outcome(file("link")), std::string("token ") + kCanary);
  ASSERT_EQ(lchown(file("link").c_str(), kNobody, kNobody), 0);
  EXPECT_EQ(outcome(file("link")), "54: a symbolic link to the token file belongs to another user; make the link anew");
}

TEST_F(Secrets, OnlyRegularFilesAreRead) {
  EXPECT_EQ(outcome(directory_), "54: the token file is not a regular file");
  ASSERT_EQ(mkfifo(file("fifo").c_str(), 0600), 0);
  EXPECT_EQ(outcome(file("fifo")), "54: the token file is not a regular file");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  file("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(outcome(address.sun_path), "54: the token file is not a regular file");
  close(fd);
  EXPECT_EQ(outcome(file("nothing")), "65: the token file cannot be opened");
}

TEST_F(Secrets, TheEnvironmentHoldsATokenToo) {
  unsetenv("CAIRN_TEST_TOKEN");
  EXPECT_EQ(Secret::from_environment("CAIRN_TEST_TOKEN").status().what,
            std::string("the environment variable of the token is not set"));
  for (const std::string& bad : {std::string(), std::string("short"), std::string(kCanary) + "\n"}) {
    setenv("CAIRN_TEST_TOKEN", bad.c_str(), 1);
    EXPECT_EQ(Secret::from_environment("CAIRN_TEST_TOKEN").code(), Code::kInvalidArgument);
  }
  setenv("CAIRN_TEST_TOKEN", std::string(8193, 'x').c_str(), 1);
  EXPECT_EQ(Secret::from_environment("CAIRN_TEST_TOKEN").code(), Code::kTooLarge);
  setenv("CAIRN_TEST_TOKEN", kCanary, 1);
  EXPECT_EQ(Secret::from_environment("CAIRN_TEST_TOKEN")->reveal(), kCanary);
  unsetenv("CAIRN_TEST_TOKEN");
}

TEST_F(Secrets, EqualOnlyTheSameText) {
  auto secret = Secret::from_text(kCanary);
  ASSERT_TRUE(secret.ok());
  const std::string token = kCanary;
  EXPECT_TRUE(secret->equals(token));
  for (const std::string& other :
       {std::string(), token + "x", token.substr(1), "x" + token.substr(1), token.substr(0, token.size() - 1) + "x"}) {
    EXPECT_FALSE(secret->equals(other));
  }
  const Secret moved = std::move(*secret);
  EXPECT_TRUE(moved.equals(token));
  EXPECT_FALSE(secret->equals(token));  // NOLINT(bugprone-use-after-move): it is empty then
  EXPECT_FALSE(secret->equals(""));
}

TEST_F(Secrets, MovingLeavesNothingBehind) {
  Secret first = token();
  Secret second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): the point
  EXPECT_EQ(first.reveal(), "");
  EXPECT_EQ(second.reveal(), kCanary);
  const char* const place = second.reveal().data();
  first = std::move(second);
  EXPECT_EQ(first.reveal().data(), place);
}

TEST_F(Secrets, TheTokenGoesAsBearerAndNowhereElse) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  // The peer says it back wherever libcurl's messages might quote it.
  ScriptedServer server({answer(200, "fine"), cut(std::string("HTTP/") + kCanary + " 200 OK\r\n\r\n"),
                         cut(std::string(kCanary) + "\r\n\r\n"),
                         answer(302, "", std::string("Location: ") + kCanary + "://x\r\n"), reset(""),
                         cut(std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: ") + kCanary + "\r\n\r\nx"),
                         cut(std::string("HTTP/1.1 200 OK\r\nContent-Length: ") + kCanary + "\r\n\r\nx")});
  Options options = to(server.url());
  options.token = token();
  open(std::move(options));
  EXPECT_EQ(post().body, "fine");
  EXPECT_EQ(server.last().headers["authorization"], std::string("Bearer ") + kCanary);
  for (int i = 0; i < 6; ++i) {
    EXPECT_THAT(post().error, Not(HasSubstr(kCanary)));
  }
  open(to(server.url()));
  EXPECT_THAT(::testing::internal::GetCapturedStdout() + ::testing::internal::GetCapturedStderr(),
              Not(HasSubstr(kCanary)));
}

}  // namespace cairn::http_client
