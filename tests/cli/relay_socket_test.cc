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

TEST_F(RelaySocket, TakesTheCommandsThatChangeRunsInsteadOfBusy) {
  ASSERT_EQ(at("up", {"start", "--id", "before"}).exit, 0);
  serve("up", {"--token-file", token_file()});
  EXPECT_EQ(at("up", {"resume", "before"}).exit, 0);
  const Ran begun = at("up", {"start", "--id", "job", "--task", "copy", "--json"});
  EXPECT_EQ(begun.exit, 0) << begun.err;
  EXPECT_EQ(begun.parsed()["id"], "job");
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{{"set", "job", "n", "1"},
                                                                                    {"increment", "job", "n", "2"},
                                                                                    {"append", "job", "list", "5"},
                                                                                    {"remove", "job", "list", "5"},
                                                                                    {"set", "job", "old", "1"},
                                                                                    {"del", "job", "old"}}) {
    const Ran ran = at("up", line);
    EXPECT_EQ(ran.exit, 0) << line[0] << ": " << ran.err;
  }
  EXPECT_EQ(at("up", {"get", "job"}).out, "{\"n\":3,\"list\":[]}\n") << "read from the files, as ever";
  EXPECT_EQ(at("up", {"finish", "job"}).exit, 0);
  EXPECT_EQ(at("up", {"set", "job", "n", "4"}).exit, 1) << "it is finished";
  EXPECT_EQ(at("up", {"erase", "before"}).exit, 0);
  EXPECT_EQ(at("up", {"get", "before"}).exit, 1);
  end("up", SIGTERM);
  EXPECT_EQ(at("up", {"start", "--id", "after"}).exit, 0) << "by the files again";
  EXPECT_EQ(at("up", {"get", "job", "n"}).out, "3\n");
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
