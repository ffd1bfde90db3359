// What is changed at an upstream is there after the next `cairn sync`, over the network and a relay.
#include "tests/cli/server_fixture.h"

namespace cairn::tests {
namespace {

class OthersWrite : public ServerTest {
 protected:
  /// At the upstream, by hand.
  void set_upstream(const std::string& key, const std::string& value, const std::string& name = "up") {
    const Ran ran = at(name, {"set", "r", key, value});
    ASSERT_EQ(ran.exit, 0) << ran.err;
  }
  Ran sync(const std::string& address) { return at("worker", {"sync", "--upstream", "http://" + address}); }
  std::string stop() { return at("worker", {"get", "r", "stop"}).out; }
};

TEST_F(OthersWrite, IsThereAfterTheNextSync) {
  ASSERT_EQ(at("worker", {"start", "--id", "r"}).exit, 0);
  ASSERT_EQ(sync(serve()).exit, 0);
  end("up", SIGTERM);
  set_upstream("stop", "true");
  const std::string address = serve();
  ASSERT_EQ(sync(address).exit, 0);
  EXPECT_EQ(stop(), "true\n");
  ASSERT_EQ(at("worker", {"set", "r", "mine", "1"}).exit, 0);
  ASSERT_EQ(sync(address).exit, 0);
  end("up", SIGTERM);
  EXPECT_EQ(at("up", {"get", "r"}).out, at("worker", {"get", "r"}).out);
}

TEST_F(OthersWrite, ComesThroughARelay) {
  ASSERT_EQ(at("worker", {"start", "--id", "r"}).exit, 0);
  const std::string centre = serve();
  const std::string relay = serve("relay", {"--upstream", "http://" + centre});
  ASSERT_EQ(sync(relay).exit, 0);
  for (int i = 0; i < 3000 && !at("up", {"get", "r"}).out.starts_with("{"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  end("up", SIGKILL);
  set_upstream("stop", "true");
  ASSERT_EQ(serve("up", {}, centre), centre);
  for (int i = 0; i < 600 && stop() != "true\n"; ++i) {
    ASSERT_EQ(sync(relay).exit, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(stop(), "true\n");
}

}  // namespace
}  // namespace cairn::tests
