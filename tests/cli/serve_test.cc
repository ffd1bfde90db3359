// Who may ask a `cairn serve`, as its options say.
#ifdef CAIRN_TOOLS_NETWORK

#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "tests/cli/server_fixture.h"
#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class Serve : public ServerTest {
 protected:
  std::string write_token(const std::string& name) {
    const std::string token = name + "-token-5c9d3b7a1e8f4026b1d7c2a9e0f6d384";
    std::ofstream(path(name)) << token << "\n";
    ::chmod(path(name).c_str(), 0600);
    return token;
  }
  static Reply ask(const std::string& address, const std::string& line, const std::string& headers = "") {
    Client client(address);
    client.send(line + " HTTP/1.1\r\nHost: " + address + "\r\n" + headers + "\r\n");
    return client.read_reply();
  }
  static std::string bearer(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }
};

TEST_F(Serve, EachTokenOpensWhatItIsFor) {
  const std::string api = write_token("api");
  const std::string next = write_token("next");
  const std::string device = write_token("device");
  const std::string address =
      serve("up", {"--token-file", path("api"), "--token-file", path("next"), "--sync-token-file", path("device")});
  EXPECT_EQ(ask(address, "GET /healthz", bearer(api)).body, "ok\n");
  EXPECT_EQ(ask(address, "GET /healthz", bearer(next)).body, "ok\n");
  EXPECT_EQ(ask(address, "GET /healthz", bearer(device)).status, 403u);
  EXPECT_EQ(ask(address, "GET /healthz").status, 401u);
  for (const std::string& token : {api, next, device}) {
    EXPECT_EQ(ask(address, "POST /v1/sync", bearer(token)).status, 415u) << "it is let in, and has sent no message";
  }
  EXPECT_EQ(ask(address, "POST /v1/sync", bearer("wrong-token-5c9d3b7a1e8f4026b1d7c2a9e0f6d384")).status, 401u);
}

TEST_F(Serve, PagesThatAreNamedMayAskAndNoOthers) {
  const std::string address = serve("up", {"--allow-origin", "https://app.example"});
  const std::string page = "Origin: https://app.example\r\n";
  Reply preflight = ask(address, "OPTIONS /healthz?x=1", page + "Access-Control-Request-Method: GET\r\n");
  EXPECT_EQ(preflight.status, 204u);
  Reply reply = ask(address, "GET /healthz", page);
  EXPECT_EQ(reply.body, "ok\n");
  EXPECT_EQ(reply.headers["access-control-allow-origin"], "https://app.example");
  EXPECT_THAT(reply.headers["access-control-expose-headers"], HasSubstr("electric-offset"));
  EXPECT_EQ(ask(address, "GET /healthz", "Origin: https://other.example\r\n").status, 403u);
}

// A stop ends by itself, and a body that is cut off misleads who reads it.
TEST_F(Serve, ASecondCtrlCWaitsForTheStopToo) {
  const std::string address = serve();
  Client client(address);
  client.send("POST /v1/sync HTTP/1.1\r\nHost: " + address + "\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_EQ(client.read_reply().status, 100u) << "so the server has the head";
  client.send("x");
  ::kill(pids_["up"], SIGINT);
  ASSERT_TRUE(tests::wait_for([&] { return !Client::is_listening(address); }));
  ::kill(pids_["up"], SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  client.send("y");
  EXPECT_EQ(client.read_reply().status, 415u);
}

TEST_F(Serve, OtherMethodsAndPathsAreSaid) {
  const std::string address = serve();
  Reply reply = ask(address, "GET /v1/sync");
  EXPECT_EQ(reply.status, 405u);
  EXPECT_EQ(reply.headers["allow"], "POST");
  EXPECT_EQ(ask(address, "GET /v1%2Fsync").status, 404u);
  EXPECT_EQ(ask(address, "GET /").body, "{\"error\":\"there is nothing here\"}");
}

}  // namespace
}  // namespace cairn::tests
#endif
