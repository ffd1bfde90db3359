// Which handler gets a request, and which tokens open it, behind a real server.
#include "api/server/route_table.h"

#include "api/server/keys.h"
#include "api/server/public_token.h"
#include "api/server/sync_route.h"
#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

constexpr const char* kApi = "api-key-0123456789-abcdefghijklmnopqrst";
constexpr const char* kNewApi = "new-api-key-0123456789-abcdefghijklmnop";
constexpr const char* kSync = "sync-token-0123456789-abcdefghijklmnopq";

std::vector<Secret> secrets(const std::vector<const char*>& texts) {
  std::vector<Secret> out;
  for (const char* text : texts) {
    out.push_back(std::move(*Secret::from_text(text)));
  }
  return out;
}

server::Route route(const std::string& method, const std::string& pattern, size_t body_bytes_max = 0,
                    int roles = server::kApiKey) {
  server::Route out;
  out.method = method;
  out.pattern = pattern;
  out.roles = roles;
  out.body_bytes_max = body_bytes_max;
  out.handler = [method, pattern](server::Call call) {
    http::Response response;
    response.body = method + " " + pattern;
    for (const std::string& parameter : call.parameters) {
      response.body += " " + parameter;
    }
    response.body += " " + call.request.body;
    call.answer.send(std::move(response));
  };
  return out;
}

class Routes : public HttpTest {
 protected:
  void start_table() {
    if (!keys_.empty()) {
      options_.authenticate = [this](const http::Credentials& credentials) { return keys_.check(credentials); };
    }
    auto started = http::Server::start(std::move(options_), table_);
    ASSERT_TRUE(started.ok()) << started.status().what;
    table_server_ = std::move(*started);
  }
  [[nodiscard]] Reply send(const std::string& line, const std::string& token = "", const std::string& body = "") const {
    Client client(table_server_->addresses().front());
    client.send(line + " HTTP/1.1\r\nHost: " + table_server_->addresses().front() + "\r\n" +
                (token.empty() ? "" : "Authorization: Bearer " + token + "\r\n") +
                (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body);
    return client.read_reply();
  }

  server::Keys keys_{{}, {}};
  server::RouteTable table_{{route("GET", "/"), route("GET", "/runs"), route("POST", "/runs", 10),
                             route("GET", "/runs/:id"), route("PUT", "/runs/:id/metadata", 100),
                             route("GET", "/runs/:id/metadata"), route("POST", "/tasks/:task/runs/:id", 10),
                             route("PUT", "/runs/latest")}};
  std::unique_ptr<http::Server> table_server_;
};

TEST_F(Routes, AreFoundByMethodAndSegments) {
  start_table();
  EXPECT_EQ(send("GET /").body, "GET / ");
  EXPECT_EQ(send("GET /runs").body, "GET /runs ");
  EXPECT_EQ(send("GET /runs?x=/runs/y").body, "GET /runs ");
  EXPECT_EQ(send("POST /runs", "", "body").body, "POST /runs body");
  EXPECT_EQ(send("GET /runs/r").body, "GET /runs/:id r ");
  EXPECT_EQ(send("PUT /runs/r/metadata", "", "{}").body, "PUT /runs/:id/metadata r {}");
  EXPECT_EQ(send("POST /tasks/a/runs/b").body, "POST /tasks/:task/runs/:id a b ");
}

TEST_F(Routes, AParameterIsOneSegmentDecodedOnce) {
  start_table();
  EXPECT_EQ(send("GET /runs/a%2Fb").body, "GET /runs/:id a/b ");
  EXPECT_EQ(send("GET /runs/%252F%23%5C%3F%20").body, "GET /runs/:id %2F#\\?  ");
  EXPECT_EQ(send("GET /runs/:id").body, "GET /runs/:id :id ");
  EXPECT_EQ(send("GET /runs/%2e%2e").status, 400u);
  EXPECT_EQ(send("GET /runs/a/b").status, 404u);
}

TEST_F(Routes, OtherPathsAre404) {
  start_table();
  for (const char* path : {"/run", "/runs/", "//runs", "/runs//metadata", "/Runs", "/runs/r/metadata/", "/runs/r/x"}) {
    const Reply reply = send(std::string("GET ") + path);
    EXPECT_EQ(reply.status, 404u) << path;
    EXPECT_EQ(reply.body, "{\"error\":\"there is nothing here\"}") << path;
  }
  EXPECT_EQ(send("DELETE /nothing").status, 404u);
}

TEST_F(Routes, OtherMethodsAre405WithThoseThatAreThere) {
  start_table();
  Reply reply = send("DELETE /runs");
  EXPECT_EQ(reply.status, 405u);
  EXPECT_EQ(reply.headers["allow"], "GET, HEAD, POST");
  EXPECT_EQ(send("POST /runs/r/metadata").headers["allow"], "PUT, GET, HEAD");
  EXPECT_EQ(send("DELETE /runs/latest").headers["allow"], "GET, HEAD, PUT") << "by either pattern";
  EXPECT_EQ(send("OPTIONS /runs").status, 405u);
  Client client(table_server_->addresses().front());
  client.send("HEAD /runs HTTP/1.1\r\nHost: " + table_server_->addresses().front() + "\r\n\r\n");
  EXPECT_EQ(client.read_reply(true).status, 200u);
}

TEST_F(Routes, EachHasABoundOfItsOwn) {
  start_table();
  EXPECT_EQ(send("POST /runs", "", std::string(10, 'x')).status, 200u);
  EXPECT_EQ(send("POST /runs", "", std::string(11, 'x')).status, 413u);
  EXPECT_EQ(send("PUT /runs/r/metadata", "", std::string(100, 'x')).status, 200u);
  EXPECT_EQ(send("GET /runs", "", "x").status, 413u);
  EXPECT_EQ(send("POST /nothing", "", std::string(1000, 'x')).status, 404u);
}

TEST_F(Routes, AStarTakesTheRestByAnyMethod) {
  table_ = server::RouteTable({route("GET", "/runs"), route("", "/runs/*"), route("POST", "/jobs/:id/*")});
  start_table();
  EXPECT_EQ(send("GET /runs").body, "GET /runs ");
  EXPECT_EQ(send("DELETE /runs").body, " /runs/* ") << "none is any number";
  EXPECT_EQ(send("PATCH /runs/a/b").body, " /runs/* ");
  EXPECT_EQ(send("POST /jobs/7/a/b").body, "POST /jobs/:id/* 7 ");
  EXPECT_EQ(send("POST /jobs").status, 404u);
  EXPECT_EQ(send("GET /jobs/7/a").headers["allow"], "POST");
  EXPECT_EQ(send("GET /").status, 404u);
}

class OpenedByTokens : public Routes {
 protected:
  OpenedByTokens() {
    table_ = server::RouteTable({route("GET", "/api"), route("GET", "/both", 0, server::kApiKey | server::kSyncToken)});
  }
};

TEST_F(OpenedByTokens, EachOpensItsOwnRoutes) {
  const server::Keys keys(secrets({kApi, kNewApi}), secrets({kSync}));
  options_.authenticate = [&keys](const http::Credentials& credentials) { return keys.check(credentials); };
  start_table();
  for (const char* api : {kApi, kNewApi}) {
    for (const char* path : {"GET /api", "GET /both"}) {
      EXPECT_EQ(send(path, api).status, 200u) << path;
    }
  }
  EXPECT_EQ(send("GET /both", kSync).status, 200u);
  EXPECT_EQ(send("GET /api", kSync).status, 403u);
  EXPECT_EQ(send("GET /nothing", kSync).status, 404u);
  EXPECT_EQ(send("GET /api").body, "{\"error\":\"Invalid or Missing API key\"}\n");
  EXPECT_EQ(send("GET /api", "no-key").body, "{\"error\":\"Invalid API key\"}\n");
  EXPECT_EQ(send("GET /nothing").status, 401u) << "who proves nothing learns no path";
}

TEST_F(OpenedByTokens, WithATokenForSyncAloneTheRestIsShut) {
  const server::Keys keys({}, secrets({kSync}));
  EXPECT_FALSE(keys.empty());
  options_.authenticate = [&keys](const http::Credentials& credentials) { return keys.check(credentials); };
  start_table();
  EXPECT_EQ(send("GET /both", kSync).status, 200u);
  EXPECT_EQ(send("GET /api", kSync).status, 403u);
  EXPECT_EQ(send("GET /api").status, 401u);
}

TEST_F(OpenedByTokens, NobodyIsAskedWithoutTokens) {
  start_table();
  EXPECT_EQ(send("GET /api").status, 200u);
  EXPECT_EQ(send("GET /api", "whatever").status, 200u);
}

TEST_F(OpenedByTokens, WhoIsKnownAndHasNoRoleIsNobodyAndGetsNothing) {
  options_.authenticate = [](const http::Credentials& /*credentials*/) { return http::Authenticated(); };
  start_table();
  EXPECT_EQ(send("GET /api", "whatever").status, 401u);
}

class OpenedByPublicTokens : public OpenedByTokens {
 protected:
  OpenedByPublicTokens() {
    table_ = server::RouteTable({route("GET", "/api"), opened_route("/both"), claims_route(),
                                 route("GET", "/roles", 0, server::kApiKey | server::kPublicToken)});
    options_.authenticate = [this](const http::Credentials& credentials) { return keys_.check(credentials); };
  }
  static server::Route opened_route(const std::string& pattern) {
    server::Route out = route("GET", pattern);
    out.scopes = {{"read", "runs"}};
    return out;
  }
  static server::Route claims_route() {
    server::Route out = opened_route("/claims");
    out.handler = [](server::Call call) {
      http::Response response;
      response.body = call.request.principal.claims;
      call.answer.send(std::move(response));
    };
    return out;
  }
  static std::string claims(const std::string& subject, int64_t expires_s) {
    return R"({"iss":"https://id.trigger.dev","aud":"https://api.trigger.dev","sub":")" + subject +
           R"(","pub":true,"exp":)" + std::to_string(expires_s) + R"(,"scopes":["read:runs"]})";
  }

  int64_t now_s_ = 1'800'000'000;
  const server::Keys keys_{secrets({kApi, kNewApi}), secrets({kSync}), "env_0123", [this] { return now_s_; }};
};

TEST_F(OpenedByPublicTokens, OnlyRoutesThatLetThemIn) {
  start_table();
  const std::string token = keys_.sign(claims("env_0123", now_s_ + 1));
  EXPECT_EQ(send("GET /both", token).status, 200u);
  EXPECT_EQ(send("GET /claims", token).body, claims("env_0123", now_s_ + 1)) << "what was signed reaches the handler";
  for (const char* line : {"GET /api", "GET /roles"}) {
    const Reply reply = send(line, token);
    EXPECT_EQ(reply.status, 401u) << line << ": no word about scopes lets none in";
    EXPECT_EQ(reply.body, "{\"error\":\"a public access token does not open this route: it needs an API key\"}");
  }
  EXPECT_EQ(send("GET /both", server::sign_public_token(kNewApi, claims("env_0123", now_s_ + 1))).status, 200u)
      << "either key of a rotation signs";
  EXPECT_EQ(send("GET /both", server::sign_public_token(kSync, claims("env_0123", now_s_ + 1))).status, 401u);
}

TEST_F(OpenedByPublicTokens, WhatIsWrongWithThemIsSaid) {
  start_table();
  const std::string invalid = "{\"error\":\"Public Access Token is invalid.\"}\n";
  EXPECT_EQ(send("GET /both", keys_.sign(claims("env_other", now_s_ + 1))).body, invalid);
  EXPECT_EQ(send("GET /both", keys_.sign("[]")).body, invalid);
  EXPECT_EQ(send("GET /both", server::sign_public_token("another key", claims("env_0123", now_s_ + 1))).body, invalid);
  EXPECT_EQ(send("GET /both", "a.b.c").body, invalid);
  EXPECT_EQ(send("GET /both", "a.b.c.d").body, "{\"error\":\"Invalid API key\"}\n");
  const Reply expired = send("GET /both", keys_.sign(claims("env_0123", now_s_)));
  EXPECT_EQ(expired.status, 401u);
  EXPECT_EQ(expired.body, "{\"error\":\"Public Access Token has expired.\"}\n");
}

TEST_F(OpenedByPublicTokens, OneThatExpiredIsNoGuess) {
  options_.limits.guesses_max = 2;
  start_table();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(send("GET /both", keys_.sign(claims("env_0123", now_s_))).status, 401u);
  }
  EXPECT_EQ(send("GET /both", "a.b.c").status, 401u);
  EXPECT_EQ(send("GET /both", "a.b.c").status, 401u);
  EXPECT_EQ(send("GET /both", "a.b.c").status, 429u);
  EXPECT_EQ(send("GET /both", keys_.sign(claims("env_0123", now_s_))).status, 401u);
  EXPECT_EQ(send("GET /both", keys_.sign(claims("env_0123", now_s_ + 1))).status, 200u);
}

TEST(ScopesOfRoutes, LetAPublicTokenInByWhatItSaysAndOthersAlways) {
  using server::ScopeOf;
  const auto lets_in = [](const server::Scopes& scopes, const std::string& said, const server::About& about = {}) {
    return server::lets_in(scopes, {server::kPublicToken, R"({"exp":1,"scopes":[")" + said + "\"]}"}, {"x", "y"},
                           about);
  };
  EXPECT_TRUE(lets_in({{"read", "runs"}}, "read:runs"));
  EXPECT_FALSE(lets_in({{"read", "runs"}}, "read:runs:x")) << "of one is not of all";
  EXPECT_FALSE(lets_in({{"read", "runs"}}, "write:runs"));
  EXPECT_FALSE(lets_in({{"read", "runs"}}, "read:tasks"));
  EXPECT_FALSE(lets_in({}, "admin"));
  const server::Scopes one = {{"read", "runs", ScopeOf::kParameter}};
  EXPECT_TRUE(lets_in(one, "read:runs:x"));
  EXPECT_TRUE(lets_in(one, "read:runs"));
  EXPECT_FALSE(lets_in(one, "read:runs:y")) << "the first of the pattern";
  const server::Scopes tasks = {{"read", "tasks", ScopeOf::kTasks}};
  EXPECT_FALSE(lets_in(tasks, "read:tasks")) << "it is about none";
  EXPECT_TRUE(lets_in(tasks, "read:tasks:t", {{"t"}, {}, ""}));
  EXPECT_FALSE(lets_in(tasks, "read:tasks:t", {{"t", "u"}, {}, ""})) << "each";
  const server::Scopes tags = {{"read", "tags", ScopeOf::kTags}};
  EXPECT_TRUE(lets_in(tags, "read:tags:b", {{}, {"a", "b"}, ""})) << "one of them";
  EXPECT_FALSE(lets_in(tags, "read:tags:c", {{}, {"a", "b"}, ""}));
  const server::Scopes batch = {{"read", "batch", ScopeOf::kBatch}};
  EXPECT_TRUE(lets_in(batch, "read:batch:b", {{}, {}, "b"}));
  EXPECT_FALSE(lets_in(batch, "read:batch", {})) << "the run has none";
  EXPECT_TRUE(lets_in({{"", "", ScopeOf::kAnyToken}}, "none"));
  EXPECT_TRUE(server::lets_in({}, http::Principal{server::kApiKey, ""}, {}, {}));
  EXPECT_TRUE(server::lets_in({}, http::Principal(), {}, {})) << "nobody was asked";
  EXPECT_FALSE(server::lets_in({{"read", "runs"}}, http::Principal{server::kPublicToken, ""}, {}, {}));
}

TEST(Keys, TellTheColumnsThatATokenLeavesOut) {
  const http::Principal token = {server::kPublicToken,
                                 R"({"exp":1,"scopes":["read:runs:r"],"realtime":{"skipColumns":["output"]}})"};
  EXPECT_EQ(server::skipped_columns(token), std::vector<std::string>({"output"}));
  EXPECT_TRUE(server::skipped_columns({server::kApiKey, ""}).empty());
}

TEST(Keys, WithoutASubjectNoPublicTokenIsLetIn) {
  const server::Keys keys(secrets({kApi}), {});
  const std::string token = keys.sign("{}");
  http::Credentials credentials;
  credentials.bearer = token;
  credentials.has_authorization = true;
  EXPECT_STREQ(keys.check(credentials).refusal.what, "Invalid API key");
  EXPECT_EQ(server::Keys({}, secrets({kSync})).sign("{}"), "") << "only an API key signs";
}

TEST(Keys, AnEmptyBearerIsNoToken) {
  const server::Keys keys(secrets({kApi}), {});
  http::Credentials credentials;
  EXPECT_TRUE(static_cast<bool>(keys.check(credentials).refusal));
  EXPECT_FALSE(keys.check(credentials).counts);
  credentials.has_authorization = true;
  EXPECT_TRUE(keys.check(credentials).counts) << "a guess";
}

}  // namespace
}  // namespace cairn::tests
