// Staging files outside of the store, on the machine's real tmpfs: found again whatever the next open asks for.
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "tests/support/store_fixture.h"
#include "tests/support/updates.h"

namespace cairn::tests {
namespace {

namespace fs = std::filesystem;

class StagingDir : public StoreTest {
 protected:
  void SetUp() override {
    char name[] = "/dev/shm/cairn-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    shm_ = name;
  }
  void TearDown() override {
    store_.reset();
    fs::remove_all(shm_);
  }

  engine::StoreOptions in(const std::string& staging_dir) {
    engine::StoreOptions o = options();
    o.staging_dir = staging_dir;
    o.hooks.context = &logged_;
    o.hooks.log = [](void* c, engine::LogLevel, Code, const char* message) {
      static_cast<std::vector<std::string>*>(c)->emplace_back(message);
    };
    return o;
  }
  /// A process that owns the store, updates run "r" up to n = `last`, and is killed by SIGKILL.
  void killed_owner(const engine::StoreOptions& o, int first, int last) {
    const pid_t child = fork();
    if (child == 0) {
      auto opened = engine::Store::open(o);
      if (!opened.ok()) {
        _exit(1);
      }
      store_ = std::move(*opened);
      auto run = store_->resume("r");
      engine::RunRef r = run.ok() ? *run : start("r");
      for (int i = first; i <= last; ++i) {
        if (!set_int(*store_, *r, "n", i).ok()) {
          _exit(2);
        }
      }
      raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  }
  /// Directories of stores in `staging_dir`.
  static std::vector<fs::path> inside(const std::string& staging_dir) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(staging_dir)) {
      found.push_back(entry.path());
    }
    return found;
  }
  [[nodiscard]] bool recorded() const { return fs::exists(directory_.path() + "/store/STAGING"); }
  bool logged(const std::string& part) const {
    for (const std::string& message : logged_) {
      if (message.find(part) != std::string::npos) {
        return true;
      }
    }
    return false;
  }

  std::string shm_;
  std::vector<std::string> logged_;
};

TEST_F(StagingDir, HoldsTheStagingFilesAndACleanCloseRemovesThem) {
  open(in(shm_));
  auto run = start("r");
  set(run, "n", "1");
  ASSERT_EQ(inside(shm_).size(), 1U);
  const fs::path own = inside(shm_)[0];
  EXPECT_TRUE(fs::exists(own / "00"));
  EXPECT_EQ(fs::status(own).permissions(), fs::perms::owner_all);
  EXPECT_TRUE(fs::is_empty(directory_.path() + "/store/staging"));
  EXPECT_TRUE(recorded());
  EXPECT_EQ(read("r"), R"({"n":1})") << "readers find it";
  run.reset();
  close();
  EXPECT_TRUE(inside(shm_).empty());
  EXPECT_FALSE(recorded());
  open();
  EXPECT_EQ(json("r"), R"({"n":1})");
  EXPECT_FALSE(store_->stats().staging_lost);
}

TEST_F(StagingDir, WhatAKillLeftIsFoundWithTheSameOption) {
  killed_owner(in(shm_), 1, 100);
  EXPECT_EQ(read("r"), R"({"n":100})");
  open(in(shm_));
  EXPECT_EQ(json("r"), R"({"n":100})");
  EXPECT_EQ(inside(shm_).size(), 1U);
  EXPECT_EQ(store_->stats().recovered_runs, 1U);
  EXPECT_EQ(store_->stats().recovered_diffs, 1U);
}

TEST_F(StagingDir, WhatAKillLeftIsFoundWithoutTheOption) {
  killed_owner(in(shm_), 1, 100);
  open();
  EXPECT_EQ(json("r"), R"({"n":100})");
  EXPECT_TRUE(inside(shm_).empty()) << "taken over";
  EXPECT_FALSE(recorded());
  store_.reset();
  killed_owner(options(), 101, 200);
  open();
  EXPECT_EQ(json("r"), R"({"n":200})");
}

TEST_F(StagingDir, WhatAKillLeftIsFoundWithAnotherDirectory) {
  killed_owner(in(shm_ + "/a"), 1, 100);
  killed_owner(in(shm_ + "/b"), 101, 200);
  EXPECT_TRUE(inside(shm_ + "/a").empty());
  EXPECT_EQ(read("r"), R"({"n":200})");
  killed_owner(options(), 201, 300);
  EXPECT_TRUE(inside(shm_ + "/b").empty());
  killed_owner(in(shm_ + "/a"), 301, 400);
  open(in(shm_ + "/b"));
  EXPECT_EQ(json("r"), R"({"n":400})");
  EXPECT_FALSE(store_->stats().staging_lost);
}

TEST_F(StagingDir, WhatAKillLeftIsFoundWithStagingOff) {
  killed_owner(in(shm_), 1, 100);
  auto o = options();
  o.staging = false;
  open(o);
  EXPECT_EQ(json("r"), R"({"n":100})");
  EXPECT_TRUE(inside(shm_).empty());
}

TEST_F(StagingDir, GoneAfterAKillIsSaidInLogAndStats) {
  killed_owner(in(shm_), 1, 100);
  fs::remove_all(inside(shm_)[0]);
  open(in(shm_));
  EXPECT_TRUE(store_->stats().staging_lost);
  EXPECT_TRUE(logged("is gone: updates of class process since the last flush may be lost"));
  EXPECT_EQ(json("r"), R"({})") << "what was flushed is there";
  close();
  logged_.clear();
  open(in(shm_));
  EXPECT_FALSE(store_->stats().staging_lost);
  EXPECT_TRUE(logged_.empty());
}

TEST_F(StagingDir, GoneAfterAnotherBootIsNoLoss) {
  auto o = in(shm_);
  o.hooks.has_boot_id = true;
  o.hooks.boot_id = {1};
  killed_owner(o, 1, 100);
  fs::remove_all(inside(shm_)[0]);
  o.hooks.boot_id = {2};
  open(o);
  EXPECT_FALSE(store_->stats().staging_lost);
}

TEST_F(StagingDir, AReaderThatCannotSeeTheOwnersStagingSaysSo) {
  open(in(shm_));
  auto run = start("r");
  set(run, "n", "1");
  fs::rename(inside(shm_)[0], shm_ + "/hidden");
  EXPECT_NE(read("r").find("cannot be seen from here"), std::string::npos) << read("r");
}

TEST_F(StagingDir, TwoStoresShareOne) {
  open(in(shm_));
  set(start("r"), "n", "1");
  auto o = in(shm_);
  o.directory = directory_.path() + "/other";
  auto other = engine::Store::open(o);
  ASSERT_TRUE(other.ok()) << engine::error_detail().message;
  EXPECT_EQ(inside(shm_).size(), 2U);
  ASSERT_TRUE((*other)->close(0).ok());
  EXPECT_EQ(inside(shm_).size(), 1U);
  EXPECT_EQ(read("r"), R"({"n":1})");
}

TEST_F(StagingDir, ACopyLeavesTheStagingOfItsOriginalAlone) {
  killed_owner(in(shm_), 1, 100);
  const std::string copy = directory_.path() + "/copy";
  fs::copy(directory_.path() + "/store", copy, fs::copy_options::recursive);
  fs::permissions(copy, fs::perms::owner_all);
  {
    auto o = in(shm_);
    o.directory = copy;
    auto opened = engine::Store::open(o);
    ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
    EXPECT_TRUE((*opened)->stats().staging_lost);
    EXPECT_EQ(inside(shm_).size(), 2U);
  }
  open(in(shm_));
  EXPECT_EQ(json("r"), R"({"n":100})");
}

TEST_F(StagingDir, IsCheckedAsTheStoreIs) {
  const auto code = [&](const std::string& directory) { return engine::Store::open(in(directory)).code(); };
  EXPECT_EQ(code(shm_ + "/none/none"), Code::kInvalidArgument);
  std::ofstream(shm_ + "/file") << "text";
  EXPECT_EQ(code(shm_ + "/file"), Code::kInvalidArgument);
  ASSERT_EQ(mkdir((shm_ + "/open").c_str(), 0700), 0);
  ASSERT_EQ(chmod((shm_ + "/open").c_str(), 0777), 0);
  EXPECT_EQ(code(shm_ + "/open"), Code::kUnsafe);
  EXPECT_NE(engine::error_detail().message.find("chmod 700"), std::string::npos);
  ASSERT_EQ(chmod((shm_ + "/open").c_str(), 01777), 0);
  EXPECT_EQ(code(shm_ + "/open"), Code::kOk) << "as /dev/shm itself";
}

TEST_F(StagingDir, AnothersDirectoryInItsPlaceIsRefused) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  killed_owner(in(shm_), 1, 100);
  const fs::path own = inside(shm_)[0];
  ASSERT_EQ(chown(own.c_str(), 65534, 65534), 0);
  EXPECT_EQ(engine::Store::open(in(shm_)).code(), Code::kUnsafe);
  EXPECT_EQ(engine::Store::open(options()).code(), Code::kUnsafe) << "acknowledged updates may be in there";
  ASSERT_EQ(chown(own.c_str(), 0, 0), 0);
  fs::rename(own, shm_ + "/elsewhere");
  fs::create_directory_symlink(shm_ + "/elsewhere", own);
  EXPECT_EQ(engine::Store::open(in(shm_)).code(), Code::kUnsafe);
  fs::remove(own);
  fs::rename(shm_ + "/elsewhere", own);
  open(in(shm_));
  EXPECT_EQ(json("r"), R"({"n":100})");
}

TEST_F(StagingDir, ADamagedRecordIsReportedAndTheOptionFindsTheFiles) {
  killed_owner(in(shm_), 1, 100);
  {
    std::fstream record(directory_.path() + "/store/STAGING", std::ios::in | std::ios::out | std::ios::binary);
    record.seekp(40);
    record << "rot";
  }
  open(in(shm_));
  EXPECT_EQ(json("r"), R"({"n":100})");
  EXPECT_TRUE(store_->stats().staging_lost);
  EXPECT_TRUE(logged("STAGING is damaged"));
}

}  // namespace
}  // namespace cairn::tests
