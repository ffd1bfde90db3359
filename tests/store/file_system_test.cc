// Network and copy-on-write file systems, told by their magic numbers.
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "tests/support/store_fixture.h"

namespace {

std::atomic<uint32_t> pretended{0};  // 0: as it is

int pretend(int result, struct statfs* info) {
  if (result == 0 && pretended != 0) {
    info->f_type = pretended;
  }
  return result;
}

}  // namespace

// The engine is linked into this program, so these stand in front of libc's.
extern "C" int statfs(const char* path, struct statfs* info) noexcept {
  return pretend(static_cast<int>(syscall(SYS_statfs, path, info)), info);
}
extern "C" int fstatfs(int fd, struct statfs* info) noexcept {
  return pretend(static_cast<int>(syscall(SYS_fstatfs, fd, info)), info);
}

namespace cairn::tests {
namespace {

class FileSystems : public StoreTest {
 protected:
  ~FileSystems() override { pretended = 0; }
};

TEST_F(FileSystems, NetworkOnesAreRefusedUnlessAskedForAndThenHaveNoStaging) {
  for (const uint32_t magic : {0x6969u /* NFS */, 0xFF534D42u /* CIFS */, 0x01021997u /* 9p */, 0x65735546u /* FUSE */,
                               0x00C36400u /* Ceph */, 0x0BD00BD0u /* Lustre */}) {
    pretended = magic;
    EXPECT_EQ(engine::Store::open(options()).code(), Code::kUnsafe) << std::hex << magic;
    engine::StoreOptions o = options();
    o.unsafe_file_system = true;
    open(o);
    ASSERT_NE(store_, nullptr) << std::hex << magic;
    EXPECT_FALSE(store_->stats().staging_on);
    EXPECT_EQ(set(start("r" + std::to_string(magic)), "n", "1"), Code::kOk);
    close();
    engine::StoreReader::Options reader;
    reader.directory = o.directory;
    EXPECT_EQ(engine::StoreReader::open(reader).code(), Code::kUnsafe);
    reader.unsafe_file_system = true;
    EXPECT_TRUE(engine::StoreReader::open(reader).ok());
  }
}

TEST_F(FileSystems, OnCopyOnWriteOnesEveryUpdateGoesToTheLog) {
  pretended = 0x9123683E;  // btrfs
  open();
  const engine::RunRef run = start("a");
  const uint64_t before = store_->stats().written_lsn;
  EXPECT_EQ(set(run, "n", "1"), Code::kOk);
  EXPECT_EQ(set(run, "n", "2"), Code::kOk);
  EXPECT_EQ(store_->stats().written_lsn, before + 2);
  EXPECT_FALSE(store_->stats().staging_on);
}

}  // namespace
}  // namespace cairn::tests
