// cairn serve as those see it who connect to it with bytes of their own.
#ifdef CAIRN_TOOLS_NETWORK

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/cli/server_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Connected {
 public:
  /// 127.0.0.1:PORT
  explicit Connected(const std::string& address) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  explicit Connected(int fd) : fd_(fd) {}
  ~Connected() { ::close(fd_); }
  Connected(Connected&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Connected& operator=(Connected&&) = delete;

  void send(const std::string& bytes) const {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// What is there at once, or as soon as something comes; "": the other side has closed.
  [[nodiscard]] std::string receive() const {
    pollfd ready = {fd_, POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, 20'000), 1) << "nothing came";
    std::string bytes(65536, '\0');
    const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }

 private:
  int fd_;
};

/// Takes connections and says nothing.
class Silent {
 public:
  Silent() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at = {};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof at;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &bytes), 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  }
  ~Silent() { ::close(fd_); }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;
  [[nodiscard]] const std::string& url() const { return url_; }
  /// Waits for a request; it is kept open and never answered until the test's end.
  void take() {
    pollfd ready = {fd_, POLLIN, 0};
    ASSERT_EQ(::poll(&ready, 1, 20'000), 1) << "nobody came";
    taken_.emplace_back(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_NE(taken_.back().receive(), "");
  }

 private:
  int fd_;
  std::string url_;
  std::vector<Connected> taken_;
};

using Serve = ServerTest;

std::string health(const std::string& address) { return "GET /healthz HTTP/1.1\r\nHost: " + address + "\r\n\r\n"; }

std::string post(const std::string& address, const std::string& body, const std::string& headers = {}) {
  return "POST /v1/sync HTTP/1.1\r\nHost: " + address +
         "\r\nContent-Type: application/vnd.cairn.sync\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}

TEST_F(Serve, ConnectionsAreANumberInRange) {
  for (const char* wrong : {"0", "-1", "4294967296", "4294967295", "18446744073709551615", "1.5", "1e3", "", "many"}) {
    // A file stands where the store would be: a number that is let through ends there.
    std::ofstream(path("file")) << "";
    const Ran ran = at("file", {"serve", "--listen", "127.0.0.1:0", "--connections-max", wrong});
    EXPECT_EQ(ran.exit, 64) << wrong;
    EXPECT_THAT(ran.err, HasSubstr("--connections-max")) << wrong;
  }
  EXPECT_NE(at("file", {"serve", "--listen", "127.0.0.1:0", "--connections-max", "8"}).exit, 64);
}

// A quarter for those that have not said anything, the oldest of them gives its place up; and near the bound each
// response ends its connection.
TEST_F(Serve, OneConnectionMoreThanItTakesIsServed) {
  const std::string address = serve("up", {"--connections-max", "8"});
  std::vector<Connected> clients;
  const auto ask = [&] {
    clients.emplace_back(address);
    clients.back().send(health(address));
    return clients.back().receive();
  };
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(ask(), testing::AllOf(StartsWith("HTTP/1.1 200"), Not(HasSubstr("Connection: close")))) << i;
  }
  const Connected silent(address);
  const Connected later(address);
  EXPECT_THAT(ask(), testing::AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Connection: close")));
  EXPECT_EQ(silent.receive(), "") << "it has made room";
  EXPECT_THAT(ask(), StartsWith("HTTP/1.1 200"));
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(ask(), StartsWith("HTTP/1.1 200")) << i;
  }
  EXPECT_EQ(at("up", {"ls"}).exit, 0);
}

// A signal is no failure of the upstream.
TEST_F(Serve, WhoIsStoppedWhileItWaitsForAnAnswerBlamesNobody) {
  Silent silent;
  const std::string relay = serve("relay", {"--upstream", silent.url()});
  started();
  EXPECT_EQ(cairn({"sync", "--upstream", "http://" + relay}).exit, 0);
  silent.take();
  end("relay", SIGTERM);
  EXPECT_EQ(read_file(path("relay.err")), "");
  EXPECT_THAT(at("relay", {"why", "r"}).out, Not(HasSubstr("no answer")));

  EXPECT_EQ(cairn({"set", "r", "n", "1"}).exit, 0);
  std::ofstream(path("in")) << "";
  const pid_t sync = spawn({"sync", "--upstream", silent.url()}, path("in"));
  silent.take();
  ::kill(sync, SIGTERM);
  const Ran ran = wait_for(sync);
  EXPECT_EQ(ran.signal, SIGTERM);
  EXPECT_THAT(ran.out, HasSubstr("stopped; what waits is sent next time"));
  EXPECT_EQ(ran.err, "");
}

// `cairn serve 2>&1 | tee log`, and tee is gone.
TEST_F(Serve, GoesOnWhereNobodyReadsItsLog) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const std::string socket = path("socket");
  const pid_t pid = start_after(
      [&] {
        signal(SIGPIPE, SIG_DFL);
        dup2(ends[1], 1);
        dup2(ends[1], 2);
      },
      {"serve", "--listen", "unix:" + socket, "--upstream", "http://127.0.0.1:1"});
  servers_.push_back(pid);
  pids_["server"] = pid;
  ::close(ends[1]);
  pollfd ready = {ends[0], POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 20'000), 1);
  ::close(ends[0]);
  ASSERT_EQ(at("worker", {"start", "--id", "r"}).exit, 0);
  EXPECT_EQ(at("worker", {"sync", "--upstream", "unix:" + socket}).exit, 0);
  for (int i = 0; i < 500 && cairn({"why", "r"}).out.find("no answer") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(at("worker", {"set", "r", "n", "1"}).exit, 0);
  EXPECT_EQ(at("worker", {"sync"}).exit, 0) << "it has tried to say that its upstream does not answer";
  ::kill(pid, SIGTERM);
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  servers_.clear();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 74) << status << ", 74: its counts at the end were lost";
}

/// The most memory that a process had at once.
int64_t peak_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) {
      return std::strtoll(line.c_str() + 6, nullptr, 10);
    }
  }
  return -1;
}

// RFC 8878: a frame that says its size, then blocks of one byte, repeated: 265 bytes for 8 MiB.
std::string frame(uint32_t says_bytes, char byte, bool window_of_2_gib = false) {
  std::string bytes = "\x28\xb5\x2f\xfd";
  bytes += window_of_2_gib ? std::string("\x80\xa8", 2) : std::string("\xa0");
  for (int i = 0; i < 4; ++i) {
    bytes += static_cast<char>(says_bytes >> (8 * i));
  }
  constexpr uint32_t kBlock = 128u << 10;
  for (uint32_t at = 0; at < std::min(says_bytes, 16u << 20); at += kBlock) {
    const uint32_t count = std::min(kBlock, says_bytes - at);
    const uint32_t head = count << 3 | 1u << 1 | (at + count == says_bytes ? 1u : 0u);
    bytes += {static_cast<char>(head), static_cast<char>(head >> 8), static_cast<char>(head >> 16), byte};
  }
  return bytes;
}

TEST_F(Serve, FewBytesThatUnpackToManyCostWhatTheyAre) {
  const std::string address = serve();
  const auto answer = [&](const std::string& body) {
    const Connected client(address);
    client.send(post(address, body, "Content-Encoding: zstd\r\n"));
    return client.receive();
  };
  EXPECT_THAT(answer(frame(5000, 'x')), StartsWith("HTTP/1.1 400"));
  const int64_t before = peak_kib(pids_["up"]);
  ASSERT_GT(before, 0);
  EXPECT_EQ(frame(8u << 20, '\0').size(), 265u);
  for (const std::string& body : {frame(8u << 20, '\0'), frame((8u << 20) + 1, '\0'),
                                  frame(UINT32_MAX, '\0').substr(0, 300), frame(8u << 20, '\0', true),
                                  frame(8u << 20, 'C'), frame(8u << 20, '\0').substr(0, 100), std::string(300, '\0')}) {
    EXPECT_THAT(answer(body), StartsWith("HTTP/1.1 400"));
  }
  EXPECT_LT(peak_kib(pids_["up"]) - before, 4096);
}

}  // namespace
}  // namespace cairn::tests

#endif  // CAIRN_TOOLS_NETWORK
