// What the library has to say at an open reaches whoever runs a command; and updates that a killed process left where
// a command cannot look are not given up by it.
#include <sys/stat.h>

#include <csignal>
#include <filesystem>

#include "tests/cli/command_fixture.h"
#include "tests/support/child_process.h"

namespace cairn::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Notices : public CommandTest {
 protected:
  /// The owner stages outside, and is killed with an update that is only there. Its staging directory.
  fs::path killed_owner() {
    in_child([&] {
      engine::StoreOptions o = options();
      o.staging_dir = path("staging");
      open(o);
      const engine::RunRef run = start("r");
      ASSERT_TRUE(store_->barrier().ok());
      set(run, "n", "7");
    });
    return fs::directory_iterator(path("staging"))->path();
  }
};

TEST_F(Notices, OfACopyAreShownByEveryCommandThatOpensTheStore) {
  started();
  ASSERT_EQ(mkdir(path("messages").c_str(), 0700), 0);
  const std::vector<std::vector<std::string>> lines = {{"import"},
                                                       {"serve", "--via-folder", path("messages")},
                                                       {"sync", "--via-folder", path("messages")},
                                                       {"set", "r", "n", "1"}};
  for (const std::vector<std::string>& line : lines) {
    fs::rename(store(), path("original"));
    fs::copy(path("original"), store(), fs::copy_options::recursive);
    ASSERT_EQ(chmod(store().c_str(), 0700), 0);
    EXPECT_THAT(cairn(line).err, HasSubstr("cairn: this store was copied, moved or restored")) << line[0];
    fs::remove_all(store());
    fs::rename(path("original"), store());
  }
}

TEST_F(Notices, UpdatesStagedWhereACommandCannotLookAreNotGivenUp) {
  const fs::path staging = killed_owner();
  fs::rename(staging, path("hidden"));
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
           {"set", "r", "m", "1"}, {"erase", "r"}, {"serve", "--via-folder", path("staging")}}) {
    const Ran refused = cairn(line);
    EXPECT_EQ(refused.exit, 75) << line[0];
    EXPECT_THAT(refused.err, HasSubstr(staging.string() + ", which cannot be seen from here"));
    EXPECT_THAT(refused.err, HasSubstr("mkdir -p -m 700 " + staging.string()));
  }
  const Ran read = cairn({"get", "r"});
  EXPECT_EQ(read.exit, 0);
  EXPECT_EQ(read.out, "{}\n");
  EXPECT_THAT(read.err, HasSubstr("what is read may lack them"));
  fs::rename(path("hidden"), staging);
  EXPECT_EQ(cairn({"set", "r", "m", "1"}).err, "");
  EXPECT_EQ(metadata(), "{\"n\":7,\"m\":1}\n");
}

TEST_F(Notices, UpdatesStagedInADirectoryThatIsGoneAreGivenUpByMakingItAgain) {
  const fs::path staging = killed_owner();
  fs::remove_all(staging);
  EXPECT_EQ(cairn({"set", "r", "m", "1"}).exit, 75);
  fs::create_directories(staging);
  ASSERT_EQ(chmod(staging.c_str(), 0700), 0);
  const Ran ran = cairn({"set", "r", "m", "1"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("updates of class process since the last flush may be lost"));
  EXPECT_EQ(metadata(), "{\"m\":1}\n");
}

}  // namespace
}  // namespace cairn::tests
