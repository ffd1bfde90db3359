#include "api/http_client/endpoint.h"

#include "tests/http_client/http_client_fixture.h"

namespace cairn::http_client {

namespace {

Code code(const std::string& url, bool plain = false) { return parse_endpoint(url, plain).code(); }
std::string what(const std::string& url) { return parse_endpoint(url, false).status().what; }

}  // namespace

TEST(Endpoint, PlainHttpStaysOnThisMachine) {
  for (const char* url :
       {"http://127.0.0.1:4020", "http://127.9.9.9", "http://localhost/x", "http://LOCALHOST", "http://[::1]:80"}) {
    EXPECT_EQ(code(url), Code::kOk) << url;
    EXPECT_TRUE(parse_endpoint(url, false)->local) << url;
  }
  for (const char* url :
       {"http://10.0.0.1", "http://upstream.example", "http://localhost.example", "http://[::2]", "http://0.0.0.0",
        "http://[::ffff:10.0.0.1]", "http://128.0.0.1", "http://127.0.0.1.example"}) {
    EXPECT_EQ(code(url), Code::kUnsafe) << url;
    EXPECT_EQ(code(url, true), Code::kOk) << url;
    EXPECT_FALSE(parse_endpoint(url, true)->local) << url;
  }
}

TEST(Endpoint, HttpsGoesAnywhere) {
  auto endpoint = parse_endpoint("https://upstream.example:8443/some/prefix/", false);
  ASSERT_TRUE(endpoint.ok());
  EXPECT_EQ(endpoint->base, "https://upstream.example:8443/some/prefix");
  EXPECT_TRUE(endpoint->tls);
  EXPECT_FALSE(endpoint->local);
  EXPECT_TRUE(endpoint->has_name);
  EXPECT_FALSE(parse_endpoint("https://192.0.2.1", false)->has_name);
}

TEST(Endpoint, SocketsAreAbsolutePaths) {
  EXPECT_EQ(parse_endpoint("unix:/run/x", false)->socket_path, "/run/x");
  EXPECT_EQ(parse_endpoint("unix:///run/x", false)->socket_path, "/run/x");
  EXPECT_EQ(code("unix:"), Code::kInvalidArgument);
  EXPECT_EQ(code("unix:run/x"), Code::kInvalidArgument);
  EXPECT_EQ(code("unix://run/x"), Code::kInvalidArgument);
  EXPECT_EQ(code("unix:/" + std::string(106, 'x')), Code::kOk);
  EXPECT_EQ(code("unix:/" + std::string(107, 'x')), Code::kInvalidArgument);
}

TEST(Endpoint, WhatIsNoUpstreamIsRefused) {
  for (const char* url :
       {"", "upstream.example", "http://", "ftp://127.0.0.1", "file:///etc/passwd", "https://x.example?token=1",
        "https://x.example/#x", "https://x.example/a b", "http://127.0.0.1:99999"}) {
    EXPECT_EQ(code(url), Code::kInvalidArgument) << url;
  }
  EXPECT_EQ(code(std::string("http://127.0.0.1\0.example", 25)), Code::kInvalidArgument);
}

TEST(Endpoint, UsersAndPasswordsAreRefused) {
  EXPECT_THAT(what("https://user:secret@x.example"), HasSubstr("user or password"));
  EXPECT_THAT(what("http://user@127.0.0.1"), HasSubstr("user or password"));
}

TEST(Endpoint, LimitsOfTheOptionsAreChecked) {
  const auto opened = [](auto change) {
    Options options;
    options.url = "http://127.0.0.1";
    change(options);
    return Client::open(std::move(options)).code();
  };
  EXPECT_EQ(opened([](Options&) {}), Code::kOk);
  EXPECT_EQ(opened([](Options& o) { o.timeout_ms = 0; }), Code::kInvalidArgument);
  EXPECT_EQ(opened([](Options& o) { o.connect_timeout_ms = INT64_MAX; }), Code::kInvalidArgument);
  EXPECT_EQ(opened([](Options& o) { o.reply_bytes_max = 0; }), Code::kInvalidArgument);
  EXPECT_EQ(opened([](Options& o) { o.ca_file = "/nowhere/ca.pem"; }), Code::kIo);
  EXPECT_EQ(opened([](Options& o) { o.ca_file = "/tmp"; }), Code::kIo);
  EXPECT_EQ(opened([](Options& o) { o.ca_file = "/dev/null"; }), Code::kTypeMismatch);
  EXPECT_EQ(opened([](Options& o) { o.url = "http://10.0.0.1"; }), Code::kUnsafe);
  EXPECT_EQ(opened([](Options& o) {
              o.url = "http://10.0.0.1";
              o.dangerously_allow_plain_http = true;
            }),
            Code::kOk);
}

}  // namespace cairn::http_client
