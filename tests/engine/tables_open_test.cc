// Birth, opening, sharing, and what is refused before LMDB maps anything.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "engine/tables/tables.h"
#include "tables_fixture.h"

namespace cairn::engine {
namespace {

namespace fs = std::filesystem;

class TablesOpen : public TablesFixture {};

unsigned mode_of(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

TEST_F(TablesOpen, FreshEnvironmentIsPrivateWholeAndSmall) {
  const mode_t mask = umask(0);
  open();
  umask(mask);
  EXPECT_EQ(ids(), "");
  EXPECT_EQ(damage(), "");
  EXPECT_FALSE(fs::exists(directory_ + "/data.tmp"));
  close();
  EXPECT_EQ(mode_of(directory_ + "/data"), 0700U);
  EXPECT_EQ(mode_of(data_file()), 0600U);
  EXPECT_EQ(mode_of(directory_ + "/data/lock.mdb"), 0600U);
}

TEST_F(TablesOpen, LeftoverOfACutBirthIsRemoved) {
  fs::create_directory(directory_ + "/data.tmp");
  std::ofstream(directory_ + "/data.tmp/data.mdb") << "half";
  open();
  must_write({put("a")});
  close();
  fs::create_directory(directory_ + "/data.tmp");
  open();
  EXPECT_FALSE(fs::exists(directory_ + "/data.tmp"));
  EXPECT_EQ(ids(), "a ");
}

TEST_F(TablesOpen, ReadOnlyNeedsAnEnvironmentAndMakesNone) {
  EXPECT_EQ(open_read_only_code(), Code::kNotFound);
  EXPECT_FALSE(fs::exists(directory_ + "/data"));
}

TEST_F(TablesOpen, SecondOpenForWritingIsBusy) {
  open();
  EXPECT_EQ(open_code(), Code::kBusy);
  close();
  EXPECT_EQ(open_code(), Code::kOk);
}

TEST_F(TablesOpen, SecondOpenByAnotherPathIsBusy) {
  open();
  fs::create_directory_symlink(directory_, directory_ + ".link");
  Tables::Options o = options();
  o.directory += ".link";
  EXPECT_EQ(Tables::open(o).code(), Code::kBusy);
  fs::remove(directory_ + ".link");
}

TEST_F(TablesOpen, ReadOnlyOpensOfTheOwnersProcessShareItsEnvironment) {
  open();
  const auto one = opened_read_only();
  const auto two = opened_read_only();
  must_write({put("a", "seen")}, 4);
  EXPECT_EQ(text_of(*one, "a"), "seen");
  EXPECT_EQ(text_of(*two, "a"), "seen");
  EXPECT_EQ(two->applied_lsn(), 4U);
  EXPECT_EQ(one->write({put("a")}, 5).code, Code::kReadOnly);
  EXPECT_EQ(one->sync().code, Code::kReadOnly);
}

TEST_F(TablesOpen, SharedEnvironmentOutlivesTheOwnerAndIsOwnedAgain) {
  open();
  must_write({put("a", "1")});
  const auto reader = opened_read_only();
  close();
  EXPECT_EQ(text_of(*reader, "a"), "1");
  open();
  must_write({put("a", "2")});
  EXPECT_EQ(text_of(*reader, "a"), "2");
  EXPECT_EQ(open_code(), Code::kBusy);
}

TEST_F(TablesOpen, WriterWaitsUntilReadOnlyHandlesOfItsProcessAreGone) {
  open();
  close();
  auto reader = opened_read_only();
  EXPECT_EQ(open_code(), Code::kBusy);
  reader.reset();
  EXPECT_EQ(open_code(), Code::kOk);
}

TEST_F(TablesOpen, OpeningAndClosingInManyThreadsNeverOpensTwice) {
  open();
  must_write({put("a", "1")});
  close();
  std::atomic<int> writers{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const auto tables = Tables::open(t % 2 == 0 ? options() : read_only());
        if (!tables.ok()) {
          if (tables.code() != Code::kBusy) {
            ++wrong;
          }
          continue;
        }
        if (t % 2 == 0 && ++writers > 1) {
          ++wrong;
        }
        if (text_of(**tables, "a") != "1") {
          ++wrong;
        }
        if (t % 2 == 0) {
          --writers;
        }
      }
    });
  }
  for (std::thread& t : threads) {
    t.join();
  }
  EXPECT_EQ(wrong.load(), 0);
}

TEST_F(TablesOpen, AnotherProcessReadsWhileTheOwnerWritesAndGrows) {
  open();
  must_write({put("a", "first")}, 1);
  ChildProcess child([this](ChildProcess& self) {
    (void)tables_.release();  // the parent's
    const auto one = opened_read_only();
    const auto two = opened_read_only();
    EXPECT_EQ(text_of(*one, "a"), "first");
    self.go();
    self.wait();
    EXPECT_EQ(text_of(*one, id(3000)), std::string(2000, 'x'));
    EXPECT_EQ(text_of(*two, "a"), "second");
    EXPECT_EQ(two->applied_lsn(), 2U);
    EXPECT_EQ(damage_of(*one), "");
    EXPECT_GT(one->stats().map_bytes, 4U << 20);
  });
  child.wait();
  must_write(many(0, 3001, 2000), 1);
  must_write({put("a", "second")}, 2);
  child.go();
  child.expect_success();
}

TEST_F(TablesOpen, ForkedChildCannotUseTheParentsTables) {
  open();
  must_write({put("a", "1")});
  auto snapshot = tables_->snapshot();
  in_child([&] {
    EXPECT_EQ(tables_->find("a").code(), Code::kForked);
    EXPECT_EQ(tables_->write({put("b")}, 1).code, Code::kForked);
    EXPECT_EQ(tables_->sync().code, Code::kForked);
    snapshot = Status{Code::kOk};  // dropping it must not touch the parent's reader slot
    tables_.reset();
    // An open of its own is another matter; the store's LOCK file says whether it may.
    EXPECT_EQ(text_of(*opened_read_only(), "a"), "1");
  });
  must_write({put("a", "2")});
  EXPECT_EQ((*snapshot)->find("a")->value().document.to_json(), R"({"text":"1"})");
  EXPECT_EQ(text("a"), "2");
}

TEST_F(TablesOpen, TablesOfAnotherStoreAreRefused) {
  open();
  close();
  Tables::Options o = options();
  o.store_id[0] = 'X';
  EXPECT_EQ(Tables::open(o).code(), Code::kCorrupt);
  o.store_id = "short";
  EXPECT_EQ(Tables::open(o).code(), Code::kInvalidArgument);
  EXPECT_EQ(open_code(), Code::kOk);
}

TEST_F(TablesOpen, TruncatedFileIsRefusedAtEveryLength) {
  map_bytes_ = 16u << 20;
  open();
  must_write(many(0, 2000, 1000), 1);
  const uint64_t used = tables_->stats().used_bytes;
  close();
  // The map's sparse tail may go: a copy made page by page lacks it.
  fs::resize_file(data_file(), fs::file_size(data_file()) - (64u << 10));
  open();
  EXPECT_EQ(damage(), "");
  close();
  const std::string copy = directory_ + "/copy.mdb";
  fs::copy_file(data_file(), copy);
  for (const uint64_t bytes :
       {used * 9 / 10, used / 2, uint64_t{12288}, uint64_t{8192}, uint64_t{4096}, uint64_t{100}, uint64_t{0}}) {
    fs::copy_file(copy, data_file(), fs::copy_options::overwrite_existing);
    fs::resize_file(data_file(), bytes);
    EXPECT_EQ(open_code(), Code::kCorrupt) << bytes;
    EXPECT_EQ(open_read_only_code(), Code::kCorrupt) << bytes;
    EXPECT_EQ(fs::file_size(data_file()), bytes) << "touched";
  }
}

TEST_F(TablesOpen, DirectoryWithoutDataFileIsCorruptNotReborn) {
  open();
  must_write({put("a")});
  close();
  fs::remove(data_file());
  EXPECT_EQ(open_code(), Code::kCorrupt);
  EXPECT_FALSE(fs::exists(data_file()));
}

TEST_F(TablesOpen, LinksAndSharedFilesAreRefused) {
  open();
  close();
  fs::create_hard_link(data_file(), directory_ + "/second");
  EXPECT_EQ(open_code(), Code::kUnsafe);
  fs::remove(directory_ + "/second");
  EXPECT_EQ(open_code(), Code::kOk);
  fs::permissions(directory_ + "/data", fs::perms::all);
  EXPECT_EQ(open_code(), Code::kUnsafe);
  fs::permissions(directory_ + "/data", fs::perms::owner_all);
  fs::rename(data_file(), directory_ + "/elsewhere");
  fs::create_symlink(directory_ + "/elsewhere", data_file());
  EXPECT_EQ(open_code(), Code::kUnsafe);
  fs::remove(data_file());
  fs::rename(directory_ + "/elsewhere", data_file());
  fs::rename(directory_ + "/data", directory_ + "/moved");
  fs::create_directory_symlink(directory_ + "/moved", directory_ + "/data");
  EXPECT_EQ(open_code(), Code::kUnsafe);
}

TEST_F(TablesOpen, AnotherUsersFilesAreRefused) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  open();
  close();
  ASSERT_EQ(chown(data_file().c_str(), 65534, 65534), 0);
  EXPECT_EQ(open_code(), Code::kUnsafe);
  EXPECT_EQ(open_read_only_code(), Code::kUnsafe);
  Tables::Options o = read_only();
  o.any_owner = true;
  EXPECT_EQ(Tables::open(o).code(), Code::kOk);
}

TEST_F(TablesOpen, ReadOnlyMountIsReadAndNotWritten) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  open();
  must_write({put("a", "1")}, 3);
  close();
  for (const bool with_lock_file : {true, false}) {
    if (!with_lock_file) {
      fs::remove(directory_ + "/data/lock.mdb");
    }
    in_child([this] {
      unshare_mounts();
      const char* const dir = directory_.c_str();
      ASSERT_EQ(mount(dir, dir, nullptr, MS_BIND, nullptr), 0);
      ASSERT_EQ(mount(dir, dir, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
      EXPECT_EQ(open_code(), Code::kReadOnly);
      const auto reader = opened_read_only();
      ASSERT_NE(reader, nullptr);
      EXPECT_EQ(text_of(*reader, "a"), "1");
      EXPECT_EQ(reader->applied_lsn(), 3U);
      EXPECT_EQ(damage_of(*reader), "");
      EXPECT_TRUE(reader->check_readers().ok());
    });
  }
}

TEST_F(TablesOpen, DescriptorsAreNotInheritedAcrossExec) {
  open();
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const fs::path target = fs::read_symlink(entry.path(), gone);
    if (gone || target.string().find(directory_) == std::string::npos) {
      continue;
    }
    EXPECT_NE(fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC, 0) << target;
  }
}

TEST_F(TablesOpen, NoDescriptorLeftMeansAnErrorAndNothingHalfOpen) {
  open();
  must_write({put("a", "1")});
  close();
  in_child([this] {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    int worked = 0;
    for (rlim_t files = 3; files < 24; ++files) {
      limit.rlim_cur = files;
      setrlimit(RLIMIT_NOFILE, &limit);
      const auto t = Tables::open(options());
      if (t.ok()) {
        ++worked;
        EXPECT_EQ(text_of(**t, "a"), "1");
      } else {
        EXPECT_EQ(t.code(), Code::kIo) << t.status().what;
        EXPECT_EQ(worked, 0);
      }
    }
    EXPECT_GT(worked, 0);
  });
}

}  // namespace
}  // namespace cairn::engine
