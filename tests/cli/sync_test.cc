// cairn sync, serve and why, as processes that talk over real sockets and files.
#ifdef CAIRN_TOOLS_NETWORK

#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>
#include <tuple>

#include "engine/store/upstream.h"
#include "engine/sync/batch.h"
#include "engine/sync/reply.h"
#include "tests/cli/server_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Not;

class Sync : public ServerTest {
 protected:
  /// The files in a folder, those that begin with `magic`.
  static std::vector<std::string> lying(const std::string& folder, const std::string& magic = "") {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.is_regular_file() && read_file(entry.path().string()).starts_with(magic)) {
        names.push_back(entry.path().filename().string());
      }
    }
    return names;
  }
  std::string why(const std::string& id = "r") { return cairn({"why", id, "--json"}).parsed().value("reason", ""); }
  void write_token(const std::string& name, const std::string& token) {
    std::ofstream(path(name)) << token << "\n";
    ::chmod(path(name).c_str(), 0600);
  }
  /// Nowhere in what was printed or stored by anybody.
  void expect_nowhere(const std::string& text, const std::vector<std::string>& but) {
    size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path())) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && std::find(but.begin(), but.end(), name) == but.end()) {
        ++files;
        EXPECT_EQ(read_file(entry.path().string()).find(text), std::string::npos) << entry.path();
      }
    }
    EXPECT_GT(files, 5u);
  }
};

TEST_F(Sync, BringsEverythingUpOnceAndThenOnlyWhatChanged) {
  const std::string url = "http://" + serve();
  started("a", R"({"progress":0.25})");
  started("b");
  EXPECT_EQ(cairn({"increment", "b", "n", "5"}).exit, 0);
  const Ran first = cairn({"sync", "--upstream", url, "--once", "--deadline", "60s", "--json"});
  EXPECT_EQ(first.exit, 0) << first.err;
  EXPECT_EQ(first.parsed()["all_acknowledged"], true);
  EXPECT_GT(first.parsed()["bytes_sent"], 0);
  EXPECT_EQ(at("up", {"get", "a"}).out, "{\"progress\":0.25}\n");
  EXPECT_EQ(at("up", {"get", "b"}).out, "{\"n\":5}\n");
  EXPECT_EQ(cairn({"increment", "b", "n", "2"}).exit, 0);
  EXPECT_EQ(cairn({"finish", "a"}).exit, 0);
  const Ran second = cairn({"sync"});
  EXPECT_EQ(second.exit, 0) << second.err;
  EXPECT_THAT(second.out, HasSubstr("all is upstream (" + url + ")"));
  EXPECT_EQ(at("up", {"get", "b"}).out, "{\"n\":7}\n");
  EXPECT_EQ(at("up", {"show", "a", "--json"}).parsed()["status"], "COMPLETED");
  const Ran third = cairn({"sync", "--json"});
  EXPECT_EQ(third.parsed()["messages"], 1) << "the question what others wrote";
  EXPECT_EQ(cairn({"erase", "b"}).exit, 0);
  EXPECT_EQ(cairn({"sync"}).exit, 0);
  EXPECT_EQ(at("up", {"get", "b"}).exit, 1);
}

TEST_F(Sync, WithoutAnswerEverythingWaitsAndIsSaid) {
  started();
  EXPECT_EQ(cairn({"sync"}).exit, 64);
  EXPECT_THAT(cairn({"sync"}).err, HasSubstr("no upstream is known: give --upstream URL"));
  EXPECT_EQ(why(), "no_upstream");
  const Ran ran = cairn({"sync", "--upstream", "http://127.0.0.1:1", "--deadline", "1s"});
  EXPECT_EQ(ran.exit, 75);
  EXPECT_THAT(ran.err, Not(HasSubstr("tried again")));
  EXPECT_THAT(ran.out, HasSubstr("1 run waits"));
  EXPECT_THAT(ran.out, HasSubstr("the last try: POST http://127.0.0.1:1/v1/sync"));
  const Ran text = cairn({"why", "r"});
  EXPECT_EQ(text.exit, 1);
  EXPECT_THAT(text.out, HasSubstr("no answer, since "));
  EXPECT_EQ(why(), "in_flight");
  EXPECT_EQ(cairn({"why", "none"}).exit, 1);
  EXPECT_THAT(cairn({"why", "none"}).err, HasSubstr("`cairn ls` lists the runs"));
  // Somewhere else, later.
  const std::string url = "http://" + serve();
  EXPECT_EQ(cairn({"sync", "--upstream", url}).exit, 0);
  EXPECT_EQ(why(), "acknowledged");
  EXPECT_EQ(cairn({"why", "r"}).exit, 0);
}

TEST_F(Sync, ADetachedStoreIsSentWhenAnUpstreamIsNamedAgain) {
  const std::string url = "http://" + serve();
  started("r", R"({"n":1})");
  EXPECT_EQ(cairn({"sync", "--upstream", url}).exit, 0);
  EXPECT_EQ(cairn({"sync", "--detach"}).exit, 0);
  EXPECT_EQ(cairn({"increment", "r", "n", "1"}).exit, 0);
  const Ran refused = cairn({"sync"});
  EXPECT_EQ(refused.exit, 64);
  EXPECT_THAT(refused.err, HasSubstr("the store was detached: give --upstream URL"));
  EXPECT_EQ(cairn({"sync", "--dead"}).exit, 0) << "what is held can be seen all the same";
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":1}\n");
  const Ran again = cairn({"sync", "--upstream", url, "--json"});
  EXPECT_EQ(again.exit, 0) << again.err;
  EXPECT_EQ(again.parsed()["messages"], 2) << "the change, and the question what others wrote";
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":2}\n");
}

TEST_F(Sync, WrongLinesAreRefusedAndChangeNothing) {
  started();
  EXPECT_EQ(cairn({"sync", "--upstream", "ftp://x", "--deadline", "1s"}).exit, 64);
  EXPECT_EQ(cairn({"sync", "--upstream", "http://127.0.0.1:1", "--deadline", "soon"}).exit, 64);
  EXPECT_EQ(cairn({"sync", "--moved", "--copied"}).exit, 64);
  EXPECT_EQ(cairn({"sync", "--upstream", "http://127.0.0.1:1", "--via-folder", "x"}).exit, 64);
  EXPECT_EQ(cairn({"sync", "--upstream", "http://far.example:4020", "--deadline", "1s"}).exit, 77)
      << "a token would be readable on the way";
  EXPECT_EQ(why(), "no_upstream");
  EXPECT_EQ(serve("s1", {}, "0.0.0.0:0"), "");
  EXPECT_THAT(read_file(path("s1.err")), HasSubstr("token"));
  EXPECT_EQ(serve("s2", {"--tls-cert", "x"}), "");
  EXPECT_EQ(serve("s3", {"--token-file", path("none")}), "");
  EXPECT_EQ(serve("s4", {"--via-folder", path("none")}), "");
}

TEST_F(Sync, ATokenIsAskedForAndIsNowhereElse) {
  const std::string canary = "canary-5c9d3b7a1e8f4026b1d7c2a9e0f6d384";
  const std::string other = "wrong--00112233445566778899aabbccddeeff";
  write_token("token", canary);
  write_token("other", other);
  const std::string url = "http://" + serve("up", {"--token-file", path("token")});
  started();
  const Ran none = cairn({"sync", "--upstream", url});
  EXPECT_EQ(none.exit, 77);
  EXPECT_THAT(none.out, HasSubstr("the upstream asks for a token, and none was given"));
  const Ran wrong = cairn({"sync", "--upstream", url, "--token-file", path("other")});
  EXPECT_EQ(wrong.exit, 77) << wrong.out;
  EXPECT_THAT(wrong.out, HasSubstr("the upstream does not accept the token"));
  environment_ = {"CAIRN_TOKEN=" + canary};
  EXPECT_EQ(cairn({"sync", "--upstream", url}).exit, 0);
  environment_.clear();
  EXPECT_EQ(cairn({"set", "r", "a", "1"}).exit, 0);
  EXPECT_EQ(cairn({"sync"}).exit, 77) << "a token is never remembered";
  EXPECT_EQ(cairn({"sync", "--token-file", path("token")}).exit, 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"a\":1}\n");
  ::chmod(path("token").c_str(), 0622);
  EXPECT_EQ(cairn({"sync", "--token-file", path("token")}).exit, 77) << "others can write it";
  ::chmod(path("token").c_str(), 0644);
  const Ran warned = cairn({"sync", "--upstream", url, "--token-file", path("token")});
  EXPECT_EQ(warned.exit, 0);
  const std::string warning = "cairn: others may read the token file; chmod 600 it: " + path("token") + "\n";
  EXPECT_THAT(warned.err, ::testing::StartsWith(warning));
  EXPECT_EQ(warned.err.find(warning, 1), std::string::npos) << "once";
  end("up", SIGTERM);
  expect_nowhere(canary, {"token"});
  expect_nowhere(other, {"other"});
}

TEST_F(Sync, DevicesMayHaveATokenOfTheirOwnAndTokensAreExchangedWithoutAStop) {
  write_token("old", "old-token-5c9d3b7a1e8f4026b1d7c2a9e0f6d384");
  write_token("new", "new-token-5c9d3b7a1e8f4026b1d7c2a9e0f6d384");
  write_token("device", "device-token-5c9d3b7a1e8f4026b1d7c2a9e0f6d384");
  const std::string url =
      "http://" + serve("up", {"--token-file", path("old"), "--token-file", path("new"), "--sync-token-file",
                               path("device"), "--allow-origin", "https://app.example"});
  started();
  for (const char* token : {"old", "new", "device"}) {
    EXPECT_EQ(cairn({"set", "r", token, "1"}).exit, 0);
    EXPECT_EQ(cairn({"sync", "--upstream", url, "--token-file", path(token)}).exit, 0) << token;
  }
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"old\":1,\"new\":1,\"device\":1}\n");
  for (const char* wrong : {"app.example", "https://app.example/", "https://App.example", "*", "ftp://a", "https://"}) {
    const Ran ran = at("other", {"serve", "--allow-origin", wrong});
    EXPECT_EQ(ran.exit, 64) << wrong;
    EXPECT_THAT(ran.err, HasSubstr("--allow-origin takes")) << wrong;
  }
}

// People paste what a browser or another tool takes.
TEST_F(Sync, AnAddressWithASecretInItIsSaidAndKeptNowhere) {
  const std::string canary = "canary5c9d3b7a1e8f4026";
  started();
  std::string said;
  int asked = 0;
  for (const std::string& url : {"https://user:" + canary + "@up.example:4020", "http://" + canary + "@127.0.0.1:1",
                                 "http://127.0.0.1:1/v1?token=" + canary, "http://127.0.0.1:1#" + canary,
                                 "https://user:a/" + canary + "@up.example", "ftp://user:" + canary + "@up.example",
                                 "user:" + canary + "@up.example", "https://[" + canary, "https://up.example:" + canary,
                                 "unix:/run/x?token=" + canary}) {
    for (const bool json : {false, true}) {
      std::vector<std::string> sync = {"sync", "--upstream", url};
      std::vector<std::string> serve = {"serve", "--listen", "127.0.0.1:0", "--upstream", url};
      for (std::vector<std::string>* const line : {&sync, &serve}) {
        if (json) {
          line->push_back("--json");
        }
        const Ran ran = cairn(*line);
        EXPECT_EQ(ran.exit, 64) << url;
        said += ran.out + ran.err;
        ++asked;
      }
    }
  }
  said += cairn({"sync", "https://user:" + canary + "@up.example"}).err;
  environment_ = {"https_proxy=nonsense://user:" + canary + "@127.0.0.1:1"};
  const Ran proxy = cairn({"sync", "--upstream", "https://up.example", "--deadline", "1s"});
  EXPECT_EQ(proxy.exit, 75);
  environment_.clear();
  said += proxy.out + proxy.err + cairn({"why", "r"}).out + cairn({"why", "r", "--json"}).out + cairn({"stats"}).out +
          cairn({"sync", "--dry-run", "--json"}).out;
  EXPECT_EQ(said.find(canary), std::string::npos) << said;
  EXPECT_EQ(asked, 40);
  expect_nowhere(canary, {});
}

// The token of a relay's upstream is replaced while the relay runs: nobody has to tell it.
TEST_F(Sync, ARelayTakesAnotherTokenFromItsFile) {
  write_token("right", "right-00112233445566778899aabbccddeeff");
  write_token("token", "wrong-00112233445566778899aabbccddeeff");
  const std::string centre = serve("centre", {"--token-file", path("right")});
  const std::string relay = serve("relay", {"--upstream", "http://" + centre, "--upstream-token-file", path("token")});
  started("r", R"({"n":1})");
  EXPECT_EQ(cairn({"sync", "--upstream", "http://" + relay}).exit, 0);
  const auto wait_for = [](const std::function<bool()>& done) {
    for (int i = 0; i < 500 && !done(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return done();
  };
  const auto said = [&](const std::string& text) {
    const std::string all = read_file(path("relay.err"));
    int times = 0;
    for (size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) {
      ++times;
    }
    return times;
  };
  ASSERT_TRUE(wait_for([&] { return said("does not accept the token") == 1; })) << read_file(path("relay.err"));
  // The right one, and others may write it: it is not taken, and that is said.
  write_token("next", "right-00112233445566778899aabbccddeeff");
  ::chmod(path("next").c_str(), 0660);
  std::filesystem::rename(path("next"), path("token"));
  ASSERT_TRUE(wait_for([&] { return said("none is taken from its file") == 1; })) << read_file(path("relay.err"));
  EXPECT_THAT(read_file(path("relay.err")),
              HasSubstr("others may write the token file; chmod 600 it: " + path("token")));
  EXPECT_THAT(at("relay", {"why", "r"}).out, HasSubstr("others may write the token file"));
  ::chmod(path("token").c_str(), 0600);
  ASSERT_TRUE(wait_for([&] { return at("centre", {"get", "r"}).out == "{\"n\":1}\n"; }));
  ASSERT_TRUE(wait_for([&] { return said("answers again") == 1; }));
  EXPECT_EQ(cairn({"increment", "r", "n", "1"}).exit, 0);
  EXPECT_EQ(cairn({"sync"}).exit, 0);
  ASSERT_TRUE(wait_for([&] { return at("centre", {"get", "r"}).out == "{\"n\":2}\n"; }));
  EXPECT_EQ(said("none is taken from its file"), 1);
  EXPECT_EQ(said("the upstream http://" + centre), 3) << "one line for each change:\n" << read_file(path("relay.err"));
}

// worker -> relay -> centre, and another store that sends to the centre itself: what does nothing to the relay's copy
// does its part at the centre. Whether the relay has sent the run by then or not.
TEST_F(Sync, WhatOthersDoGoesOnFromARelayAsItCame) {
  const std::string centre = "http://" + serve("centre");
  const std::string relay = "http://" + serve("relay", {"--upstream", centre});
  for (const char* const store : {"child", "far"}) {
    ASSERT_EQ(at(store, {"start", "--id", store, "--parent", "p"}).exit, 0);
  }
  started("p", R"({"n":1,"k":0})");
  const auto update = [&](const std::string& store, const std::string& operations) {
    std::ofstream(path("in")) << R"({"id":")" << store << R"(","parentOperations":[)" << operations << "]}";
    const Ran ran = wait_for(spawn({"apply", "--atomic", "--store", path(store)}, path("in"), false));
    EXPECT_EQ(ran.exit, 0) << ran.err;
  };
  update("far", R"({"type":"append","key":"l","value":"x"},{"type":"set","key":"k","value":1},)"
                R"({"type":"set","key":"m","value":{"k":1}})");
  EXPECT_EQ(at("far", {"sync", "--upstream", centre}).exit, 0);
  EXPECT_EQ(cairn({"sync", "--upstream", relay}).exit, 0);
  update("child", R"({"type":"remove","key":"l","value":"x"},{"type":"set","key":"k","value":2},)"
                  R"({"type":"set","key":"$.m.a","value":2})");
  EXPECT_EQ(at("child", {"sync", "--upstream", relay}).exit, 0);
  const Json right = {{"n", 1}, {"k", 2}, {"l", Json::array()}, {"m", {{"k", 1}, {"a", 2}}}};
  Json seen;
  for (int i = 0; i < 500 && !(seen == right); ++i) {  // what is no JSON yet is neither equal nor unequal
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    seen = Json::parse(at("centre", {"get", "p"}).out, nullptr, false);
  }
  EXPECT_EQ(seen, right);
}

// One file, one judgement, whoever reads it.
TEST_F(Sync, ATokenFileIsJudgedTheSameAtBothEnds) {
  started();
  write_token("short", "twenty-characters-00");
  write_token("open", "right-00112233445566778899aabbccddeeff");
  ::chmod(path("open").c_str(), 0646);
  std::filesystem::create_symlink(path("open"), path("link"));
  for (const auto& [name, exit] :
       std::vector<std::pair<std::string, int>>{{"none", 74}, {"short", 64}, {"open", 77}, {"link", 77}}) {
    const Ran sender = cairn({"sync", "--upstream", "http://127.0.0.1:1", "--token-file", path(name)});
    const Ran receiver = at("up", {"serve", "--listen", "127.0.0.1:0", "--token-file", path(name)});
    const Ran relay = at("up", {"serve", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1",
                                "--upstream-token-file", path(name)});
    for (const Ran& ran : {sender, receiver, relay}) {
      EXPECT_EQ(ran.exit, exit) << name << ": " << ran.err;
      EXPECT_EQ(ran.err, sender.err);
      EXPECT_THAT(ran.err, ::testing::AnyOf(HasSubstr(path(name) + ": the token"),
                                            HasSubstr(path(name) + ": others may write the token")));
    }
  }
}

TEST_F(Sync, WhatTheUpstreamAnsweredToIsRemembered) {
  write_token("token", "token-5c9d3b7a1e8f4026b1d7c2a9e0f6d384");
  const std::string url = "http://" + serve("up", {"--token-file", path("token")});
  started();
  EXPECT_EQ(cairn({"sync", "--upstream", "http://127.0.0.1:1", "--deadline", "100ms"}).exit, 75);
  const Ran unanswered = cairn({"sync"});
  EXPECT_EQ(unanswered.exit, 64);
  EXPECT_THAT(unanswered.err, HasSubstr("http://127.0.0.1:1 has not answered yet, so it is not remembered"));
  // By a path that only holds in one directory; and the next call is in another one.
  std::filesystem::create_directory(path("elsewhere"));
  working_directory_ = path("elsewhere");
  EXPECT_EQ(cairn({"sync", "--upstream", url, "--token-file", "../token"}).exit, 0);
  working_directory_ = "/";
  EXPECT_EQ(cairn({"set", "r", "a", "1"}).exit, 0);
  EXPECT_EQ(cairn({"sync"}).exit, 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"a\":1}\n");
  EXPECT_EQ(cairn({"sync", "--upstream", "http://127.0.0.1:1", "--deadline", "100ms"}).exit, 75);
  EXPECT_EQ(cairn({"set", "r", "b", "1"}).exit, 0);
  EXPECT_EQ(cairn({"sync", "--upstream", "http://127.0.0.1:1", "--deadline", "100ms"}).exit, 75);
  const Ran unheard = cairn({"why", "r"});
  EXPECT_THAT(unheard.out, HasSubstr("what upstream http://127.0.0.1:1 has of it is not known yet"));
  EXPECT_TRUE(cairn({"why", "r", "--json"}).parsed()["acknowledged_sequence"].is_null());
  EXPECT_EQ(cairn({"sync"}).exit, 0) << "the one that answered";
  // A token in the environment was meant; another upstream is not shown this one's.
  environment_ = {"CAIRN_TOKEN=wrong-5c9d3b7a1e8f4026b1d7c2a9e0f6d384"};
  EXPECT_EQ(cairn({"set", "r", "a", "2"}).exit, 0);
  EXPECT_EQ(cairn({"sync"}).exit, 77);
  environment_.clear();
  const std::string second = "http://" + serve("second", {"--token-file", path("token")});
  EXPECT_EQ(cairn({"sync", "--upstream", second}).exit, 77);
}

TEST_F(Sync, WhatOnlyFailsAgainEndsItAtOnce) {
  write_token("token", "token-5c9d3b7a1e8f4026b1d7c2a9e0f6d384");
  const std::string address = serve("up", {"--token-file", path("token")});
  started();
  // The deadline is longer than the test may take.
  for (const std::string& url : {"https://" + address, "http://" + address + "/prefix", "http://" + address}) {
    const Ran ran = cairn({"sync", "--upstream", url, "--deadline", "1h"});
    EXPECT_EQ(ran.exit, 77) << ran.out;
    EXPECT_THAT(ran.err, Not(HasSubstr("tried again"))) << "the command ends";
    EXPECT_THAT(ran.out, HasSubstr("the last try: ")) << url;
  }
}

TEST_F(Sync, ByTlsAndAUnixSocket) {
  const std::string make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout " + path("key.pem") +
      " -out " + path("cert.pem") + " -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);  // NOLINT(cert-env33-c, concurrency-mt-unsafe): one thread
  ::chmod(path("key.pem").c_str(), 0600);
  const std::string address = serve("up", {"--tls-cert", path("cert.pem"), "--tls-key", path("key.pem")});
  started();
  const Ran unknown = cairn({"sync", "--upstream", "https://" + address, "--deadline", "2s"});
  EXPECT_EQ(unknown.exit, 77) << "it is no better in a second";
  EXPECT_THAT(unknown.out, HasSubstr("certificate"));
  EXPECT_THAT(unknown.err, Not(HasSubstr("tried again")));
  // Trusted, and another one's name.
  const Ran other = cairn({"sync", "--upstream", "https://localhost" + address.substr(address.rfind(':')), "--ca-file",
                           path("cert.pem"), "--deadline", "1h"});
  EXPECT_EQ(other.exit, 77) << other.out;
  const std::string cert = read_file(path("cert.pem"));
  for (const std::string& spoiled :
       {std::string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), cert.substr(0, cert.size() / 2),
        cert.substr(0, 100) + cert.substr(200), cert + "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"}) {
    std::ofstream(path("spoiled.pem")) << spoiled;
    const Ran ran = cairn({"sync", "--upstream", "https://" + address, "--ca-file", path("spoiled.pem")});
    EXPECT_EQ(ran.exit, 65) << spoiled;
    EXPECT_THAT(ran.err, HasSubstr(path("spoiled.pem")));
  }
  const std::string url = "https://" + address;
  EXPECT_EQ(cairn({"sync", "--upstream", url, "--ca-file", path("key.pem")}).exit, 65);
  EXPECT_EQ(cairn({"sync", "--upstream", url, "--ca-file", path("cert.pem")}).exit, 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{}\n");
  EXPECT_THAT(cairn({"sync", "--upstream", "unix:" + path("sock"), "--deadline", "1s"}).out,
              HasSubstr("no server listens on the socket"));
  const std::string socket = serve("by-socket", {}, "unix:" + path("sock"));
  EXPECT_EQ(socket, "unix:" + path("sock"));
  EXPECT_EQ(cairn({"sync", "--upstream", socket}).exit, 0);
  EXPECT_EQ(at("by-socket", {"get", "r"}).out, "{}\n") << "another upstream gets all runs";
}

TEST_F(Sync, ARefusedRunIsHeldAndTheOthersFlow) {
  const std::string url = "http://" + serve("up", {"--limit", "300"});
  started("big", R"({"text":")" + std::string(1000, 'x') + R"("})");
  started("small", R"({"n":1})");
  const Ran ran = cairn({"sync", "--upstream", url});
  EXPECT_EQ(ran.exit, 65) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("cairn sync --dead"));
  EXPECT_EQ(at("up", {"get", "small"}).out, "{\"n\":1}\n");
  EXPECT_EQ(why("big"), "held");
  const Ran dead = cairn({"sync", "--dead", "--json"});
  EXPECT_EQ(dead.parsed()["id"], "big");
  EXPECT_EQ(dead.parsed()["reason"], "too large");
  EXPECT_EQ(cairn({"sync", "--retry", "big"}).exit, 65);
  EXPECT_EQ(cairn({"set", "big", "text", "\"y\""}).exit, 0);
  EXPECT_EQ(cairn({"sync"}).exit, 65) << "what is held stays";
  EXPECT_EQ(cairn({"sync", "--replace", "big"}).exit, 0);
  EXPECT_EQ(at("up", {"get", "big"}).out, "{\"text\":\"y\"}\n");
  EXPECT_EQ(cairn({"sync", "--skip", "big"}).exit, 1) << "nothing is held";
}

TEST_F(Sync, AllThatIsHeldIsSentAgainAtOnce) {
  std::string url = "http://" + serve("up", {"--limit", "300"});
  for (const char* id : {"a", "b", "c"}) {
    started(id, R"({"text":")" + std::string(1000, 'x') + R"("})");
  }
  EXPECT_EQ(cairn({"sync", "--upstream", url}).exit, 65);
  EXPECT_EQ(cairn({"sync", "--retry-all"}).exit, 65) << "nothing has changed";
  EXPECT_EQ(cairn({"sync", "--dead", "--json"}).lines().size(), 3u);
  end("up", SIGTERM);
  url = "http://" + serve("up");
  const Ran ran = cairn({"sync", "--upstream", url, "--retry-all"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("3 refused changes are sent again"));
  EXPECT_EQ(at("up", {"ls", "--json"}).lines().size(), 3u);
  EXPECT_EQ(cairn({"sync", "--retry-all", "--skip", "a"}).exit, 64);
}

TEST_F(Sync, AllThatIsHeldIsListedHoweverMuchItIs) {
  constexpr size_t kRuns = 10'001;
  open();
  for (size_t i = 0; i < kRuns; ++i) {
    engine::StartOptions run;
    run.id = "r-" + std::to_string(i);
    ASSERT_TRUE(store_->start(run).ok());
  }
  engine::sync::SenderOptions all;
  all.limits = {engine::sync::kEntriesMax, 4u << 20};
  ASSERT_TRUE(store_->upstream().attach("test", all).ok());
  std::string batch;
  ASSERT_TRUE(store_->upstream().next(batch).ok());
  const auto sent = engine::sync::decode_batch_header(batch);
  ASSERT_EQ(sent->entries, kRuns);
  engine::sync::ReplyHeader header;
  header.stream = sent->stream;
  header.seq = header.for_seq = sent->seq;
  header.digest = header.for_digest = sent->digest;
  std::vector<engine::sync::Verdict> refused(kRuns);
  for (size_t i = 0; i < kRuns; ++i) {
    refused[i].entry = static_cast<uint32_t>(i);
    refused[i].code = engine::sync::VerdictCode::kTooLarge;
  }
  ASSERT_TRUE(store_->upstream().feed(engine::sync::encode_reply(header, refused)).ok());
  close();
  const Ran dead = cairn({"sync", "--dead"});
  EXPECT_EQ(dead.exit, 0) << dead.err;
  EXPECT_EQ(std::count(dead.out.begin(), dead.out.end(), '\n'), kRuns);
  EXPECT_THAT(dead.out, HasSubstr("\nr-9999  too large"));
}

// "Only say what waits", and "list": a decision in the same line would be carried out, or passed over, unseen.
TEST_F(Sync, ADryRunAndAListDecideNothing) {
  const std::string url = "http://" + serve("up", {"--limit", "300"});
  started("big", R"({"text":")" + std::string(1000, 'x') + R"("})");
  EXPECT_EQ(cairn({"sync", "--upstream", url}).exit, 65);
  const std::vector<std::vector<std::string>> acts = {{"--upstream", "http://127.0.0.1:1"},
                                                      {"--via-folder", path("stick")},
                                                      {"--moved"},
                                                      {"--copied"},
                                                      {"--retry", "big"},
                                                      {"--skip", "big"},
                                                      {"--replace", "big"},
                                                      {"--detach"}};
  for (const std::vector<std::string>& act : acts) {
    for (const std::string& only : {std::string("--dry-run"), std::string("--dead"), std::string("--detach")}) {
      std::vector<std::string> line = {"sync", only};
      line.insert(line.end(), act.begin(), act.end());
      if (only == act[0]) {
        continue;
      }
      const Ran ran = cairn(line);
      EXPECT_EQ(ran.exit, 64) << only << " " << act[0];
      EXPECT_THAT(ran.err, AllOf(HasSubstr(only), HasSubstr(act[0]), HasSubstr("exclude each other")));
      EXPECT_EQ(ran.out, "");
    }
  }
  EXPECT_EQ(cairn({"sync", "--dry-run", "--dead"}).exit, 64);
  EXPECT_EQ(cairn({"sync", "--dry-run"}).exit, 0);
  EXPECT_EQ(why("big"), "held") << "nothing was decided";
  EXPECT_THAT(cairn({"sync", "--dead"}).out, HasSubstr("big"));
  EXPECT_EQ(cairn({"sync", "--dry-run", "--json"}).parsed()["upstream"], url);
}

TEST_F(Sync, ADryRunChangesNothingThatIsKept) {
  const std::string url = "http://" + serve();
  started();
  EXPECT_EQ(cairn({"sync", "--upstream", url}).exit, 0);
  EXPECT_EQ(cairn({"increment", "r", "n", "1"}).exit, 0);
  const Ran dry = cairn({"sync", "--dry-run", "--batch-runs", "1", "--json"});
  EXPECT_EQ(dry.exit, 0) << dry.err;
  EXPECT_EQ(dry.parsed()["waiting_runs"], 1);
  EXPECT_EQ(dry.parsed()["messages"], 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{}\n");
  EXPECT_EQ(cairn({"sync"}).exit, 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":1}\n");
}

TEST_F(Sync, ACopySendsNothingUntilSomebodySaysWhatItIs) {
  const std::string url = "http://" + serve();
  started("r", R"({"n":1})");
  EXPECT_EQ(cairn({"sync", "--upstream", url}).exit, 0);
  std::filesystem::copy(store(), path("copy"), std::filesystem::copy_options::recursive);
  EXPECT_EQ(at("copy", {"set", "r", "n", "2"}).exit, 0);
  const Ran ran = at("copy", {"sync"});
  EXPECT_EQ(ran.exit, 76);
  EXPECT_THAT(ran.out, HasSubstr("cairn sync --copied"));
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":1}\n");
  EXPECT_EQ(at("copy", {"why", "r", "--json"}).parsed()["reason"], "copied");
  EXPECT_THAT(at("copy", {"sync", "--copied"}).exit, AnyOf(Eq(0), Eq(65)));
  EXPECT_EQ(cairn({"set", "r", "n", "3"}).exit, 0);
  EXPECT_EQ(cairn({"sync"}).exit, 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":3}\n") << "the run is the first store's";
  std::filesystem::rename(store(), path("moved"));
  EXPECT_EQ(at("moved", {"set", "r", "n", "4"}).exit, 0);
  EXPECT_THAT(at("moved", {"sync"}).exit, AnyOf(Eq(0), Eq(76)));
  EXPECT_THAT(at("moved", {"sync", "--moved"}).exit, AnyOf(Eq(0), Eq(64)));
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":4}\n");
}

TEST_F(Sync, ByAFolderThatTravels) {
  started("r", R"({"n":1})");
  std::filesystem::create_directory(path("stick"));
  EXPECT_EQ(cairn({"sync", "--via-folder", path("gone")}).exit, 74);
  const Ran laid = cairn({"sync", "--via-folder", path("stick")});
  EXPECT_EQ(laid.exit, 75);
  EXPECT_THAT(laid.out, HasSubstr("take it to the other side"));
  EXPECT_EQ(cairn({"sync", "--via-folder", path("stick")}).exit, 75);
  const std::vector<std::string> names = lying(path("stick"), "CRNB");
  ASSERT_EQ(names.size(), 1u) << "the same message is the same file";
  EXPECT_EQ(names[0].size(), 32 + std::string(".message").size());
  // Spoiled on its way: it is not taken, and comes again.
  const std::string message = read_file(path("stick/" + names[0]));
  std::ofstream(path("stick/" + names[0])) << message.substr(0, message.size() - 3);
  EXPECT_EQ(at("up", {"serve", "--via-folder", path("stick")}).exit, 74);
  EXPECT_EQ(at("up", {"get", "r"}).exit, 1);
  EXPECT_EQ(cairn({"sync", "--via-folder", path("stick")}).exit, 75);
  EXPECT_THAT(at("up", {"serve", "--via-folder", path("stick")}).out, HasSubstr("1 batch with 1 change"));
  EXPECT_THAT(at("up", {"serve", "--via-folder", path("stick")}).out, HasSubstr("0 batches"));
  // A copy of the stick is taken to the other side a second time, without the answers.
  std::filesystem::create_directory(path("old"));
  std::filesystem::copy(path("stick/" + names[0]), path("old/" + names[0]));
  EXPECT_EQ(cairn({"increment", "r", "n", "1"}).exit, 0);
  EXPECT_EQ(cairn({"sync", "--via-folder", path("stick")}).exit, 75) << "answered, and the next one lies there";
  EXPECT_EQ(at("up", {"serve", "--via-folder", path("stick")}).exit, 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":2}\n");
  EXPECT_EQ(at("up", {"serve", "--via-folder", path("old")}).exit, 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":2}\n");
  EXPECT_EQ(cairn({"sync", "--via-folder", path("stick")}).exit, 0);
  EXPECT_EQ(lying(path("stick")).size(), 1u) << "a question for what others wrote";
  EXPECT_EQ(why(), "acknowledged");
  EXPECT_EQ(cairn({"finish", "r"}).exit, 0);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(cairn({"sync", "--via-folder", path("stick")}).exit, i == 0 ? 75 : 0);
    EXPECT_EQ(at("up", {"serve", "--via-folder", path("stick")}).exit, 0);
  }
  EXPECT_TRUE(std::filesystem::is_empty(path("stick"))) << "nobody asks for what is finished";
}

// Root reads what is 0000, so what cannot be read is no file here: a directory, a link.
TEST_F(Sync, AMessageInAFolderThatCannotBeReadHidesNoOther) {
  started("r", R"({"n":1})");
  const std::string stick = path("stick");
  std::filesystem::create_directory(stick);
  EXPECT_EQ(cairn({"sync", "--via-folder", stick}).exit, 75);
  // Some in front of every other, and one behind.
  const std::string front(32, '0');
  for (const char* last : {"1", "2", "3"}) {
    std::filesystem::create_directory(stick + "/" + front.substr(1) + last + ".message");
  }
  std::filesystem::create_symlink("/nowhere", stick + "/" + std::string(32, 'f') + ".message");
  const Ran ran = at("up", {"serve", "--via-folder", stick});
  EXPECT_EQ(ran.exit, 74);
  EXPECT_THAT(ran.out, HasSubstr("1 batch with 1 change"));
  EXPECT_THAT(ran.err, HasSubstr("4 messages could not be read, all others have an answer"));
  EXPECT_THAT(ran.err, HasSubstr(front.substr(1) + "1.message"));
  EXPECT_THAT(ran.err, HasSubstr("and 1 more"));
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":1}\n");
  EXPECT_EQ(cairn({"sync", "--via-folder", stick}).exit, 0) << "the answer lies there";
  EXPECT_EQ(why(), "acknowledged");
  EXPECT_EQ(at("up", {"serve", "--via-folder", stick, "--json"}).exit, 74) << "as long as they lie there";
  for (const auto& entry : std::filesystem::directory_iterator(stick)) {
    std::filesystem::remove(entry.path());
  }
  EXPECT_EQ(at("up", {"serve", "--via-folder", stick}).exit, 0);
}

// A stick that is pulled out leaves files that are cut, empty, or those of others. Whatever it is, one more journey
// mends it, and whoever passes something over says what.
class SpoiledFolder : public Sync {
 protected:
  void SetUp() override {
    Sync::SetUp();
    started("r", R"({"n":1})");
    std::filesystem::create_directory(stick());
    EXPECT_EQ(send(), 75);
    message_ = only_batch();
    answer_ = message_.substr(0, message_.size() - 8) + ".answer";
  }
  [[nodiscard]] std::string stick() const { return path("stick"); }
  int send() {
    sent_ = cairn({"sync", "--via-folder", stick()});
    return sent_.exit;
  }
  int answer() {
    answered_ = at("up", {"serve", "--via-folder", stick()});
    return answered_.exit;
  }
  /// The batch that lies there.
  [[nodiscard]] std::string only_batch() const {
    const std::vector<std::string> names = lying(stick(), "CRNB");
    EXPECT_EQ(names.size(), 1u);
    return names.empty() ? "" : stick() + "/" + names[0];
  }
  void expect_all_upstream() {
    EXPECT_EQ(send(), 0) << sent_.out << sent_.err;
    EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":1}\n");
    EXPECT_EQ(at("up", {"show", "r", "--json"}).parsed()["status"], "EXECUTING");
    EXPECT_EQ(why(), "acknowledged");
    EXPECT_EQ(lying(stick()).size(), 1u) << "a question for what others wrote";
  }

  std::string message_, answer_;
  Ran sent_, answered_;
};

TEST_F(SpoiledFolder, AMessageThatIsCutIsNamedAndLaidDownAgain) {
  const std::string whole = read_file(message_);
  std::string flipped = whole;
  flipped[whole.size() / 2] ^= 1;
  for (const std::string& spoiled : {whole.substr(0, 100), std::string(), whole + "x", flipped}) {
    std::ofstream(message_, std::ios::binary) << spoiled;
    EXPECT_EQ(answer(), 74);
    EXPECT_THAT(answered_.err, HasSubstr("1 message could not be read"));
    EXPECT_THAT(answered_.err, HasSubstr(message_));
    EXPECT_FALSE(std::filesystem::exists(answer_));
    EXPECT_EQ(send(), 75);
    EXPECT_THAT(sent_.err, HasSubstr(message_ + ": was cut or spoiled"));
    EXPECT_EQ(read_file(message_), whole);
  }
  EXPECT_EQ(send(), 75);
  EXPECT_EQ(sent_.err, "") << "it lies there as it should";
  EXPECT_EQ(answer(), 0);
  expect_all_upstream();
}

TEST_F(SpoiledFolder, ADirectoryInTheAnswersPlaceIsNoWrongCommandLine) {
  std::filesystem::create_directory(answer_);
  EXPECT_EQ(send(), 74);
  EXPECT_THAT(sent_.err, HasSubstr(answer_));
  std::filesystem::remove(answer_);
  EXPECT_EQ(answer(), 0);
  expect_all_upstream();
  // Nothing waits now; the folder is missed all the same.
  const Ran gone = cairn({"sync", "--via-folder", path("gone")});
  EXPECT_EQ(gone.exit, 74) << gone.out;
  EXPECT_THAT(gone.err, HasSubstr(path("gone")));
}

TEST_F(SpoiledFolder, AnAnswerThatIsCutIsNamedAndGivenAgain) {
  EXPECT_EQ(answer(), 0);
  const std::string whole = read_file(answer_);
  std::string flipped = whole;
  flipped[20] ^= 1;
  for (const std::string& spoiled : {std::string(), whole.substr(0, 50), flipped, std::string("<html>")}) {
    std::ofstream(answer_, std::ios::binary) << spoiled;
    EXPECT_EQ(send(), 74);
    EXPECT_THAT(sent_.err, HasSubstr(answer_ + ": is not an answer to its message"));
    EXPECT_EQ(why(), "in_flight") << "and nothing was counted as a failure of the other side";
    EXPECT_EQ(answer(), 0);
    EXPECT_THAT(answered_.out, HasSubstr("1 came again"));
    EXPECT_NE(read_file(answer_), spoiled);
  }
  expect_all_upstream();
}

// The whole answer to another message, under this one's name.
TEST_F(SpoiledFolder, AnAnswerToAnotherMessageIsNoAnswer) {
  EXPECT_EQ(answer(), 0);
  const std::string earlier = read_file(answer_);
  expect_all_upstream();
  EXPECT_EQ(cairn({"set", "r", "n", "2"}).exit, 0);
  EXPECT_EQ(send(), 75);
  message_ = only_batch();
  answer_ = message_.substr(0, message_.size() - 8) + ".answer";
  std::ofstream(answer_, std::ios::binary) << earlier;
  EXPECT_EQ(send(), 74);
  EXPECT_EQ(answer(), 0);
  EXPECT_THAT(answered_.out, HasSubstr("1 batch with 1 change"));
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":2}\n");
}

// The other side's disk was full, then it had room: no journey is needed to ask it again.
TEST_F(SpoiledFolder, AnAnswerThatSaysNotNowIsGivenAgain) {
  engine::sync::ReplyHeader header;
  header.answer = static_cast<uint8_t>(engine::sync::Answer::kUnable);
  std::ofstream(answer_, std::ios::binary) << engine::sync::encode_reply(header, {});
  EXPECT_EQ(answer(), 0);
  EXPECT_THAT(answered_.out, HasSubstr("1 batch with 1 change"));
  expect_all_upstream();
}

// The message was cut after it was answered: its answer is all that its sender needs.
TEST_F(SpoiledFolder, AMessageThatIsCutAfterItsAnswerIsDone) {
  EXPECT_EQ(answer(), 0);
  std::ofstream(message_, std::ios::binary) << "CRNB";
  EXPECT_EQ(answer(), 0) << answered_.err;
  expect_all_upstream();
}

// What others wrote comes back with the journey of the changes, and nothing that an older journey brings goes back.
class FolderQuestion : public Sync {
 protected:
  void SetUp() override {
    Sync::SetUp();
    started("r", R"({"n":1})");
    std::filesystem::create_directory(stick());
    EXPECT_EQ(send(), 75);
    EXPECT_EQ(answer(), 0);
    EXPECT_EQ(send(), 0);
  }
  [[nodiscard]] std::string stick() const { return path("stick"); }
  int send() { return cairn({"sync", "--via-folder", stick()}).exit; }
  int answer() { return at("up", {"serve", "--via-folder", stick()}).exit; }
  std::string here() { return cairn({"get", "r"}).out; }
};

TEST_F(FolderQuestion, TakesNoJourneyOfItsOwn) {
  EXPECT_EQ(at("up", {"set", "r", "stop", "true"}).exit, 0);
  EXPECT_EQ(cairn({"increment", "r", "n", "1"}).exit, 0);
  EXPECT_EQ(send(), 75);
  EXPECT_EQ(answer(), 0);
  EXPECT_EQ(lying(stick(), "CRNV").size(), 1u);
  EXPECT_EQ(lying(stick(), "CRND").size(), 1u);
  EXPECT_EQ(here(), "{\"n\":2}\n");
  EXPECT_EQ(send(), 75) << "the change goes once more, for others write there too";
  EXPECT_EQ(here(), "{\"n\":2,\"stop\":true}\n");
  EXPECT_EQ(answer(), 0);
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":2,\"stop\":true}\n");
  // The batch is answered first, so the question beside it is about what is there with it.
  EXPECT_EQ(at("up", {"set", "r", "stop", "false"}).exit, 0);
  EXPECT_EQ(cairn({"increment", "r", "n", "1"}).exit, 0);
  EXPECT_EQ(send(), 75);
  EXPECT_EQ(answer(), 0);
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(here(), "{\"n\":3,\"stop\":false}\n");
  EXPECT_EQ(cairn({"verify"}).exit, 0);
}

TEST_F(FolderQuestion, ALocalWriteStaysOnTop) {
  EXPECT_EQ(at("up", {"set", "r", "n", "10"}).exit, 0);
  EXPECT_EQ(answer(), 0);
  EXPECT_EQ(cairn({"set", "r", "m", "1"}).exit, 0);
  EXPECT_EQ(send(), 75) << "the answer is taken, and the change goes";
  EXPECT_EQ(here(), "{\"n\":10,\"m\":1}\n");
  EXPECT_EQ(answer(), 0);
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":10,\"m\":1}\n");
}

TEST_F(FolderQuestion, WaitsForTheAnswerToTheBatchBesideIt) {
  EXPECT_EQ(at("up", {"set", "r", "stop", "true"}).exit, 0);
  EXPECT_EQ(cairn({"increment", "r", "n", "1"}).exit, 0);
  EXPECT_EQ(send(), 75);
  EXPECT_EQ(answer(), 0);
  for (const std::string& name : lying(stick(), "CRNV")) {
    std::filesystem::remove(stick() + "/" + name);
  }
  EXPECT_EQ(send(), 75);
  EXPECT_EQ(here(), "{\"n\":2}\n") << "the change would be neither there nor waiting";
  EXPECT_EQ(answer(), 0);
  EXPECT_EQ(send(), 75) << "the change goes once more, for others write there too";
  EXPECT_EQ(here(), "{\"n\":2,\"stop\":true}\n");
}

TEST_F(FolderQuestion, AnOldAnswerThatComesOnceMoreIsPassedOver) {
  EXPECT_EQ(at("up", {"set", "r", "stop", "true"}).exit, 0);
  EXPECT_EQ(answer(), 0);
  std::filesystem::copy(stick(), path("old"), std::filesystem::copy_options::recursive);
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(at("up", {"set", "r", "stop", "false"}).exit, 0);
  EXPECT_EQ(answer(), 0);
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(here(), "{\"n\":1,\"stop\":false}\n");
  const size_t lies = lying(stick()).size();
  std::filesystem::copy(path("old"), stick(), std::filesystem::copy_options::recursive);
  EXPECT_EQ(lying(stick()).size(), lies + 2);
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(here(), "{\"n\":1,\"stop\":false}\n");
  EXPECT_EQ(lying(stick()).size(), lies) << "and removed";
}

TEST_F(FolderQuestion, ThatIsSpoiledIsLaidDownAnew) {
  EXPECT_EQ(at("up", {"set", "r", "stop", "true"}).exit, 0);
  const std::string question = lying(stick(), "CRNQ").at(0);
  std::ofstream(stick() + "/" + question) << "CRNQ";
  EXPECT_EQ(answer(), 74);
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(lying(stick()).size(), 1u);
  EXPECT_NE(lying(stick(), "CRNQ").at(0), question);
  EXPECT_EQ(answer(), 0);
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(here(), "{\"n\":1,\"stop\":true}\n");
}

TEST_F(FolderQuestion, OfAnotherStoreIsLeftAlone) {
  EXPECT_EQ(at("second", {"start", "--id", "s"}).exit, 0);
  EXPECT_EQ(at("second", {"sync", "--via-folder", stick()}).exit, 75);
  const size_t lies = lying(stick()).size();
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(lying(stick()).size(), lies);
  EXPECT_EQ(answer(), 0);
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(at("second", {"sync", "--via-folder", stick()}).exit, 0);
  EXPECT_EQ(lying(stick(), "CRNQ").size(), 2u) << "the next question of each";
}

// A store that was restored from a copy asks the other side what is newer there: also a journey, and each command is a
// process of its own.
TEST_F(Sync, ARestoredStoreAsksByTheFolder) {
  const auto journey = [&](std::vector<std::string> options = {}) {
    std::vector<std::string> line = {"sync", "--via-folder", path("stick")};
    line.insert(line.end(), options.begin(), options.end());
    const int exit = cairn(line).exit;
    EXPECT_EQ(at("up", {"serve", "--via-folder", path("stick")}).exit, 0);
    return exit;
  };
  started("r", R"({"n":1})");
  std::filesystem::create_directory(path("stick"));
  EXPECT_EQ(journey(), 75);
  EXPECT_EQ(journey(), 0);
  std::filesystem::copy(store(), path("older"), std::filesystem::copy_options::recursive);
  for (const char* n : {"2", "3"}) {
    EXPECT_EQ(cairn({"set", "r", "n", n}).exit, 0);
    EXPECT_EQ(journey(), 75);
    EXPECT_EQ(journey(), 0);
  }
  std::filesystem::remove_all(store());
  std::filesystem::copy(path("older"), store(), std::filesystem::copy_options::recursive);
  EXPECT_EQ(cairn({"set", "r", "seen", "true"}).exit, 0);
  EXPECT_EQ(journey(), 76) << "moved, or copied?";
  int exit = journey({"--moved"});
  int journeys = 1;
  for (; exit == 75 && journeys < 6; ++journeys) {
    exit = journey();
  }
  EXPECT_EQ(exit, 0);
  EXPECT_LE(journeys, 4);
  EXPECT_EQ(cairn({"get", "r"}).out, "{\"n\":3,\"seen\":true}\n");
  EXPECT_EQ(at("up", {"get", "r"}).out, "{\"n\":3,\"seen\":true}\n");
  EXPECT_EQ(lying(path("stick"), "CRNB").size(), 0u);
}

// Whoever watches a server sees that it ended; a server that answers "not now" for ever looks well.
TEST_F(Sync, AServerWhoseStoreIsGoneEndsAndSaysWhy) {
  started();
  for (const bool whole : {true, false}) {
    const std::string name = whole ? "gone" : "emptied";
    const std::string url = "http://" + serve(name);
    EXPECT_EQ(cairn({"sync", "--upstream", url}).exit, 0);
    if (whole) {
      std::filesystem::remove_all(path(name));
    } else {
      for (const auto& entry : std::filesystem::directory_iterator(path(name))) {
        std::filesystem::remove_all(entry.path());
      }
      EXPECT_EQ(cairn({"set", "r", "n", "1"}).exit, 0);
      EXPECT_EQ(cairn({"sync", "--deadline", "1s"}).exit, 75);
    }
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < 1500 && ended == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ended = waitpid(pids_[name], &status, WNOHANG);
    }
    ASSERT_EQ(ended, pids_[name]) << "it goes on";
    std::erase(servers_, ended);
    EXPECT_EQ(WEXITSTATUS(status), 74);
    EXPECT_THAT(read_file(path(name + ".err")), AllOf(HasSubstr(path(name)), HasSubstr("the server ends")));
  }
}

TEST_F(Sync, AWrongTlsFileIsNamedWithTheReason) {
  const std::string make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout " + path("key.pem") +
      " -out " + path("cert.pem") + " -subj /CN=localhost 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);  // NOLINT(cert-env33-c, concurrency-mt-unsafe): one thread
  std::ofstream(path("text")) << "no PEM";
  ::chmod(path("key.pem").c_str(), 0600);
  ::chmod(path("text").c_str(), 0600);
  const auto start = [&](const std::string& cert, const std::string& key) {
    return at("up", {"serve", "--listen", "127.0.0.1:0", "--tls-cert", path(cert), "--tls-key", path(key)});
  };
  for (const auto& [cert, key, wrong, exit] :
       std::vector<std::tuple<std::string, std::string, std::string, int>>{{"none", "key.pem", "none", 74},
                                                                           {"cert.pem", "none", "none", 74},
                                                                           {"text", "key.pem", "text", 65},
                                                                           {"cert.pem", "text", "text", 65}}) {
    const Ran ran = start(cert, key);
    EXPECT_EQ(ran.exit, exit) << ran.err;
    EXPECT_THAT(ran.err, AllOf(HasSubstr(path(wrong)), HasSubstr(exit == 74 ? "No such file" : "PEM")));
  }
}

TEST_F(Sync, AHostIsANameAndAPort) {
  for (const std::string& host :
       {std::string("x:99999"), std::string("x:abc"), std::string("x y"), std::string("x:0"), std::string("x:"),
        std::string("[::1"), std::string("http://x"), std::string("user:canarypw@x")}) {
    // A file stands where the store would be: a name that is let through ends there.
    std::ofstream(path("file")) << "";
    const Ran ran = at("file", {"serve", "--listen", "127.0.0.1:0", "--host", host});
    EXPECT_EQ(ran.exit, 64) << host;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("--host takes"), Not(HasSubstr("canarypw")))) << host;
  }
  for (const char* host : {"x", "relay.example:4020", "[::1]:4020", "10.0.0.1:65535"}) {
    EXPECT_NE(at("file", {"serve", "--listen", "127.0.0.1:0", "--host", host}).exit, 64) << host;
  }
}

TEST_F(Sync, StoresChain) {
  const std::string centre = serve("centre");
  const std::string relay = serve("relay", {"--upstream", "http://" + centre});
  started("r", R"({"n":1})");
  EXPECT_EQ(cairn({"sync", "--upstream", "http://" + relay}).exit, 0);
  Ran ran;
  for (int i = 0; i < 600 && ran.out != "{\"n\":1}\n"; ++i) {
    ran = at("centre", {"get", "r"});
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(ran.out, "{\"n\":1}\n");
}

// Exactly once, though the upstream is killed again and again, most often while it answers.
TEST_F(Sync, IsExactlyOnceWhenTheUpstreamIsKilled) {
  started("r");
  std::string address = serve();
  std::mt19937 random(7);
  int64_t expected = 0;
  int unanswered = 0;
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(cairn({"increment", "r", "n", "1"}).exit, 0);
    EXPECT_EQ(cairn({"append", "r", "log", std::to_string(round)}).exit, 0);
    ++expected;
    std::ofstream(path("in")) << "";
    const pid_t sender = spawn({"sync", "--upstream", "http://" + address, "--deadline", "5s"}, path("in"));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
    end("up", SIGKILL);
    unanswered += wait_for(sender).exit == 75 ? 1 : 0;
    address = serve();
  }
  EXPECT_EQ(cairn({"sync", "--upstream", "http://" + address}).exit, 0);
  const Json up = at("up", {"get", "r"}).parsed();
  EXPECT_EQ(up["n"], expected);
  EXPECT_EQ(up["log"].size(), static_cast<size_t>(expected));
  EXPECT_EQ(up.dump() + "\n", metadata());
  if (!HasFailure()) {
    std::printf("sync: kills 20, unanswered %d, lost 0, doubled 0\n", unanswered);
  }
}

TEST_F(Sync, CtrlCEndsAServerCleanly) {
  const std::string url = "http://" + serve();
  started();
  EXPECT_EQ(cairn({"sync", "--upstream", url}).exit, 0);
  end("up", SIGINT);
  EXPECT_THAT(read_file(path("up.out")), HasSubstr("\"batches\":1"));
  EXPECT_EQ(at("up", {"verify"}).exit, 0);
  EXPECT_EQ(at("up", {"get", "r"}).out, "{}\n");
}

TEST_F(Sync, ASimulatedNetworkIsTheSameForTheSameSeed) {
  const Ran first = bare({"sim", "--seed", "11", "--actions", "400", "--json"});
  EXPECT_EQ(first.exit, 0) << first.out << first.err;
  EXPECT_EQ(first.parsed()["equal"], true);
  EXPECT_EQ(bare({"sim", "--seed", "11", "--actions", "400", "--json"}).out, first.out);
  const Ran planted = bare({"sim", "--seed", "7", "--no-duplicate-check"});
  EXPECT_EQ(planted.exit, 1);
  EXPECT_THAT(planted.out, HasSubstr("NOT EQUAL"));
  EXPECT_EQ(bare({"sim", "--seed", "x"}).exit, 64);
  EXPECT_EQ(bare({"sim", "--workers", "0"}).exit, 64);
}

}  // namespace
}  // namespace cairn::tests

#endif
