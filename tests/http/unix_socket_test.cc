// Unix sockets: private, replaced when dead, left alone when alive or no socket, removed at the end.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>
#include <vector>

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

class OwnSocket : public UnixSocket {
 protected:
  OwnSocket() {
    options_.listen = {"127.0.0.1:0"};
    options_.own_socket = path_;
    options_.authenticate = [](const http::Credentials& credentials) {
      http::Authenticated out;
      out.principal.role = credentials.is_own_user ? 7 : 0;
      out.refusal = credentials.is_own_user ? http::Refusal{} : http::Refusal{401, "who are you"};
      return out;
    };
  }
  [[nodiscard]] unsigned status_there() const {
    Client client("unix:" + path_);
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return client.read_reply().status;
  }
};

TEST_F(OwnSocket, LetsInItsUserWithoutATokenAndNoAddressElseDoes) {
  start();
  EXPECT_EQ(mode(), static_cast<mode_t>(S_IFSOCK | 0600));
  EXPECT_EQ(status_there(), 200u);
  EXPECT_EQ(served().at(0).principal.role, 7);
  EXPECT_EQ(status_of(get()), 401u);
  EXPECT_EQ(server_->addresses().size(), 1u) << "it is for this host's commands, which know the path";
  stop();
  EXPECT_FALSE(exists());
}

TEST_F(OwnSocket, OfADeadServerIsReplaced) {
  leave_dead_socket();
  start();
  EXPECT_EQ(status_there(), 200u);
}

TEST_F(OwnSocket, RefusesAnotherUserWhateverTheFileAllows) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "only root becomes another user";
  }
  start();
  ASSERT_EQ(chmod(directory().c_str(), 0711), 0);
  ASSERT_EQ(chmod(path_.c_str(), 0666), 0);
  const pid_t other = fork();
  if (other == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) {
      _exit(2);
    }
    Client client("unix:" + path_, Client::kMayFail);
    if (client.fd() < 0) {
      _exit(3);
    }
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    char byte = 0;
    _exit(::recv(client.fd(), &byte, 1, 0) > 0 ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(served().empty());
  EXPECT_TRUE(wait_for([this] { return logged().find("another user") != std::string::npos; })) << logged();
  EXPECT_EQ(status_there(), 200u) << "its user is let in as before";
}

// The store's path says how long it is: the server does not depend on it.
TEST_F(OwnSocket, WithATooLongPathIsDoneWithoutAndSaidOnce) {
  options_.own_socket = directory() + "/" + std::string(108, 'x');
  start();
  EXPECT_EQ(status_of(get()), 401u);
  const std::string said = logged();
  EXPECT_NE(said.find("at most 107 bytes"), std::string::npos) << said;
  EXPECT_EQ(said.find("without a socket"), said.rfind("without a socket"));
}

TEST_F(OwnSocket, WhereSomethingElseIsIsDoneWithout) {
  std::ofstream(path_) << "precious";
  start();
  EXPECT_EQ(status_of(get()), 401u);
  EXPECT_NE(logged().find("left alone"), std::string::npos) << logged();
  EXPECT_TRUE(S_ISREG(mode()));
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
