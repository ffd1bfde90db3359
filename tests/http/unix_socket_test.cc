// Unix sockets: private, replaced when dead, left alone when alive or no socket, removed at the end.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <thread>

#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

class UnixSocket : public HttpTest {
 protected:
  UnixSocket() : path_(directory() + "/s") { options_.listen = {"unix:" + path_}; }
  [[nodiscard]] bool exists() const {
    struct stat st = {};
    return lstat(path_.c_str(), &st) == 0;
  }
  [[nodiscard]] mode_t mode() const {
    struct stat st = {};
    EXPECT_EQ(lstat(path_.c_str(), &st), 0);
    return st.st_mode;
  }
  /// What a server that was killed leaves.
  void leave_dead_socket() const {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(fd, 1), 0);
    close(fd);
  }
  std::string path_;
};

TEST_F(UnixSocket, IsPrivateWhateverTheUmask) {
  const mode_t before = umask(0);
  start();
  umask(before);
  EXPECT_EQ(mode(), static_cast<mode_t>(S_IFSOCK | 0600));
  EXPECT_EQ(address(), "unix:" + path_);
  EXPECT_EQ(status_of(get()), 200u);
}

TEST_F(UnixSocket, AnswersForLocalhostOnly) {
  start();
  expect_refused(421, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  expect_refused(400, "GET / HTTP/1.1\r\n\r\n");
}

TEST_F(UnixSocket, IsRemovedAtStop) {
  start();
  EXPECT_TRUE(exists());
  stop();
  EXPECT_FALSE(exists());
}

TEST_F(UnixSocket, OfADeadServerIsReplaced) {
  leave_dead_socket();
  ASSERT_TRUE(exists());
  start();
  EXPECT_EQ(status_of(get()), 200u);
}

TEST_F(UnixSocket, OfALiveServerIsRefused) {
  start();
  http::ServerOptions second;
  second.listen = {"unix:" + path_};
  EXPECT_EQ(http::Server::start(std::move(second), service_).code(), Code::kBusy);
  EXPECT_EQ(status_of(get()), 200u);
}

TEST_F(UnixSocket, WhatIsNoSocketIsLeftAlone) {
  std::ofstream(path_) << "precious";
  const Status status = try_start();
  EXPECT_EQ(status.code, Code::kUnsafe);
  EXPECT_NE(std::string(status.what).find("left alone"), std::string::npos);
  std::string text;
  std::ifstream(path_) >> text;
  EXPECT_EQ(text, "precious");
}

TEST_F(UnixSocket, ALinkIsLeftAlone) {
  leave_dead_socket();
  const std::string target = directory() + "/target";
  ASSERT_EQ(rename(path_.c_str(), target.c_str()), 0);
  ASSERT_EQ(symlink(target.c_str(), path_.c_str()), 0);
  EXPECT_EQ(try_start().code, Code::kUnsafe);
  EXPECT_TRUE(S_ISLNK(mode()));
}

TEST_F(UnixSocket, InADirectoryThatIsNotThereIsAnError) {
  options_.listen = {"unix:" + directory() + "/none/s"};
  EXPECT_EQ(try_start().code, Code::kIo);
}

TEST_F(UnixSocket, OfAnotherServerIsNotRemovedAtStop) {
  start();
  ASSERT_EQ(unlink(path_.c_str()), 0);
  leave_dead_socket();
  stop();
  EXPECT_TRUE(exists());
}

TEST_F(UnixSocket, IsRemovedWhenStartFailsLater) {
  options_.listen.push_back("unix:" + directory() + "/none/s");
  EXPECT_FALSE(try_start().ok());
  EXPECT_FALSE(exists());
}

TEST_F(UnixSocket, OfServersThatStartAtOnceHasOneOwner) {
  leave_dead_socket();
  std::atomic<int> started = 0;
  std::vector<std::unique_ptr<http::Server>> servers(8);
  std::vector<std::thread> threads;
  threads.reserve(servers.size());
  for (auto& server : servers) {
    threads.emplace_back([&] {
      http::ServerOptions options;
      options.listen = {"unix:" + path_};
      options.handler_threads = 1;
      auto result = http::Server::start(std::move(options), service_);
      if (!result.ok()) {
        EXPECT_EQ(result.code(), Code::kBusy);
        return;
      }
      server = std::move(result).value();
      ++started;
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(started, 1);
  EXPECT_GE(Client("unix:" + path_).fd(), 0);
}

TEST_F(UnixSocket, StandsBesideOtherAddresses) {
  options_.listen = {"unix:" + path_, "127.0.0.1:0", "[::1]:0"};
  start();
  EXPECT_EQ(status_of(get()), 200u);
  for (const size_t index : {1u, 2u}) {
    Client client(address(index));
    client.send("GET / HTTP/1.1\r\nHost: " + address(index) + "\r\n\r\n");
    EXPECT_EQ(client.read_reply().status, 200u);
  }
}

}  // namespace
}  // namespace cairn::tests
