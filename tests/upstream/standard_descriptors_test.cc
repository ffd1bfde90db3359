// Connections of a host that has closed its standard input, output and error.
#include <fcntl.h>

#include "tests/support/child_process.h"
#include "tests/upstream/upstream_fixture.h"

namespace cairn::tests {
namespace {

/// Nothing here has a thread before the fork: the sanitizers' allocator may be locked for ever in the child of a
/// process that has some.
class StandardDescriptorsOfAHost : public ::testing::Test {
 protected:
  [[nodiscard]] std::string file(const std::string& name) const { return directory_.path() + "/" + name; }
  static void expect_closed() {
    for (int fd = 0; fd <= 2; ++fd) {
      ASSERT_EQ(::fcntl(fd, F_GETFD), -1) << fd;
    }
  }

  TemporaryDirectory directory_;
};

TEST_F(StandardDescriptorsOfAHost, AreNoConnectionsAtEitherEnd) {
  in_child([this] {
    for (int fd = 0; fd <= 2; ++fd) {
      ::close(fd);
    }
    Receiver there(directory_.path());
    there.listen("127.0.0.1:0");
    expect_closed();
    Store store = Store::open(file("store"));
    UpstreamOptions to;
    to.url = there.url();
    to.interval = std::chrono::milliseconds(1);
    Upstream upstream = Upstream::open(store, to);
    expect_closed();
    store.start({"r"}).set("a", 1);
    upstream.flush(kLong);
    expect_closed();  // the connection stays open
    ASSERT_GT(there.taken, 0);
  });
}

}  // namespace
}  // namespace cairn::tests
