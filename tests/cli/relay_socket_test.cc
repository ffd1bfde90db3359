// STORE/relay.sock: a server's door for the commands of its own user.
#include <sys/stat.h>

#include <filesystem>

#include "tests/cli/server_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RelaySocket : public ServerTest {
 protected:
  [[nodiscard]] std::string token_file() {
    const std::string file = path("token");
    std::ofstream(file) << "0123456789abcdef0123456789abcdef";
    chmod(file.c_str(), 0600);
    return file;
  }
  [[nodiscard]] std::string socket() const { return path("up") + "/relay.sock"; }
};

TEST_F(RelaySocket, TakesWhatThisUserSendsWithoutAToken) {
  const std::string address = serve("up", {"--token-file", token_file()});
  struct stat info = {};
  ASSERT_EQ(lstat(socket().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode, static_cast<mode_t>(S_IFSOCK | 0600));
  started("job");
  EXPECT_EQ(cairn({"sync", "--upstream", "http://" + address, "--deadline", "5s"}).exit, 77)
      << "there it needs a token";
  const Ran ran = cairn({"sync", "--upstream", "unix:" + socket(), "--deadline", "30s"});
  EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
  EXPECT_EQ(at("up", {"show", "job"}).exit, 0);
  end("up", SIGTERM);
  EXPECT_FALSE(std::filesystem::exists(socket())) << "a clean stop removes it";
}

TEST_F(RelaySocket, OfAServerThatWasKilledDisturbsNobodyAndIsReplaced) {
  serve("up");
  end("up", SIGKILL);
  ASSERT_TRUE(std::filesystem::exists(socket()));
  EXPECT_EQ(at("up", {"start", "--id", "mine"}).exit, 0);
  EXPECT_EQ(at("up", {"verify"}).exit, 0);
  EXPECT_EQ(at("up", {"backup", path("copy")}).exit, 0);
  EXPECT_EQ(bare({"get", "mine", "--store", path("copy")}).exit, 0);
  serve("up");
  EXPECT_EQ(read_file(path("up.err")), "") << "nothing to say";
  started("job");
  EXPECT_EQ(cairn({"sync", "--upstream", "unix:" + socket(), "--deadline", "30s"}).exit, 0);
}

TEST_F(RelaySocket, AStoreWithALongPathIsServedWithoutIt) {
  const std::string name(100, 'x');
  EXPECT_NE(serve(name), "");
  EXPECT_THAT(read_file(path(name + ".err")), HasSubstr("at most 107 bytes"));
  EXPECT_FALSE(std::filesystem::exists(path(name) + "/relay.sock"));
}

}  // namespace
}  // namespace cairn::tests
