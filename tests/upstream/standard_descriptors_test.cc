// Connections of a host that has closed its standard input, output and error.
#include <fcntl.h>

#include "tests/support/child_process.h"
#include "tests/upstream/upstream_fixture.h"

namespace cairn::tests {
namespace {

class StandardDescriptorsOfAHost : public UpstreamTest {
 protected:
  static void expect_closed() {
    for (int fd = 0; fd <= 2; ++fd) {
      ASSERT_EQ(::fcntl(fd, F_GETFD), -1) << fd;
    }
  }
};

TEST_F(StandardDescriptorsOfAHost, AreNoConnectionsAtEitherEnd) {
  in_child([this] {
    for (int fd = 0; fd <= 2; ++fd) {
      ::close(fd);
    }
    ASSERT_EQ(::mkdir(file("there").c_str(), 0700), 0);
    Receiver there(file("there"));  // this process's own
    there.listen("127.0.0.1:0");
    expect_closed();
    Store store = open_store();
    UpstreamOptions to = options();
    to.url = there.url();
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
