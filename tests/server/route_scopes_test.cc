// Who may call what, over all routes that a server of a store has: what the table says, and what it does.
#include <algorithm>
#include <map>
#include <set>

#include "api/server/public_token.h"
#include "api/server/store_service.h"
#include "engine/json/json.h"
#include "engine/store/store_storage.h"
#include "engine/sync/receiver.h"
#include "tests/http/http_fixture.h"
#include "tests/server/sample_requests.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

using server::ScopeOf;

constexpr const char* kKeyOfTable = "api-key-0123456789-abcdefghijklmnopqrst";

// Of the contract, by hand. "*": any token. What is not here must have no method, and be open to any token.
const std::map<std::string, std::vector<std::string>>& who_may_call() {
  static const std::vector<std::string> kReadRun = {"read:runs:<parameter>", "read:tasks:<task>", "read:tags:<tag>",
                                                    "read:batch:<batch>"};
  static const std::vector<std::string> kList = {"read:runs", "read:tasks", "read:tasks:<task>"};
  static const std::vector<std::string> kReadBatch = {"read:batch:<parameter>", "read:runs"};
  static const std::vector<std::string> kTriggerBatch = {"batchTrigger:batch", "batchTrigger:tasks:<task>"};
  static const std::map<std::string, std::vector<std::string>> out = {
      {"POST /v1/sync", {}},
      {"GET /healthz", {}},
      {"GET /readyz", {}},
      {"POST /api/v1/tasks/:task/trigger", {"trigger:tasks:<parameter>"}},
      {"GET /api/v3/runs/:id", kReadRun},
      {"GET /api/v1/runs", kList},
      {"GET /api/v1/projects/:ref/runs", kList},
      {"PUT /api/v1/runs/:id/metadata", {}},
      {"GET /api/v1/runs/:id/metadata", {}},
      {"POST /api/v2/runs/:id/cancel", {"write:runs:<parameter>", "write:tasks:<task>"}},
      {"POST /api/v1/runs/:id/tags", {}},
      {"POST /api/v1/runs/:id/replay", {}},
      {"POST /api/v1/runs/:id/reschedule", {}},
      {"POST /api/v1/idempotencyKeys/:key/reset", {"write:runs", "write:tasks:<task>"}},
      {"POST /api/v1/auth/jwt/claims", {}},
      {"POST /api/v3/batches", kTriggerBatch},
      {"POST /api/v3/batches/:id/items", kTriggerBatch},
      {"GET /api/v2/batches/:id", kReadBatch},
      {"GET /api/v1/batches/:id", kReadBatch},
      {"POST /cairn/v1/runs/:id/status", {}},
      {"POST /cairn/v1/runs/:id/finish", {}},
      {"GET /cairn/v1/runs", {}},
      {"GET /cairn/v1/runs/:id", {}},
      {"POST /cairn/v1/runs", {}},
      {"DELETE /cairn/v1/runs/:id", {}},
      {"POST /cairn/v1/runs/:id/resume", {}},
      {"POST /cairn/v1/runs/:id/operations", {}},
      {"POST /cairn/v1/operations", {}},
      {"GET /cairn/v1/changes", {}},
      {"GET /cairn/v1/export", {}},
      {"GET /cairn/v1/runs/:id/history", {}},
      {"GET /cairn/v1/counts", {}},
      {"GET /cairn/v1/sync", {}},
      {"GET /cairn/v1/dead", {}},
      {"GET /cairn/v1/stores", {}},
      {"GET /cairn/v1/store", {}},
      {"GET /cairn/v1/events", {}},
      {"GET /openapi.json", {}},
      {"GET /realtime/v1/runs/:id", kReadRun},
      {"GET /realtime/v1/runs", {"read:runs", "read:tags", "read:tags:<tag>"}},
      {"GET /realtime/v1/batches/:id", kReadBatch},
  };
  return out;
}

std::string name_of(const server::Route& route) { return route.method + " " + route.pattern; }

std::string text_of(const server::Scope& scope) {
  const std::map<ScopeOf, std::string> ids = {{ScopeOf::kAll, ""},
                                              {ScopeOf::kParameter, ":<parameter>"},
                                              {ScopeOf::kTasks, ":<task>"},
                                              {ScopeOf::kTags, ":<tag>"},
                                              {ScopeOf::kBatch, ":<batch>"}};
  return scope.of == ScopeOf::kAnyToken ? "*" : std::string(scope.action) + ":" + scope.type + ids.at(scope.of);
}

/// "read:runs:<parameter>" is of the action and type "read:runs".
std::string kind_of(const std::string& scope) { return scope.substr(0, scope.find(":<")); }

class WholeTable : public StoreTest {
 protected:
  WholeTable() {
    open();
    receives_ = std::make_unique<engine::sync::StoreStorage>(*store_);
    receiver_ = std::make_unique<engine::sync::Receiver>(*receives_);
    server::StoreService::Options options;
    options.api_tokens.push_back(std::move(*Secret::from_text(kKeyOfTable)));
    service_ = std::make_unique<server::StoreService>(*store_, *receiver_, std::move(options));
    http::ServerOptions of_server;
    of_server.listen = {"127.0.0.1:0"};
    of_server.authenticate = service_->authenticator();
    server_ = std::move(*http::Server::start(std::move(of_server), service_->routes()));
    address_ = server_->addresses().front();
    subject_ = member(send(kKeyOfTable, "POST /api/v1/auth/jwt/claims"), "sub");
    batch_ = member(send(kKeyOfTable, "POST /api/v3/batches", R"({"runCount":2})"), "id");
    EXPECT_EQ(send(kKeyOfTable, "POST /api/v3/batches/" + batch_ + "/items",
                   R"({"index":0,"task":"t","options":{"tags":["a","b"]}})")
                  .status,
              200u);
    const Reply runs = send(kKeyOfTable, "GET /api/v2/batches/" + batch_);
    const size_t at = runs.body.find("run_");
    run_ = runs.body.substr(at, runs.body.find('"', at) - at);
  }
  ~WholeTable() override {
    server_.reset();
    service_.reset();
    close();
  }

  Reply send(const std::string& bearer, const std::string& line, const std::string& body = "") {
    Client client(address_);
    client.send(line + " HTTP/1.1\r\nHost: " + address_ + "\r\nAuthorization: Bearer " + bearer +
                "\r\nContent-Type: application/x-ndjson\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body);
    return client.read_reply();
  }
  static std::string member(const Reply& reply, const std::string& name) {
    const size_t at = reply.body.find("\"" + name + "\":\"") + name.size() + 4;
    return reply.body.substr(at, reply.body.find('"', at) - at);
  }
  std::string token(const std::vector<std::string>& scopes) {
    std::string list;
    for (const std::string& scope : scopes) {
      list += (list.empty() ? "\"" : ",\"") + scope + "\"";
    }
    return server::sign_public_token(
        kKeyOfTable, R"({"iss":"https://id.trigger.dev","aud":"https://api.trigger.dev","sub":")" + subject_ +
                         R"(","pub":true,"exp":9000000000,"scopes":[)" + list + "]}");
  }
  /// A right request, about the task t, a tag a and the run and batch that are there. It names no parent: that needs a
  /// scope of its own.
  Reply ask(const server::Route& route, const std::string& bearer) {
    const auto sample = std::find_if(sample_requests().begin(), sample_requests().end(), [&](const auto& one) {
      return one.method == route.method && one.pattern == route.pattern;
    });
    const bool is_sampled = sample != sample_requests().end();
    const SampleRequest request = is_sampled ? *sample : SampleRequest{route.method, route.pattern, "", ""};
    std::string query = route.pattern.starts_with("/realtime") ? "?offset=-1&tags=a%2Cc" : "";
    query += request.query.find("filter") != std::string::npos ? "?filter%5BtaskIdentifier%5D=t" : "";
    std::string body = request.body;  // without a parent, which needs a scope of its own
    const std::string parent = R"("parentRunId":"run_1",)";
    if (const size_t at = body.find(parent); at != std::string::npos) {
      body.erase(at, parent.size());
    }
    return send(bearer, (route.method.empty() ? "GET" : route.method) + " " + request.path(run_, batch_) + query, body);
  }
  /// The scope for that request, or for another one.
  std::string with_id(const std::string& scope, const server::Route& route, bool right) const {
    const size_t at = scope.find(":<");
    if (at == std::string::npos) {
      return scope;
    }
    const bool of_batch = scope.ends_with(":<batch>") || route.pattern.find("/batches/") != std::string::npos;
    const std::string id = scope.ends_with(":<task>") || route.pattern.find(":task") != std::string::npos ? "t"
                           : scope.ends_with(":<tag>")                                                    ? "a"
                           : of_batch                                                                     ? batch_
                                                                                                          : run_;
    return scope.substr(0, at + 1) + (right ? id : id + "x");
  }

  std::unique_ptr<engine::sync::StoreStorage> receives_;
  std::unique_ptr<engine::sync::Receiver> receiver_;
  std::unique_ptr<server::StoreService> service_;
  std::unique_ptr<http::Server> server_;
  std::string address_;
  std::string subject_;
  std::string batch_;
  std::string run_;
};

// What is known and not served has no method, and is left out.
TEST_F(WholeTable, IsWhatTheDocumentOfTheRoutesSays) {
  const Reply reply = send(kKeyOfTable, "GET /openapi.json");
  const auto document = engine::parse_json(reply.body);
  ASSERT_TRUE(document.ok()) << "the YAML must be JSON";
  std::set<std::string> described;
  const auto* paths = engine::find_property(*document->get<engine::Object>(), "paths")->get<engine::Object>();
  for (const auto& [path, methods] : *paths) {
    std::string pattern = path;
    std::replace(pattern.begin(), pattern.end(), '{', ':');
    std::erase(pattern, '}');
    for (const auto& [method, operation] : *methods.get<engine::Object>()) {
      std::string name = method;
      std::transform(name.begin(), name.end(), name.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      described.insert(name + " " + pattern);
      const auto* security = engine::find_property(*operation.get<engine::Object>(), "security");
      const bool is_public =
          who_may_call().count(name + " " + pattern) != 0 && !who_may_call().at(name + " " + pattern).empty();
      EXPECT_EQ(security != nullptr, is_public) << name << " " << pattern;
    }
  }
  std::set<std::string> there;
  for (const server::Route* route : service_->routes().routes()) {
    if (!route->method.empty()) {
      there.insert(name_of(*route));
    }
  }
  there.insert("GET /metrics");  // `cairn serve` adds it, where it is built with it
  EXPECT_EQ(described, there);
}

TEST_F(WholeTable, SaysForEachRouteWhichPublicTokensMayCallIt) {
  std::set<std::string> there;
  for (const server::Route* route : service_->routes().routes()) {
    std::vector<std::string> scopes;
    for (const server::Scope& scope : route->scopes) {
      scopes.push_back(text_of(scope));
    }
    const auto wanted = who_may_call().find(name_of(*route));
    if (wanted != who_may_call().end()) {
      EXPECT_EQ(scopes, wanted->second) << name_of(*route);
      there.insert(wanted->first);
    } else {
      EXPECT_EQ(route->method, "") << name_of(*route) << " is not in the test";
      EXPECT_EQ(scopes, std::vector<std::string>{"*"}) << route->pattern;
    }
    EXPECT_EQ(route->roles & server::kPublicToken, 0) << name_of(*route) << ": that is said by scopes";
  }
  EXPECT_EQ(there.size(), who_may_call().size());
}

// By what it does, not by what it says: a route that forgets to ask is found.
TEST_F(WholeTable, LetsInWhoHasOneOfTheScopesAndNobodyElse) {
  std::set<std::string> all;
  for (const char* action : {"read", "write", "trigger", "batchTrigger"}) {
    for (const char* type : {"runs", "tasks", "tags", "batch"}) {
      all.insert(std::string(action) + ":" + type);
    }
  }
  for (const server::Route* route : service_->routes().routes()) {
    const auto wanted = who_may_call().find(name_of(*route));
    const std::string name = name_of(*route);
    if (wanted == who_may_call().end()) {
      const unsigned status = ask(*route, token({})).status;
      EXPECT_TRUE(status == 404 || status == 501) << name << " " << status;
      continue;
    }
    if (wanted->second.empty()) {
      EXPECT_EQ(ask(*route, token({"admin"})).status, 401u) << name;
      continue;
    }
    std::set<std::string> others = all;
    for (const std::string& scope : wanted->second) {
      others.erase(kind_of(scope));
      if (scope.find(":<") != std::string::npos) {
        others.insert(with_id(scope, *route, false));
      }
    }
    for (const std::string& scope : wanted->second) {
      if (scope.find(":<") == std::string::npos) {
        std::erase_if(others, [&](const std::string& other) { return other.starts_with(scope + ":"); });
        others.insert(scope + ":x");  // of one is not of all
      }
    }
    Reply reply = ask(*route, token({others.begin(), others.end()}));
    EXPECT_EQ(reply.status, 403u) << name << " " << reply.body;
    EXPECT_NE(reply.body.find("Unauthorized"), std::string::npos) << name;
    EXPECT_EQ(ask(*route, token({})).status, 403u) << name;
    for (const std::string& scope : wanted->second) {
      reply = ask(*route, token({with_id(scope, *route, true)}));
      EXPECT_TRUE(reply.status < 300 || reply.status == 404 || reply.status == 422)
          << name << " " << with_id(scope, *route, true) << " " << reply.status << " " << reply.body;
    }
  }
}

TEST_F(WholeTable, SaysThatARunIsNotThereBeforeItSaysThatItMayNotBeRead) {
  const std::string nothing = token({});
  for (const char* line :
       {"GET /api/v3/runs/run_none", "POST /api/v2/runs/run_none/cancel", "GET /api/v2/batches/batch_none",
        "GET /realtime/v1/runs/run_none?offset=-1", "GET /realtime/v1/batches/batch_none?offset=-1"}) {
    EXPECT_EQ(send(nothing, line).status, 404u) << line;
  }
  EXPECT_EQ(send(nothing, "POST /api/v1/tasks/t/trigger", "{").status, 400u) << "and 400 before both";
  EXPECT_EQ(send(nothing, "GET /realtime/v1/runs/run_none").status, 400u);
}

}  // namespace
}  // namespace cairn::tests
