// STORE holds its own inode and birth time. Where a sandbox does not tell the birth time, a store is no copy for that.
#include <cerrno>

#include "tests/support/child_process.h"
#include "tests/support/refused_calls.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

class UnknownBirth : public StoreTest {
 protected:
  void open_without_statx(bool copied) {
    in_child([this, copied] {
      ASSERT_TRUE(refuse({"statx", SYS_statx}, ENOSYS));
      open();
      ASSERT_EQ(store_->stats().copied, copied);
      close();
    });
  }
};

TEST_F(UnknownBirth, IsNoCopy) {
  open();
  close();
  open_without_statx(false);
  open();
  EXPECT_FALSE(store_->stats().copied);
}

TEST_F(UnknownBirth, OfAStoreThatWasMadeSoIsNoCopyLater) {
  open_without_statx(false);
  open();
  EXPECT_FALSE(store_->stats().copied);
}

TEST_F(UnknownBirth, DoesNotHideACopy) {
  open();
  close();
  ASSERT_EQ(system(("cp -a " + path() + " " + path() + "2").c_str()), 0);
  name_ += "2";
  open_without_statx(true);
}

}  // namespace
}  // namespace cairn::tests
