// Commands on the URL of a server when something is in the way: each trouble has its words and its exit code, and what
// was sent again counts once.
#ifdef CAIRN_TOOLS_NETWORK

#include <algorithm>
#include <cstdlib>

#include "tests/chaos/chaos_proxy.h"
#include "tests/cli/server_fixture.h"
#include "tests/support/function_service.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ServerTrouble : public ServerTest {
 protected:
  Ran on(const std::string& store, std::vector<std::string> words, const std::string& input = "") {
    words.insert(words.begin(), {"--store", store});
    return bare(words, input);
  }
  std::string token(const std::string& name, const std::string& text) {
    std::ofstream(path(name)) << text << "\n";
    ::chmod(path(name).c_str(), 0600);
    return path(name);
  }
  static uint16_t port_of(const std::string& address) {
    return static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
  void expect(const Ran& ran, int exit, const std::string& words) {
    EXPECT_EQ(ran.exit, exit) << ran.err;
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.err, HasSubstr(words));
  }
};

TEST_F(ServerTrouble, WhatIsSentAgainCountsOnce) {
  ChaosProxy proxy(1);
  const std::string server = serve("up", {"--host", proxy.address()});
  proxy.forward_to(port_of(server));
  const std::string url = proxy.url();
  for (const Fault fault : {Fault::kDropReply, Fault::kCutReply, Fault::kReset, Fault::kDropRequest}) {
    const std::string id = std::string("r") + std::to_string(static_cast<int>(fault));
    const auto again = [&](const std::vector<std::string>& words, const std::string& input = "") {
      proxy.next(fault);
      const Ran ran = on(url, words, input);
      EXPECT_EQ(ran.exit, 0) << fault_name(fault) << " " << words[0] << ran.err;
      return ran.out;
    };
    EXPECT_EQ(again({"start", "--id", id}), id + "\n");
    again({"increment", id, "n"});
    EXPECT_EQ(again({"apply", id}, R"([{"type":"increment","key":"n","value":1},{"type":"delete","key":"x"}])"),
              "applied\nunchanged\n");
    again({"apply", "--atomic", id}, R"([{"type":"increment","key":"n","value":1}])");
    again({"append", id, "l", "1"});
    EXPECT_EQ(again({"get", id}), R"({"n":3,"l":[1]})"
                                  "\n");
    EXPECT_THAT(again({"finish", id, "--json"}), HasSubstr("COMPLETED"));
    again({"erase", id});
  }
  const std::string made = [&] {
    proxy.next(Fault::kDropReply);
    return on(url, {"start"}).out;
  }();
  EXPECT_EQ(on(url, {"ls", "--json"}).lines().size(), 1u) << "one run, not two";
  EXPECT_THAT(on(url, {"ls"}).out, HasSubstr(made.substr(0, made.size() - 1)));
}

TEST_F(ServerTrouble, NoServerThereIsTriedAgainAndThenLater) {
  expect(on("http://127.0.0.1:1", {"set", "r", "k", "1"}), 75, "127.0.0.1");
  expect(on("http://127.0.0.1:1", {"ls"}), 75, "127.0.0.1");
  expect(on("unix:" + path("none.sock"), {"start"}), 75, "no server listens on the socket");
  const Ran json = on("http://127.0.0.1:1", {"ls", "--json"});
  EXPECT_EQ(json.exit, 75);
  EXPECT_EQ(json.error()["code"], "AGAIN");
}

TEST_F(ServerTrouble, WhatAnswersIsNoCairn) {
  http::ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  FunctionService pages([](const http::Request& request) {
    http::Response out;
    out.status = static_cast<unsigned>(std::stoi(request.segments.at(0)));
    out.body = "<html>";
    return out;
  });
  const auto server = http::Server::start(std::move(options), pages);
  ASSERT_TRUE(server.ok());
  const std::string base = "http://" + (*server)->addresses().at(0);
  expect(on(base + "/200", {"ls"}), 77, "what answers there is not a `cairn serve` (HTTP 200)");
  expect(on(base + "/404", {"set", "r", "k", "1"}), 77, "is not a `cairn serve` (HTTP 404)");
  expect(on(base + "/302", {"ls"}), 77, "names another address, which is not followed");
  expect(on(base + "/500", {"ls"}), 75, "HTTP 500");
  expect(on(base + "/429", {"ls"}), 75, "has too much to do");
  (*server)->stop(1000);
}

TEST_F(ServerTrouble, AWrongTokenIsToldFromNone) {
  const std::string right = "right-00112233445566778899aabbccddeeff";
  const std::string wrong = "wrong-00112233445566778899aabbccddeeff";
  const std::string device = "device-00112233445566778899aabbccddeeff";
  const std::string file = token("right", right);
  const std::string url = "http://" + serve("up", {"--token-file", file, "--sync-token-file", token("device", device)});
  expect(on(url, {"start"}), 77, "the server asks for a token: give --token-file FILE");
  expect(on(url, {"start", "--token-file", token("wrong", wrong)}), 77, "the server does not accept the token");
  expect(on(url, {"ls", "--token-file", path("device")}), 77, "it takes one of the server's --token-file");
  expect(on(url, {"ls", "--token-file", path("none")}), 74, "none");
  EXPECT_EQ(on(url, {"start", "--id", "r", "--token-file", file}).exit, 0);
  environment_ = {"CAIRN_TOKEN_FILE=" + file};
  EXPECT_EQ(on(url, {"set", "r", "k", "1"}).exit, 0);
  EXPECT_EQ(on(url, {"get", "r"}).out, "{\"k\":1}\n");
  expect(on(url, {"ls", "--token-file", path("wrong")}), 77, "does not accept");
  environment_ = {"CAIRN_TOKEN=" + right};
  EXPECT_EQ(on(url, {"get", "r", "k"}).out, "1\n");
  environment_ = {"CAIRN_TOKEN=" + wrong};
  const Ran refused = on(url, {"get", "r", "k"});
  EXPECT_EQ(refused.exit, 77);
  EXPECT_THAT(refused.err, Not(HasSubstr(wrong)));
  environment_ = {"CAIRN_STORE=" + url, "CAIRN_TOKEN_FILE=" + file};
  EXPECT_EQ(bare({"get", "r", "k"}).out, "1\n");
}

TEST_F(ServerTrouble, TlsIsChecked) {
  for (const char* name : {"one", "two"}) {
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x"
        " -addext subjectAltName=IP:127.0.0.1 -keyout " +
        path(name) + ".key -out " + path(name) + ".pem 2>/dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  const std::string file = token("token", "right-00112233445566778899aabbccddeeff");
  const std::string address =
      serve("up", {"--token-file", file, "--tls-cert", path("one.pem"), "--tls-key", path("one.key")});
  const std::string url = "https://" + address;
  EXPECT_EQ(on(url, {"start", "--id", "r", "--token-file", file, "--ca-file", path("one.pem")}).exit, 0);
  expect(on(url, {"get", "r", "--token-file", file}), 77, "certificate");
  expect(on(url, {"get", "r", "--token-file", file, "--ca-file", path("two.pem")}), 77, "certificate");
  expect(on(url, {"get", "r", "--token-file", file, "--ca-file", path("token")}), 65, "holds no certificate");
  expect(on("http://192.0.2.1:4020", {"ls", "--token-file", file}), 77, "");
}

TEST_F(ServerTrouble, AnAddressIsNeverQuotedWithItsSecret) {
  const std::string canary = "canary-0011223344556677";
  for (const std::string& url : {"http://user:" + canary + "@127.0.0.1:1", "http://127.0.0.1:1/?token=" + canary,
                                 "https://127.0.0.1:1#" + canary}) {
    const Ran ran = on(url, {"ls"});
    EXPECT_EQ(ran.exit, 64) << ran.err;
    EXPECT_THAT(ran.err, Not(HasSubstr(canary)));
  }
}

TEST_F(ServerTrouble, AWatchSeesTheEndAlsoOverARestart) {
  const std::string address = serve("up");
  const std::string url = "http://" + address;
  on(url, {"start", "--id", "r"});
  on(url, {"start", "--id", "other"});
  std::ofstream(path("in")) << "";
  const pid_t watch = spawn({"--store", url, "watch", "--until-finished", "r", "--plain", "--interval", "50"},
                            path("in"), false, path("watch.out"), path("watch.err"));
  const auto has = [&](const std::string& text) {
    for (int i = 0; i < 500; ++i) {
      if (read_file(path("watch.out")).find(text) != std::string::npos) {
        return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  };
  EXPECT_TRUE(has("r EXECUTING")) << read_file(path("watch.err"));
  on(url, {"set", "r", "k", "1"});
  EXPECT_TRUE(has("k=1"));
  end("up", SIGTERM);
  EXPECT_EQ(serve("up", {}, address), address);
  on(url, {"set", "r", "k", "2"});
  EXPECT_TRUE(has("k=2")) << read_file(path("watch.err"));
  on(url, {"set", "other", "k", "3"});
  on(url, {"finish", "r"});
  int status = 0;
  EXPECT_EQ(waitpid(watch, &status, 0), watch);
  EXPECT_EQ(WEXITSTATUS(status), 0) << read_file(path("watch.err"));
  const std::string out = read_file(path("watch.out"));
  EXPECT_THAT(out, HasSubstr("r COMPLETED"));
  EXPECT_THAT(out, Not(HasSubstr("other")));
}

TEST_F(ServerTrouble, AWatchWaitsForAServerThatIsAway) {
  const std::string address = serve("up");
  const std::string url = "http://" + address;
  on(url, {"start", "--id", "r"});
  std::ofstream(path("in")) << "";
  const pid_t watch = spawn({"--store", url, "watch", "--until-finished", "--plain", "--interval", "50"}, path("in"),
                            false, path("watch.out"), path("watch.err"));
  const auto has = [&](const std::string& file, const std::string& text) {
    for (int i = 0; i < 1500 && read_file(path(file)).find(text) == std::string::npos; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return read_file(path(file)).find(text) != std::string::npos;
  };
  EXPECT_TRUE(has("watch.out", "r EXECUTING"));
  end("up", SIGKILL);
  EXPECT_TRUE(has("watch.err", "the watch goes on when the server is back"));
  std::this_thread::sleep_for(std::chrono::seconds(11));  // over the time that a store's owner may be too quick
  EXPECT_EQ(waitpid(watch, nullptr, WNOHANG), 0);
  EXPECT_EQ(serve("up", {}, address), address);
  on(url, {"finish", "r"});
  int status = 0;
  EXPECT_EQ(waitpid(watch, &status, 0), watch);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_THAT(read_file(path("watch.out")), HasSubstr("r COMPLETED"));
  const std::string err = read_file(path("watch.err"));
  EXPECT_EQ(std::count(err.begin(), err.end(), '\n'), 2)
      << "it is said once that it is away, and that it is back: " << err;
}

TEST_F(ServerTrouble, AWatchOfAServerThatIsNotThereEnds) {
  const Ran ran = on("http://127.0.0.1:1", {"watch"});
  expect(ran, 75, "127.0.0.1:1");
}

TEST_F(ServerTrouble, AWatchOfAllTellsWhatIsErased) {
  const std::string url = "http://" + serve("up");
  on(url, {"start", "--id", "a"});
  on(url, {"start", "--id", "b"});
  std::ofstream(path("in")) << "";
  const pid_t watch = spawn({"--store", url, "watch", "--until-finished", "--json", "--interval", "20"}, path("in"),
                            false, path("watch.out"), path("watch.err"));
  for (int i = 0; i < 500 && read_file(path("watch.out")).find("\"b\"") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  on(url, {"erase", "a"});
  on(url, {"finish", "b"});
  int status = 0;
  EXPECT_EQ(waitpid(watch, &status, 0), watch);
  EXPECT_EQ(WEXITSTATUS(status), 1) << "an erased run did not complete";
  const std::string out = read_file(path("watch.out"));
  EXPECT_THAT(out, HasSubstr("{\"kind\":\"erased\",\"id\":\"a\""));
  EXPECT_THAT(out, HasSubstr("{\"kind\":\"finished\",\"id\":\"b\""));
}

}  // namespace
}  // namespace cairn::tests

#endif  // CAIRN_TOOLS_NETWORK
