#include "tests/http_client/certificates.h"
#include "tests/http_client/http_client_fixture.h"
#include "tests/support/child_process.h"

namespace cairn::http_client {

using tests::ServerTls;

class Tls : public HttpClientTest {
 protected:
  Tls() : authority_(directory_, "authority"), good_(authority_.issue("good", "DNS:localhost,IP:127.0.0.1")) {}

  void open(const ScriptedServer& server, const std::string& host = "localhost") {
    Options options = to(server.url(host));
    options.ca_file = authority_.certificate();
    options.token = token();
    HttpClientTest::open(std::move(options));
  }
  void expect_refused(const ServerTls& tls, const std::string& why) {
    ScriptedServer server(tls, {answer(200, "")});
    open(server);
    const Reply got = post();
    EXPECT_EQ(got.failure, Failure::kTls) << got.error;
    EXPECT_THAT(got.error, HasSubstr(why));
    EXPECT_TRUE(server.requests().empty());
  }

  tests::Authority authority_;
  ServerTls good_;
};

TEST_F(Tls, TheRightCertificateIsAcceptedAndTheConnectionKept) {
  ScriptedServer server(good_, {answer(200, "one"), answer(200, "two"), answer(200, "by address")});
  open(server);
  EXPECT_EQ(post().body, "one");
  EXPECT_EQ(post().body, "two");
  EXPECT_EQ(server.connections(), 1);
  open(server, "127.0.0.1");
  EXPECT_EQ(post().body, "by address");
}

TEST_F(Tls, AnUnknownAuthorityIsRefused) {
  const tests::Authority other(directory_, "other");
  expect_refused(other.issue("unknown", "DNS:localhost"), "certificate");
}

TEST_F(Tls, TheSystemsAuthoritiesDoNotKnowOurs) {
  ScriptedServer server(good_, {answer(200, "")});
  HttpClientTest::open(to(server.url("localhost")));
  EXPECT_EQ(post().failure, Failure::kTls);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(Tls, AnotherHostsNameIsRefused) { expect_refused(authority_.issue("other", "DNS:other.example"), "localhost"); }

TEST_F(Tls, AnErrorThatWouldQuoteTheTokenDoesNot) {
  expect_refused(authority_.issue("plain", "", 2, "some-subject"), "some-subject");
  ScriptedServer server(authority_.issue("canary", "", 2, kCanary), {answer(200, "")});
  open(server);
  const Reply got = post();
  EXPECT_EQ(got.failure, Failure::kTls);
  EXPECT_NE(got.error, "");
  EXPECT_THAT(got.error, Not(HasSubstr(kCanary)));
}

TEST_F(Tls, AnExpiredCertificateIsRefused) { expect_refused(authority_.issue("old", "DNS:localhost", -1), "expired"); }

TEST_F(Tls, OlderVersionsAreRefused) {
  ServerTls old = good_;
  old.version_max = TLS1_1_VERSION;
  expect_refused(old, "");
  ServerTls enough = good_;
  enough.version_max = TLS1_2_VERSION;
  ScriptedServer server(enough, {answer(200, "1.2")});
  open(server);
  EXPECT_EQ(post().body, "1.2");
}

TEST_F(Tls, ABadFileOfAuthoritiesFails) {
  ScriptedServer server(good_, {answer(200, "")});
  Options options = to(server.url("localhost"));
  for (const char* const text : {"no certificate", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\n",
                                 "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
    Options bad = to(server.url("localhost"));
    bad.ca_file = write_file("bad.pem", text);
    EXPECT_EQ(Client::open(std::move(bad)).code(), Code::kTypeMismatch) << text;
  }
  options.ca_file = write_file(
      "bad.pem",
      "-----BEGIN CERTIFICATE-----\nMCAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n-----END CERTIFICATE-----\n");
  HttpClientTest::open(std::move(options));
  EXPECT_EQ(post().failure, Failure::kTls);
}

TEST_F(Tls, APeerThatSpeaksNoTlsIsToldFromOneThatIsCutOff) {
  ScriptedServer server(
      good_, {{Step::kMumble, "HTTP/1.1 400 Bad Request\r\n\r\n"}, {Step::kMumble, ""}, {Step::kMumbleReset, ""}});
  open(server);
  Reply got = post();
  EXPECT_EQ(got.failure, Failure::kTls) << got.error;
  got = post();
  EXPECT_EQ(got.failure, Failure::kTransient) << got.error;
  got = post();
  EXPECT_EQ(got.failure, Failure::kTransient) << got.error;
}

TEST_F(Tls, AProxyTunnelsAndDoesNotSeeTheToken) {
  const std::string tunnel = "HTTP/1.1 200 Connection established\r\n\r\n";
  ScriptedServer server(authority_.issue("behind", "DNS:upstream.example"), {{Step::kTunnel, tunnel},
                                                                             answer(200, "behind"),
                                                                             cut("HTTP/1.1 200 OK"),
                                                                             {Step::kTunnel, tunnel},
                                                                             cut("HTTP/1.1 200 OK")});
  setenv("https_proxy", ("http://127.0.0.1:" + std::to_string(server.port())).c_str(), 1);
  Options options = to("https://upstream.example");
  options.ca_file = authority_.certificate();
  options.token = token();
  HttpClientTest::open(std::move(options));
  const Reply got = post();
  EXPECT_EQ(got.body, "behind") << got.error;
  ASSERT_EQ(server.requests().size(), 2U);
  const auto seen_by_proxy = server.requests()[0];
  EXPECT_EQ(seen_by_proxy.method + " " + seen_by_proxy.target, "CONNECT upstream.example:443");
  EXPECT_EQ(seen_by_proxy.headers.count("authorization"), 0U);
  EXPECT_EQ(server.last().headers["authorization"], std::string("Bearer ") + kCanary);
  // The proxy's headers are not taken for those of a reply that was cut off.
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(post().answered());
  }
  unsetenv("https_proxy");
}

TEST_F(Tls, BrokenConnectionsRaiseNoSignal) {
  struct sigaction before = {};
  struct sigaction fatal = {};
  fatal.sa_handler = SIG_DFL;
  ASSERT_EQ(sigaction(SIGPIPE, &fatal, &before), 0);
  ScriptedServer server(good_, {{Step::kDeaf, ""}, cut(http(200, "")), reset(http(200, "")), answer(200, "")});
  open(server);
  std::string large(16 << 20, 'x');
  for (size_t i = 0; i < large.size(); i += 2) {
    large[i] = static_cast<char>(i * 2654435761U >> 13);
  }
  ASSERT_TRUE(send(large).ok());
  for (int i = 0; i < 100; ++i) {
    client_->poll(1);
  }
  server.release();
  EXPECT_EQ(reply().failure, Failure::kTransient);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(post().http_status, 200);
  }
  sigaction(SIGPIPE, &before, nullptr);
}

TEST_F(Tls, AForkedChildCannotUseTheClientNorEndTheParentsConnection) {
  ScriptedServer server(good_, {answer(200, "before"), answer(200, "after")});
  open(server);
  EXPECT_EQ(post().body, "before");
  tests::in_child([&] {
    EXPECT_EQ(send().code, Code::kForked);
    EXPECT_FALSE(client_->busy());
    EXPECT_FALSE(client_->poll(0).has_value());
    client_->cancel();
    client_.reset();
  });
  EXPECT_EQ(post().body, "after");
  EXPECT_EQ(server.connections(), 1);
}

}  // namespace cairn::http_client
