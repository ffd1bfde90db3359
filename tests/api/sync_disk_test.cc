// The upstream's calls with a clock that stands still.
#include <utility>

#include "tests/api/host_fixture.h"
#include "tests/api/sync_fixture.h"

namespace cairn::tests {
namespace {

class SyncDisk : public HostTest {
 protected:
  cairn_status next() { return cairn_sync_next(store_, append_bytes, &message_, nullptr); }
  std::string message_;
};

TEST_F(SyncDisk, TheTimeToWaitIsTheHostsClocks) {
  CAIRN_ASSERT_OK(cairn_sync_attach(store_, "up", nullptr));
  CAIRN_ASSERT_OK(cairn_store_barrier(store_));
  CAIRN_EXPECT(CAIRN_OK, next());
  const std::string first = std::exchange(message_, {});
  ASSERT_NE(first, "");
  CAIRN_EXPECT(CAIRN_OK, cairn_sync_failed(store_, CAIRN_SYNC_TRANSIENT, "busy", 90'000));
  context_.monotonic_ms += 89'999;
  CAIRN_EXPECT(CAIRN_OK, next());
  EXPECT_EQ(message_, "");
  context_.monotonic_ms += 60'001;
  CAIRN_EXPECT(CAIRN_OK, next());
  EXPECT_EQ(message_, first);
  context_.monotonic_ms = 0;  // a clock that begins at 0, and a wait that ends there
  CAIRN_EXPECT(CAIRN_TIMEOUT, cairn_sync_wait(store_, 0));
}

}  // namespace
}  // namespace cairn::tests
