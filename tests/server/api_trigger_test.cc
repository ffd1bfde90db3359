// POST /api/v1/tasks/:task/trigger
#include <regex>

#include "tests/server/api_fixture.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;

class TriggerRoute : public ApiTest {
 protected:
  Reply post(const std::string& body, const std::string& headers = "") {
    return call("POST /api/v1/tasks/import-csv/trigger", body, headers);
  }
};

TEST_P(TriggerRoute, TakesWhatTheNpmClientSends) {
  const Reply reply = post(
      R"({"payload":"{\"json\":{\"message\":\"hello\",\"at\":\"1970-01-01T00:00:00.000Z\"},\"meta\":{\"values\":{\"at\":[\"Date\"]}}}",)"
      R"("options":{"payloadType":"application/super+json","payloadSize":94,"idempotencyKey":"6ab916dd0",)"
      R"("idempotencyKeyOptions":{"key":"k1","scope":"global"},"ttl":"10m","tags":["user:1234","a\"b"],"maxAttempts":2,)"
      R"("metadata":{"user":{"name":"Eric","id":"user_1234"},"progress":0},"priority":5}})",
      "Content-Type: application/json\r\ntrigger-version: 4.8.3\r\nx-trigger-source: sdk\r\n"
      "x-trigger-api-version: 2025-07-16\r\nx-trigger-request-idempotency-key: 0a1b\r\n");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_TRUE(std::regex_match(reply.body, std::regex(R"(\{"id":"run_[0-9a-z]{26}","isCached":false\})")))
      << reply.body;
  const std::string id = reply.body.substr(7, 30);
  EXPECT_EQ(reply.headers.at("x-trigger-jwt-claims"),
            R"({"sub":"env_0123","pub":true,"scopes":["read:runs:)" + id + R"("]})");
  EXPECT_EQ(call_as(reply.headers.at("x-trigger-jwt"), "GET /api/v3/runs/" + id).status, 200u);
  EXPECT_EQ(call_as(reply.headers.at("x-trigger-jwt"), "GET /api/v3/runs/" + trigger()).status, 403u);
  const auto view = run(id, server::kMetadata | server::kSeed | server::kPayload);
  EXPECT_EQ(view.status, RunStatus::kQueued);
  EXPECT_EQ(view.task, "import-csv");
  EXPECT_EQ(view.tags, std::vector<std::string>({"a\"b", "user:1234"}));
  EXPECT_EQ(view.ttl, "10m");
  EXPECT_EQ(view.idempotency_key, "6ab916dd0");
  EXPECT_EQ(view.metadata, R"({"user":{"name":"Eric","id":"user_1234"},"progress":0})");
  EXPECT_EQ(view.seed, view.metadata);
  EXPECT_EQ(view.payload->type, "application/super+json");
  EXPECT_EQ(at(call("GET /api/v3/runs/" + id), "payload"), R"({"message":"hello","at":"1970-01-01T00:00:00.000Z"})");
}

TEST_P(TriggerRoute, TakesOtherRequestsThanTheClients) {
  EXPECT_EQ(post("{}").status, 200u);
  EXPECT_EQ(post(R"({"options":null,"payload":null})").status, 200u);
  const std::string id = trigger(
      "t", R"({"unknown":[1],"queue":{"name":"q"},"tags":"one","test":true,"metadata":null})", R"({"n":[1,2]})");
  const auto view = run(id, server::kPayload | server::kSeed);
  EXPECT_EQ(view.payload, (server::TypedText{"application/json", R"({"n":[1,2]})"}));
  EXPECT_TRUE(view.is_test);
  EXPECT_EQ(view.tags, std::vector<std::string>({"one"}));
  EXPECT_FALSE(view.seed.has_value());
  EXPECT_EQ(at(call("GET /api/v3/runs/" + id), "payload"), R"({"n":[1,2]})");
  EXPECT_EQ(at(call("GET /api/v3/runs/" + id), "metadata"), "absent");
}

TEST_P(TriggerRoute, ATaskIsOneSegmentOfAnyCharacters) {
  EXPECT_EQ(run(trigger("a%2Fb%20%C3%A9%23")).task, "a/b \xc3\xa9#");
}

TEST_P(TriggerRoute, EachPayloadComesBackAsItsTypeSays) {
  const auto shown = [this](const std::string& type, const std::string& payload) {
    return at(call("GET /api/v3/runs/" + trigger("t", R"({"payloadType":")" + type + "\"}", payload)), "payload");
  };
  EXPECT_EQ(shown("application/json", R"("{\"a\":1}")"), R"({"a":1})");
  EXPECT_EQ(shown("text/plain", R"("{\"a\":1}")"), R"("{\"a\":1}")");
  EXPECT_EQ(shown("application/super+json", R"("{\"json\":[1],\"meta\":{}}")"), "[1]");
  EXPECT_EQ(shown("application/super+json", R"("{\"json\":null}")"), "null");
  EXPECT_EQ(shown("application/super+json", "null"), "absent");
}

// A client parses what its type says is JSON, and its subscription ends where that fails.
TEST_P(TriggerRoute, APayloadThatIsNotOfItsTypeIsRefused) {
  for (const auto& [type, payload, why] : std::vector<std::array<std::string, 3>>{
           {"application/json", "no json",
            "payload is not application/json: it does not parse. Send text as text/plain"},
           {"application/super+json", "{",
            "payload is not application/super+json: it does not parse. Send text as text/plain"},
           {"application/super+json", "[1]", "payload is not application/super+json: an object with the member json"},
           {"application/store", "p/1",
            "payload cannot be kept elsewhere (application/store): at most 256 KiB are kept here"}}) {
    SCOPED_TRACE(type + " " + payload);
    expect_error(post(R"({"payload":")" + payload + R"(","options":{"payloadType":")" + type + "\"}}"), 400,
                 "Validation error: " + why);
  }
  const std::string id = trigger("t", "{}", R"("hello")");  // nobody said that it is JSON
  EXPECT_EQ(run(id, server::kPayload).payload, (server::TypedText{"text/plain", "hello"}));
  EXPECT_EQ(at(call("GET /api/v3/runs/" + id), "payload"), R"("hello")");
}

TEST_P(TriggerRoute, BodiesThatDoNotFitAre400AndNameThePlace) {
  const std::vector<std::pair<std::string, std::string>> bodies = {
      {"", "Request body is empty"},
      {"  \n", "Request body is empty"},
      {"{", "Invalid JSON"},
      {"{} {}", "Invalid JSON"},
      {R"({"options":{"tags":"\ud800"}})", "Invalid JSON: it is not UTF-8, or has half of a surrogate pair"},
      {"[]", "Validation error: the body must be a JSON object"},
      {R"({"options":[]})", "Validation error: options must be an object"},
      {R"({"options":{"tags":7}})", "Validation error: options.tags must be a string or a list of strings"},
      {R"({"options":{"tags":["a",7]}})", "Validation error: options.tags[1] must be a string"},
      {R"({"options":{"tags":[")" + std::string(129, 'x') + R"("]}})",
       "Validation error: options.tags[0] has more than 128 characters"},
      {R"({"options":{"metadata":[]}})", "metadata must be a JSON object"},
      {R"({"options":{"metadata":"x"}})", "metadata must be a JSON object"},
      {R"({"options":{"test":"yes"}})", "Validation error: options.test must be true or false"},
      {R"({"options":{"payloadType":1}})", "Validation error: options.payloadType must be a string"},
      {R"({"options":{"parentRunId":{}}})", "Validation error: options.parentRunId must be a string"},
      {R"({"options":{"delay":5}})", "Validation error: options.delay must be a string"},
      {R"({"options":{"ttl":-5}})", "Validation error: options.ttl must be a whole number from 0 to 3153600000"},
      {R"({"options":{"ttl":1.5}})", "Validation error: options.ttl must be a whole number from 0 to 3153600000"},
      {R"({"options":{"idempotencyKey":")" + std::string(2049, 'x') + R"("}})",
       "Validation error: options.idempotencyKey has more than 2048 bytes"},
      {R"({"options":{"idempotencyKeyTTL":"soon"}})",
       "Validation error: options.idempotencyKeyTTL must be a duration such as 60s, 5m, 1h or 7d"},
      {R"({"options":{"metadata":{"n":1e999}}})",
       "Validation error: the body: JSON with a number that no double can hold"},
  };
  for (const auto& [body, error] : bodies) {
    SCOPED_TRACE(body.substr(0, 60));
    expect_error(post(body), 400, error);
  }
  EXPECT_EQ(run_count(), 0u);
}

TEST_P(TriggerRoute, WhatComesAfterTheSchemaIs422Then413) {
  expect_error(post(R"({"options":{"delay":"soon"}})"), 422,
               "Invalid delay: options.delay must be a duration such as 30m, 1h or 2d, or an ISO 8601 date");
  expect_error(post(R"({"options":{"ttl":"soon"}})"), 422,
               "Invalid ttl: options.ttl must be a duration such as 30m, 1h or 2d, or a number of seconds");
  expect_error(post(R"({"options":{"tags":["1","2","3","4","5","6","7","8","9","10","11"]}})"), 422,
               "Runs can only have 10 tags, you're trying to set 11.");
  EXPECT_EQ(run(trigger("t", R"({"tags":["1","2","3","4","5","6","7","8","9","10","1"," "]})")).tags.size(), 10u);
  const std::string big = R"({"payload":")" + std::string((256 << 10) + 1, 'x') + "\"";
  expect_error(post(big + "}"), 413, "Payload exceeds maximum size of 262144 bytes");
  EXPECT_EQ(post(big + R"(,"options":{"delay":"soon"}})").status, 422u);
  EXPECT_EQ(post(big + R"(,"options":{"delay":"soon","test":1}})").status, 400u);
  expect_error(post(R"({"options":{"metadata":{"a":")" + std::string(5000, 'x') + R"("}}})"), 413,
               "Metadata exceeds maximum size of 4096 bytes");
  EXPECT_EQ(run_count(), 1u);
}

TEST_P(TriggerRoute, APayloadOf256KiBFitsHoweverItIsEscaped) {
  std::string escaped;
  for (int i = 0; i < 256 << 10; ++i) {
    escaped += "\\u0001";
  }
  EXPECT_EQ(run(trigger("t", "{}", "\"" + escaped + "\""), server::kPayload).payload->text.size(), 256u << 10);
  expect_error(post(std::string((4 << 20) + 1, ' ')), 413, "Request body too large");
}

TEST_P(TriggerRoute, AnIdempotencyKeyGivesTheFirstRun) {
  const std::string body = R"({"options":{"idempotencyKey":"k","idempotencyKeyTTL":"60s"}})";
  const Reply first = post(body);
  EXPECT_EQ(at(first, "isCached"), "false");
  const Reply again = post(body);
  EXPECT_EQ(at(again, "isCached"), "true");
  EXPECT_EQ(at(again, "id"), at(first, "id"));
  EXPECT_NE(call("POST /api/v1/tasks/other/trigger", body).body, first.body);
  now_us_ += 60'000'000;
  EXPECT_EQ(at(post(body), "isCached"), "false");
  EXPECT_EQ(run_count(), 3u);
}

TEST_P(TriggerRoute, ARepeatedRequestHasItsFirstAnswer) {
  const std::string key = "x-trigger-request-idempotency-key: 7c1e\r\n";
  const Reply first = post("{}", key);
  const Reply again = post("{}", key);
  EXPECT_EQ(again.status, 200u);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(run_count(), 1u);
  EXPECT_NE(call("POST /api/v1/tasks/other/trigger", "{}", key).body, first.body) << "the key is of its route";
  EXPECT_NE(post("{}").body, first.body);
}

TEST_P(TriggerRoute, DelayAndTtlAreTextsOrDatesOrSeconds) {
  const std::string delayed = trigger("t", R"({"delay":"1h30m"})");
  EXPECT_EQ(run(delayed).delayed_until_us, now_us_ + 5'400'000'000);
  const auto view = run(trigger("t", R"({"delay":"2026-12-24T10:00:00+01:00","ttl":90})"));
  EXPECT_EQ(view.status, RunStatus::kDelayed);
  EXPECT_EQ(view.ttl, "90s");
  const Reply reply = call("GET /api/v3/runs/" + view.id);
  EXPECT_EQ(at(reply, "delayedUntil"), R"("2026-12-24T09:00:00.000Z")");
  EXPECT_EQ(at(reply, "isQueued"), "true");
  EXPECT_EQ(run(trigger("t", R"({"delay":"2020-01-01"})")).status, RunStatus::kQueued) << "it is over";
}

TEST_P(TriggerRoute, ARunThatNobodyTakesInItsTimeToLiveExpires) {
  for (const char* ttl : {"90", "\"1m30s\""}) {
    const std::string id = trigger("t", R"({"ttl":)" + std::string(ttl) + "}");
    now_us_ += 89'999'999;
    EXPECT_EQ(storage_.keep_time(now_us_).value(), now_us_ + 1);
    EXPECT_EQ(run(id).status, RunStatus::kQueued);
    now_us_ += 1;
    EXPECT_TRUE(storage_.keep_time(now_us_).ok());
    const Reply reply = call("GET /api/v3/runs/" + id);
    EXPECT_EQ(at(reply, "status"), "\"EXPIRED\"");
    EXPECT_EQ(at(reply, "expiredAt"), at(reply, "finishedAt"));
  }
}

TEST_P(TriggerRoute, TheTokenOfARunIsGoodForAnHour) {
  const Reply reply = post("{}");
  const std::string id = reply.body.substr(7, 30);
  now_us_ += 3'599'000'000;
  EXPECT_EQ(call_as(reply.headers.at("x-trigger-jwt"), "GET /api/v3/runs/" + id).status, 200u);
  now_us_ += 1'000'000;
  EXPECT_EQ(call_as(reply.headers.at("x-trigger-jwt"), "GET /api/v3/runs/" + id).body,
            "{\"error\":\"Public Access Token has expired.\"}\n");
}

TEST_P(TriggerRoute, AnIdempotencyKeyIsKnownFor30Days) {
  const std::string first = trigger("t", R"({"idempotencyKey":"k"})");
  now_us_ += int64_t{30} * 86'400 * 1'000'000 - 2000;
  EXPECT_EQ(trigger("t", R"({"idempotencyKey":"k"})"), first);
  EXPECT_NE(trigger("t", R"({"idempotencyKey":"k"})"), first);
}

TEST_P(TriggerRoute, ParentAndRootComeFromTheParent) {
  const std::string root = trigger();
  const std::string parent = trigger("t", R"({"parentRunId":")" + root + R"("})");
  const std::string child = trigger("t", R"({"parentRunId":")" + parent + R"(","resumeParentOnCompletion":true})");
  const Reply reply = call("GET /api/v3/runs/" + child);
  EXPECT_EQ(at(reply, "depth"), "2");
  EXPECT_EQ(at(reply, "triggerFunction"), "\"triggerAndWait\"");
  EXPECT_EQ(at(reply, "relatedRuns.root.id"), "\"" + root + "\"");
  EXPECT_EQ(at(reply, "relatedRuns.parent.id"), "\"" + parent + "\"");
  EXPECT_EQ(at(reply, "relatedRuns.children"), "absent");
  EXPECT_EQ(at(call("GET /api/v3/runs/" + parent), "relatedRuns.children.0.id"), "\"" + child + "\"");
  const std::string orphan = trigger("t", R"({"parentRunId":"run_of_another_store"})");
  EXPECT_EQ(run(orphan).parent, "run_of_another_store");
  EXPECT_EQ(at(call("GET /api/v3/runs/" + orphan), "relatedRuns"), "{}");
}

TEST_P(TriggerRoute, ATokenOpensItsTaskAlone) {
  const std::string line = "POST /api/v1/tasks/import-csv/trigger";
  EXPECT_EQ(call_as(token({"trigger:tasks:import-csv"}), line, "{}").status, 200u);
  EXPECT_EQ(call_as(token({"trigger:tasks"}), line, "{}").status, 200u);
  EXPECT_EQ(call_as(token({"admin"}), line, "{}").status, 200u);
  for (const char* scope : {"trigger:tasks:other", "read:tasks:import-csv", "trigger:runs", ""}) {
    const Reply reply = call_as(token({scope}), line, "{}");
    EXPECT_EQ(reply.status, 403u) << scope;
    EXPECT_EQ(reply.body,
              R"({"error":"Unauthorized","code":"unauthorized","param":"access_token","type":"authorization"})");
  }
  EXPECT_EQ(call_as(token({}), line, "{}").status, 403u);
  EXPECT_EQ(call_as(token({}), line, "{").status, 400u) << "the body is looked at before";
  EXPECT_EQ(call_as(token({}), line, R"({"options":{"delay":"soon"}})").status, 403u);
  EXPECT_EQ(run_count(), 3u);
}

TEST_P(TriggerRoute, ATokenForOneUseIsGoodForOneRun) {
  const std::string line = "POST /api/v1/tasks/t/trigger";
  const std::string once = token({"trigger:tasks:t"}, R"("otu":true,)");
  EXPECT_EQ(call_as(once, line, R"({"options":{"tags":7}})").status, 400u) << "that was no use";
  const std::string key = "x-trigger-request-idempotency-key: 7c1e\r\n";
  const Reply first = call_as(once, line, "{}", key);
  EXPECT_EQ(first.status, 200u);
  EXPECT_EQ(call_as(once, line, "{}", key).body, first.body) << "the same request, sent again";
  expect_error(call_as(once, line, "{}"), 422, "This public access token was good for one use, and has been used");
  EXPECT_EQ(run_count(), 1u);
}

TEST_P(TriggerRoute, ATokenMakesChildrenOnlyOfWhatItReads) {
  const std::string parent = trigger("other");
  const std::string line = "POST /api/v1/tasks/t/trigger";
  const std::string body = R"({"options":{"parentRunId":")" + parent + "\"}}";
  EXPECT_EQ(call_as(token({"trigger:tasks:t"}), line, body).status, 403u);
  EXPECT_EQ(run_count(), 1u);
  EXPECT_EQ(call_as(token({"trigger:tasks:t", "read:runs:" + parent}), line, body).status, 200u);
}

TEST_P(TriggerRoute, AServerWithoutKeysLetsEverybodyInAndSignsNothing) {
  const server::Keys nothing({}, {});
  server::ApiOptions options;
  options.environment = "test";
  options.keys = &nothing;
  server::RouteTable table(server::run_routes(storage_, options));
  http::ServerOptions server_options;
  server_options.listen = {"127.0.0.1:0"};
  const auto open_server = http::Server::start(std::move(server_options), table).value();
  api_address_ = open_server->addresses().front();
  for (const char* bearer : {"", "whatever", "a.b.c"}) {
    const Reply reply = call_as(bearer, "POST /api/v1/tasks/t/trigger", "{}");
    EXPECT_EQ(reply.status, 200u);
    EXPECT_EQ(reply.headers.count("x-trigger-jwt"), 0u);
    EXPECT_EQ(reply.headers.count("x-trigger-jwt-claims"), 1u) << "for the client, which signs with what it has";
  }
  EXPECT_EQ(at(call_as("", "GET /api/v1/runs"), "data.0.env"), R"({"id":"env_0123","name":"test"})");
  EXPECT_EQ(call_as("", "PUT /api/v1/runs/run_none/metadata", "{}").status, 404u);
}

TEST_P(TriggerRoute, TroubleOfTheStorageIs503) {
  tested_->set_trouble({Code::kBusy, "another server has it"});
  expect_error(post("{}"), 503, "the storage of runs cannot do this now: another server has it");
  tested_->set_trouble({});
  EXPECT_EQ(post("{}").status, 200u);
}

CAIRN_ON_EACH_STORAGE(TriggerRoute);

}  // namespace
}  // namespace cairn::tests
