// Names and proxies; a network of its own where a test needs a resolver that never answers.
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "tests/http_client/http_client_fixture.h"
#include "tests/support/child_process.h"

namespace cairn::http_client {

class Network : public HttpClientTest {
 protected:
  static void TearDownTestSuite() { set_proxies(""); }
  static void set_proxies(const std::string& url) {
    for (const char* name : {"http_proxy", "https_proxy", "all_proxy"}) {
      if (url.empty()) {
        unsetenv(name);
      } else {
        setenv(name, url.c_str(), 1);
      }
    }
  }

  /// A network with nothing but its own loopback, and one name server there.
  void enter_network() const {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    tests::unshare_mounts();
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ifreq loopback = {};
    strncpy(loopback.ifr_name, "lo", sizeof loopback.ifr_name - 1);
    loopback.ifr_flags = IFF_UP | IFF_RUNNING;
    ASSERT_EQ(ioctl(fd, SIOCSIFFLAGS, &loopback), 0);
    close(fd);
    const std::string config = write_file("resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:2\n", 0644);
    ASSERT_EQ(mount(config.c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr), 0);
  }
};

namespace {

/// Takes questions and never answers.
class SilentResolver {
 public:
  SilentResolver() : fd_(socket(AF_INET, SOCK_DGRAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(53);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      abort();
    }
  }
  ~SilentResolver() { close(fd_); }
  SilentResolver(const SilentResolver&) = delete;
  SilentResolver& operator=(const SilentResolver&) = delete;
  void wait_for_question() { receive(0); }
  int questions() {
    while (receive(MSG_DONTWAIT)) {
    }
    return count_;
  }

 private:
  bool receive(int flags) {
    char bytes[512];
    if (recv(fd_, bytes, sizeof bytes, flags) <= 0) {
      return false;
    }
    ++count_;
    return true;
  }
  int fd_;
  int count_ = 0;
};

}  // namespace

// The resolver asks for two kinds of address, and asks again after 30 s: more than two questions mean that a call
// waited.
TEST_F(Network, NothingWaitsForTheNameOfTheHost) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  tests::in_child([&] {
    enter_network();
    SilentResolver resolver;
    Options options = to("https://upstream.example");
    open(std::move(options));
    ASSERT_TRUE(send().ok());
    for (int i = 0; i < 100; ++i) {
      ASSERT_FALSE(client_->poll(0).has_value());
    }
    resolver.wait_for_question();
    client_->cancel();
    EXPECT_LE(resolver.questions(), 2);

    Options hasty = to("https://other.example");
    hasty.timeout_ms = 50;
    open(std::move(hasty));
    const Reply got = post();
    EXPECT_EQ(got.failure, Failure::kTransient) << got.error;
    client_.reset();
    EXPECT_LE(resolver.questions(), 4);
  });
}

TEST_F(Network, ANameThatNobodyKnowsIsTransient) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  tests::in_child([&] {
    enter_network();
    open(to("https://upstream.example"));
    const Reply got = post();
    EXPECT_EQ(got.failure, Failure::kTransient);
    EXPECT_THAT(got.error, HasSubstr("https://upstream.example/v1/sync: Could not resolve host"));
  });
}

TEST_F(Network, ThisMachineIsReachedWithoutTheProxiesOfTheEnvironment) {
  set_proxies("http://127.0.0.1:1");
  ScriptedServer server({answer(200, "direct")});
  open(server);
  EXPECT_EQ(post().body, "direct");
  ScriptedServer behind_socket(file("socket"), {answer(200, "direct")});
  open(behind_socket);
  EXPECT_EQ(post().body, "direct");
  set_proxies("");
}

TEST_F(Network, OtherMachinesAreReachedThroughTheProxyWhichDoesNotSeeTheToken) {
  ScriptedServer proxy({cut(http(502, "no such host"))});
  set_proxies("http://user:proxy-password@127.0.0.1:" + std::to_string(proxy.port()));
  Options options = to("https://upstream.example");
  options.token = token();
  open(std::move(options));
  const Reply got = post();
  set_proxies("");
  EXPECT_EQ(got.failure, Failure::kTransient) << got.error;
  EXPECT_THAT(got.error, Not(HasSubstr("proxy-password")));
  auto request = proxy.last();
  EXPECT_EQ(request.method + " " + request.target, "CONNECT upstream.example:443");
  EXPECT_EQ(request.headers.count("authorization"), 0U);
}

}  // namespace cairn::http_client
