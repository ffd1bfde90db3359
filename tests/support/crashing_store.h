// A store in a temporary directory whose files fail on demand, and whose process may die at any moment: kill() and
// reboot() go on with a copy of the directory as it is then, and the store that was open is forgotten.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>

#include "tests/support/fault_files.h"
#include "tests/support/fixed_identity_files.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {

class CrashingStoreTest : public StoreTest {
 protected:
  using FileCall = testing::FileCall;
  static constexpr Status kFull{Code::kNoSpace, "injected", ENOSPC};
  static constexpr Status kBroken{Code::kIo, "injected", EIO};

  ~CrashingStoreTest() override { store_.reset(); }  // before its files

  /// Opens the store in path() with failing files.
  void open(engine::StoreOptions o) {
    mkdir(path().c_str(), 0700);
    posix_ = std::make_unique<testing::FixedIdentityFiles>(std::move(*wal::open_posix_files(path())));
    files_ = std::make_unique<testing::FaultFiles>(*posix_);
    o.directory = path();
    o.hooks.files = files_.get();
    o.hooks.has_boot_id = true;
    o.hooks.boot_id.fill(boot_);
    opened_with_ = o;
    StoreTest::open(std::move(o));
  }
  void open() { open(options()); }

  /// SIGKILL: all that was written is there, and what is staged counts.
  void kill() {
    die();
    open(opened_with_);
  }
  /// What a kill at this moment leaves, as a store of that name beside this one, to be opened later.
  void leave_copy(const std::string& name) const {
    namespace fs = std::filesystem;
    for (const auto& entry : fs::recursive_directory_iterator(path())) {
      const std::string to = directory_.path() + "/" + name + entry.path().string().substr(path().size());
      if (entry.is_directory()) {
        fs::create_directories(to);
      } else if (entry.path().filename() != "lock.mdb") {  // closing it here would drop LMDB's locks
        fs::create_directories(fs::path(to).parent_path());
        fs::copy_file(entry.path(), to);
      }
    }
    fs::permissions(directory_.path() + "/" + name, fs::perms::owner_all);
  }
  /// Another boot, with all that was written: the log and the tables alone count.
  void reboot() {
    ++boot_;
    kill();
  }
  /// The first half of kill(): path() is what the dead process left, and nobody has it open.
  void die() {
    const std::string next = name_ + "+";
    leave_copy(next);
    store_.reset();
    name_ = next;
  }

  /// The next write finds no space after `through` bytes, and what it left cannot be taken back.
  void run_out_of_space(size_t through = 0) {
    files_->fail({FileCall::kWrite, 1, kFull, false, through});
    if (through > 0) {
      files_->fail({FileCall::kWrite, 1, kFull, true});
    }
  }

  std::unique_ptr<wal::Files> posix_;
  std::unique_ptr<testing::FaultFiles> files_;

 private:
  engine::StoreOptions opened_with_;
  uint8_t boot_ = 1;
};

}  // namespace cairn::tests
