// Real small disks, mounted for one test in a mount namespace of its own: they end with the test's process, however
// that ends.
#pragma once

#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {

/// For the suites' SetUp: skips without root, fails where root may not mount.
#define CAIRN_NEEDS_MOUNTS()                                                                                     \
  if (geteuid() != 0) GTEST_SKIP() << "not root: real disks cannot be mounted here, this promise is not tested"; \
  ASSERT_EQ(unshare(CLONE_NEWNS), 0) << "root, but no mount namespace (" << std::strerror(errno)                 \
                                     << "): run the tests where mounting works, CAP_SYS_ADMIN in a container";   \
  ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << std::strerror(errno)

class MountedDisk {
 public:
  [[nodiscard]] std::string path(const std::string& name = {}) const {
    return directory_.path() + "/disk" + (name.empty() ? "" : "/" + name);
  }
  void mount_tmpfs(uint64_t bytes) {
    ASSERT_EQ(mkdir(path().c_str(), 0700), 0);
    const std::string size = "mode=0700,size=" + std::to_string(bytes);
    ASSERT_EQ(mount("none", path().c_str(), "tmpfs", 0, size.c_str()), 0) << "tmpfs: " << std::strerror(errno);
    mounted_ = true;
  }
  void mount_ext4(uint64_t bytes) {
    ASSERT_EQ(mkdir(path().c_str(), 0700), 0);
    const std::string image = directory_.path() + "/image";
    std::ofstream(image) << "";
    ASSERT_EQ(truncate(image.c_str(), static_cast<off_t>(bytes)), 0);
    run("mkfs.ext4 -q -F " + image);
    run("mount -o loop,errors=remount-ro " + image + " " + path());
    mounted_ = true;
  }
  /// What is at path() again at `name`, for reading only; then nothing there can be written through that name.
  void bind_read_only(const std::string& name) const {
    const std::string to = directory_.path() + "/" + name;
    ASSERT_EQ(mkdir(to.c_str(), 0700), 0);
    ASSERT_EQ(mount(path().c_str(), to.c_str(), nullptr, MS_BIND, nullptr), 0) << std::strerror(errno);
    ASSERT_EQ(mount("none", to.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0) << std::strerror(errno);
  }
  [[nodiscard]] std::string beside(const std::string& name) const { return directory_.path() + "/" + name; }
  /// The whole disk, while nothing on it is open for writing.
  void remount(bool read_only) const {
    ASSERT_EQ(mount("none", path().c_str(), nullptr, MS_REMOUNT | (read_only ? MS_RDONLY : 0), nullptr), 0)
        << std::strerror(errno);
  }
  /// What ext4 does when it meets an error: everything is read-only from now on, whatever is open.
  void fail_ext4() const {
    struct stat s {};
    ASSERT_EQ(stat(path().c_str(), &s), 0);
    const std::string device =
        "/sys/dev/block/" + std::to_string(major(s.st_dev)) + ":" + std::to_string(minor(s.st_dev));
    char target[PATH_MAX];
    const ssize_t bytes = readlink(device.c_str(), target, sizeof target);
    ASSERT_GT(bytes, 0) << device;
    const std::string link(target, static_cast<size_t>(bytes));
    std::ofstream trigger("/sys/fs/ext4/" + link.substr(link.rfind('/') + 1) + "/trigger_fs_error");
    trigger << "1" << std::flush;
    ASSERT_TRUE(trigger.good()) << "the kernel does not let ext4 fail on demand";
  }
  /// A file that takes `bytes`, or all that is free.
  void add_ballast(uint64_t bytes = UINT64_MAX) const {
    std::ofstream out(path("ballast"), std::ios::binary | std::ios::app);
    out << std::unitbuf;
    for (const std::string block(4096, 'b'); bytes >= block.size() && out; bytes -= block.size()) {
      out.write(block.data(), static_cast<std::streamsize>(block.size()));
    }
  }
  void remove_ballast() const { ASSERT_EQ(unlink(path("ballast").c_str()), 0); }
  [[nodiscard]] uint64_t free_bytes() const {
    struct statvfs s {};
    return statvfs(path().c_str(), &s) == 0 ? uint64_t{s.f_bfree} * s.f_frsize : 0;
  }
  ~MountedDisk() {
    if (mounted_) {
      umount2(path().c_str(), MNT_DETACH);
    }
  }
  MountedDisk() = default;
  MountedDisk(const MountedDisk&) = delete;
  MountedDisk& operator=(const MountedDisk&) = delete;

 private:
  static void run(const std::string& command) {
    const int status = system((command + " 2>&1").c_str());
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << command << ": is e2fsprogs and mount there (tools/setup.sh), and may root use loop devices here?";
  }
  TemporaryDirectory directory_;
  bool mounted_ = false;
};

}  // namespace cairn::tests
