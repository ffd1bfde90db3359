#include "tests/http/http_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>
#include <utility>

#include "api/http/listen.h"

namespace cairn::tests {
namespace {

constexpr int kPatienceMs = 20'000;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

int connect_to(const std::string& text) {
  const auto parsed = http::Listen::parse(text);
  if (!parsed.ok()) {
    return -1;
  }
  const http::Listen& to = *parsed;
  sockaddr_storage storage = {};
  socklen_t bytes = 0;
  if (to.kind == http::Listen::Kind::kUnix) {
    auto* un = reinterpret_cast<sockaddr_un*>(&storage);
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, to.host.c_str(), to.host.size() + 1);
    bytes = sizeof *un;
  } else if (to.kind == http::Listen::Kind::kIpv6) {
    auto* in = reinterpret_cast<sockaddr_in6*>(&storage);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(to.port);
    inet_pton(AF_INET6, to.host.c_str(), &in->sin6_addr);
    bytes = sizeof *in;
  } else {
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(to.port);
    inet_pton(AF_INET, to.host.c_str(), &in->sin_addr);
    bytes = sizeof *in;
  }
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&storage), bytes) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

bool wait_for(const std::function<bool()>& done) {
  for (int waited = 0; waited < kPatienceMs; waited += 2) {
    if (done()) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return done();
}

Client::Client(const std::string& address) : fd_(connect_to(address)) {
  EXPECT_GE(fd_, 0) << "connecting to " << address;
}

Client::Client(const std::string& address, MayFail) : fd_(connect_to(address)) {}

Client::Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)), in_(std::move(other.in_)) {}

Client::~Client() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

void Client::end_sending() { ::shutdown(fd_, SHUT_WR); }

void Client::vanish() {
  const linger hard = {1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(std::exchange(fd_, -1));
}

Client::Read Client::read_more() {
  pollfd poll_fd = {fd_, POLLIN, 0};
  if (::poll(&poll_fd, 1, kPatienceMs) != 1) {
    ADD_FAILURE() << "nothing came";
    return Read::kTimeout;
  }
  char buffer[65536];
  const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
  if (n < 0) {
    return Read::kReset;
  }
  if (n == 0) {
    return Read::kEnd;
  }
  in_.append(buffer, static_cast<size_t>(n));
  return Read::kData;
}

Reply Client::read_reply(bool to_head) {
  size_t end = 0;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
    if (read_more() != Read::kData) {
      return {};
    }
  }
  Reply out;
  out.head = in_.substr(0, end + 4);
  in_.erase(0, end + 4);
  std::istringstream lines(out.head);
  std::string line;
  std::getline(lines, line);
  out.status = static_cast<unsigned>(std::strtoul(line.c_str() + 9, nullptr, 10));
  while (std::getline(lines, line) && line.size() > 1) {
    const size_t colon = line.find(": ");
    EXPECT_TRUE(
        out.headers.emplace(lower(line.substr(0, colon)), line.substr(colon + 2, line.size() - colon - 3)).second)
        << "twice: " << line;
  }
  if (to_head || out.headers.count("content-length") == 0) {
    return out;
  }
  const size_t bytes = std::strtoul(out.headers["content-length"].c_str(), nullptr, 10);
  while (in_.size() < bytes) {
    if (read_more() != Read::kData) {
      return {};
    }
  }
  out.body = in_.substr(0, bytes);
  in_.erase(0, bytes);
  return out;
}

std::string Client::read_to_end() {
  while (read_more() == Read::kData) {
  }
  return std::exchange(in_, {});
}

bool Client::ends() {
  const Read read = in_.empty() ? read_more() : Read::kData;
  return read == Read::kEnd || read == Read::kReset;
}

bool Client::ends_cleanly() { return in_.empty() && read_more() == Read::kEnd; }

HttpTest::HttpTest() {
  options_.listen = {"127.0.0.1:0"};
  options_.handler_threads = 4;
  options_.log = [this](std::string_view line) {
    const std::lock_guard lock(mutex_);
    logged_.append(line).append("\n");
  };
  handler_ = [](const http::Request& request) {
    http::Response out;
    out.content_type = "text/plain";
    out.body = request.method + " " + request.path + "?" + request.query + " " + request.body;
    return out;
  };
  char name[] = "/tmp/cairn-http-XXXXXX";
  directory_ = mkdtemp(name);
}

HttpTest::~HttpTest() {
  server_.reset();
  std::filesystem::remove_all(directory_);
}

Status HttpTest::try_start() {
  auto started = http::Server::start(std::move(options_), service_);
  if (!started.ok()) {
    return started.status();
  }
  server_ = std::move(started).value();
  addresses_ = server_->addresses();
  return {};
}

void HttpTest::start() {
  const Status status = try_start();
  ASSERT_TRUE(status.ok()) << status.what << " " << status.cause;
}

void HttpTest::stop(int64_t deadline_ms) { server_->stop(deadline_ms); }

std::string HttpTest::request(const std::string& line, const std::string& headers) const {
  const std::string host = address().starts_with("unix:") ? "localhost" : address();
  return line + "\r\nHost: " + host + "\r\n" + headers + "\r\n";
}

std::string HttpTest::post(const std::string& body, const std::string& headers) const {
  return request("POST /p HTTP/1.1", "Content-Length: " + std::to_string(body.size()) + "\r\n" + headers) + body;
}

Reply HttpTest::ask(const std::string& bytes) const {
  Client client = connect();
  client.send(bytes);
  return client.read_reply();
}

void HttpTest::expect_refused(unsigned status, const std::string& bytes) {
  SCOPED_TRACE(bytes.substr(0, 300));
  const size_t before = served().size();
  Client client = connect();
  client.send(bytes);
  client.send(get("/smuggled"));
  const Reply reply = client.read_reply();
  EXPECT_EQ(reply.status, status) << reply.body;
  EXPECT_EQ(reply.headers.count("connection") == 0 ? "" : reply.headers.at("connection"), "close");
  client.end_sending();
  EXPECT_TRUE(client.ends_cleanly());
  EXPECT_EQ(served().size(), before);
}

std::vector<http::Request> HttpTest::served() const {
  const std::lock_guard lock(mutex_);
  return served_;
}

std::string HttpTest::logged() const {
  const std::lock_guard lock(mutex_);
  return logged_;
}

}  // namespace cairn::tests
