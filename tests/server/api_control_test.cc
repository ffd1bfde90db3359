// Cancel, tags, replay, reschedule, idempotency keys, claims of tokens.
#include <algorithm>

#include "tests/server/api_fixture.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;

class ControlRoutes : public ApiTest {
 protected:
  Reply cancel(const std::string& id, const std::string& headers = "") {
    return call("POST /api/v2/runs/" + id + "/cancel", "", headers);
  }
  Reply add_tags(const std::string& id, const std::string& body, const std::string& headers = "") {
    return call("POST /api/v1/runs/" + id + "/tags", body, headers);
  }
  Reply replay(const std::string& id, const std::string& body = "", const std::string& headers = "") {
    return call("POST /api/v1/runs/" + id + "/replay", body, headers);
  }
  server::RunView replayed(const Reply& reply) {
    EXPECT_EQ(reply.status, 200u) << reply.body;
    const std::string id = at(reply, "id");
    return run(id.substr(1, id.size() - 2), server::kMetadata | server::kSeed | server::kPayload);
  }
  Reply reschedule(const std::string& id, const std::string& body) {
    return call("POST /api/v1/runs/" + id + "/reschedule", body);
  }
};

TEST_P(ControlRoutes, CancelEndsARunOnce) {
  const std::string id = trigger();
  now_us_ += 1000;
  EXPECT_EQ(cancel(id, "content-type: application/json\r\ncontent-length: 0\r\n").body, R"({"id":")" + id + "\"}");
  const auto canceled = run(id);
  EXPECT_EQ(canceled.status, RunStatus::kCanceled);
  EXPECT_EQ(canceled.finished_us, now_us_);
  now_us_ += 1000;
  EXPECT_EQ(cancel(id).body, R"({"id":")" + id + "\"}");
  EXPECT_EQ(run(id).sequence, canceled.sequence) << "a finished run stays as it is";
  expect_error(cancel("run_none"), 404, "Run not found");
  EXPECT_EQ(call("POST /api/v2/runs/" + trigger() + "/cancel", "no json").status, 200u) << "nobody reads a body";
}

TEST_P(ControlRoutes, CancelNeedsAScopeOfTheRunOrItsTask) {
  const std::string id = trigger("t");
  const std::string line = "POST /api/v2/runs/" + id + "/cancel";
  for (const char* scope : {"read:runs", "write:runs:other", "write:tasks:other", "write:tags:x"}) {
    EXPECT_EQ(call_as(token({scope}), line).status, 403u) << scope;
  }
  EXPECT_EQ(run(id).status, RunStatus::kQueued);
  EXPECT_EQ(call_as(token({}), "POST /api/v2/runs/run_none/cancel").status, 404u);
  EXPECT_EQ(call_as(token({"write:tasks:t"}), line).status, 200u);
  EXPECT_EQ(call_as(token({"write:runs:" + id}), line).status, 200u);
  EXPECT_EQ(run(id).status, RunStatus::kCanceled);
}

TEST_P(ControlRoutes, ATokenForOneUseCancelsOneRun) {
  const std::string once = token({"write:runs"}, R"("otu":true,)");
  EXPECT_EQ(call_as(once, "POST /api/v2/runs/" + trigger() + "/cancel").status, 200u);
  expect_error(call_as(once, "POST /api/v2/runs/" + trigger() + "/cancel"), 422,
               "This public access token was good for one use, and has been used");
}

TEST_P(ControlRoutes, WhatAnotherStoreDecidesIsRefusedWithItsName) {
  const std::string id = trigger("t", R"({"delay":"1h"})");
  const std::string owner = tested_->set_owner(id);
  const uint64_t sequence = run(id).sequence;
  const std::string text = "This run belongs to " + owner + ", which decides its status, tags and end";
  expect_error(cancel(id), 422, text);
  expect_error(add_tags(id, R"({"tags":"a"})"), 422, text);
  expect_error(reschedule(id, R"({"delay":"1h"})"), 422, text);
  expect_error(call("POST /cairn/v1/runs/" + id + "/status", R"({"status":"EXECUTING"})"), 422, text);
  expect_error(call("POST /cairn/v1/runs/" + id + "/finish", "{}"), 422, text);
  EXPECT_EQ(run(id).sequence, sequence);
}

TEST_P(ControlRoutes, TagsAreAddedOnceAndAtMostTenInAll) {
  const std::string id = trigger("t", R"({"tags":["b"]})");
  const std::string key = "x-trigger-request-idempotency-key: 1\r\n";
  EXPECT_EQ(add_tags(id, R"({"tags":["a","b","c","a"," "]})", key).body,
            R"({"message":"Successfully set 2 new tags."})");
  std::vector<std::string> tags = run(id).tags;
  std::sort(tags.begin(), tags.end());
  EXPECT_EQ(tags, std::vector<std::string>({"a", "b", "c"}));
  EXPECT_EQ(add_tags(id, R"({"tags":["a","b","c","a"," "]})", key).body,
            R"({"message":"Successfully set 2 new tags."})")
      << "as the first time";
  EXPECT_EQ(add_tags(id, R"({"tags":"a"})").body, R"({"message":"No new tags to add"})");
  EXPECT_EQ(add_tags(id, R"({"tags":[]})").body, R"({"message":"No new tags to add"})");
  expect_error(add_tags(id, R"({"tags":["1","2","3","4","5","6","7","8"]})"), 422,
               "Runs can only have 10 tags, you're trying to set 11.");
  EXPECT_EQ(run(id).tags.size(), 3u) << "none was added";
  EXPECT_EQ(add_tags(id, R"({"tags":["1","2","3","4","5","6","7"]})").status, 200u);
  EXPECT_EQ(at(call("GET /api/v1/runs?filter[tag]=7"), "data.0.id"), "\"" + id + "\"");
}

TEST_P(ControlRoutes, TagsThatDoNotFitAre400) {
  const std::string id = trigger();
  expect_error(add_tags(id, ""), 400, "Request body is empty");
  expect_error(add_tags(id, "{"), 400, "Invalid JSON");
  expect_error(add_tags(id, "{}"), 400, "Validation error: tags is required, a string or a list of strings");
  expect_error(add_tags(id, R"({"tags":1})"), 400, "Validation error: tags must be a string or a list of strings");
  expect_error(add_tags(id, R"({"tags":["a",{}]})"), 400, "Validation error: tags[1] must be a string");
  expect_error(add_tags(id, R"({"tags":")" + std::string(129, 'x') + R"("})"), 400,
               "Validation error: tags has more than 128 characters");
  EXPECT_EQ(add_tags(id, R"({"tags":")" + std::string(128, 'x') + R"("})").status, 200u);
  std::string faces;
  for (int i = 0; i < 65; ++i) {
    faces += "\\ud83d\\ude00";
  }
  EXPECT_EQ(add_tags(id, R"({"tags":")" + faces + R"("})").status, 400u) << "each is two characters to a client";
  expect_error(add_tags("run_none", R"({"tags":"a"})"), 404, "Run not found");
  EXPECT_EQ(call_as(token({"admin"}), "POST /api/v1/runs/" + id + "/tags", R"({"tags":"a"})").status, 401u);
}

TEST_P(ControlRoutes, AReplayStartsFromWhatTheRunWasTriggeredWith) {
  const std::string id =
      trigger("t", R"({"metadata":{"a":1},"tags":["x"],"test":true,"payloadType":"text/plain"})", "\"p\"");
  call("PUT /api/v1/runs/" + id + "/metadata", R"({"metadata":{"a":2}})");
  const auto view = replayed(replay(id));
  EXPECT_NE(view.id, id);
  EXPECT_EQ(view.task, "t");
  EXPECT_EQ(view.metadata, R"({"a":1})");
  EXPECT_EQ(view.tags, std::vector<std::string>({"x"}));
  EXPECT_TRUE(view.is_test);
  EXPECT_EQ(view.payload, (server::TypedText{"text/plain", "p"}));
  EXPECT_EQ(view.status, RunStatus::kQueued);
  EXPECT_EQ(replayed(replay(trigger())).metadata, "");
  EXPECT_EQ(replayed(replay(id, R"({"tags":null,"metadata":null})")).tags, std::vector<std::string>({"x"}));
}

TEST_P(ControlRoutes, AReplayTakesWhatItIsGivenInstead) {
  const std::string id = trigger("t", R"({"metadata":{"a":1},"tags":["x"]})", "1");
  const auto view = replayed(
      replay(id, R"({"payloadType":"application/super+json","payload":"{\"json\":2}","metadata":{"b":1},"tags":["y"],)"
                 R"("ttl":"5m","queue":"q","machine":"small-1x","priority":1,"idempotencyKey":"k"})"));
  EXPECT_EQ(view.metadata, R"({"b":1})");
  EXPECT_EQ(view.seed, R"({"b":1})");
  EXPECT_EQ(view.tags, std::vector<std::string>({"y"}));
  EXPECT_EQ(view.ttl, "5m");
  EXPECT_EQ(at(call("GET /api/v3/runs/" + view.id), "payload"), "2");
  EXPECT_EQ(replayed(replay(id, R"({"idempotencyKey":"k"})")).id, view.id);
  EXPECT_EQ(replayed(replay(id, R"({"payload":{"x":[1]}})")).payload,
            (server::TypedText{"application/json", R"({"x":[1]})"}));
  EXPECT_TRUE(replayed(replay(id, R"({"tags":[]})")).tags.empty());
  EXPECT_EQ(replayed(replay(id, R"({"metadata":{}})")).metadata, "") << "an empty object is none";
}

TEST_P(ControlRoutes, AReplayThatDoesNotFitIsRefused) {
  const std::string id = trigger();
  expect_error(replay(id, "x"), 400, "Invalid JSON");
  expect_error(replay(id, R"({"context":1})"), 400, "Validation error: context is not known");
  expect_error(replay(id, R"({"metadata":[]})"), 400, "Validation error: metadata must be an object");
  expect_error(replay(id, R"({"payloadType":"text/plain"})"), 400,
               "Validation error: payloadType must be application/json or application/super+json");
  expect_error(replay("run_none"), 404, "Run not found");
  expect_error(replay("run_none", R"({"delay":"soon"})"), 404, "Run not found");
  EXPECT_EQ(replay(id, R"({"delay":"soon"})").status, 422u);
  expect_error(replay(id, R"({"metadata":{"a":")" + std::string(5000, 'x') + R"("}})"), 413,
               "Metadata exceeds maximum size of 4096 bytes");
  EXPECT_EQ(call_as(token({"admin"}), "POST /api/v1/runs/" + id + "/replay").status, 401u);
  EXPECT_EQ(run_count(), 1u);
}

TEST_P(ControlRoutes, ARepeatedReplayIsOneRun) {
  const std::string id = trigger();
  const std::string key = "x-trigger-request-idempotency-key: 1\r\n";
  EXPECT_EQ(replay(id, "", key).body, replay(id, "", key).body);
  EXPECT_EQ(run_count(), 2u);
}

TEST_P(ControlRoutes, ADelayedRunCanBeRescheduled) {
  const std::string id = trigger("t", R"({"delay":"1h"})");
  Reply reply = reschedule(id, R"({"delay":"2h"})");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(at(reply, "id"), "\"" + id + "\"");
  EXPECT_EQ(at(reply, "status"), "\"DELAYED\"");
  EXPECT_EQ(run(id).delayed_until_us, now_us_ + 7'200'000'000);
  reply = reschedule(id, R"({"delay":"2026-12-24T00:00:00.000Z"})");
  EXPECT_EQ(at(reply, "delayedUntil"), "\"2026-12-24T00:00:00.000Z\"");
  expect_error(reschedule(id, R"({"delay":"soon"})"), 400,
               "Validation error: delay must be a duration such as 30m, 1h or 2d, or an ISO 8601 date");
  expect_error(reschedule(id, "{}"), 400, "Validation error: delay is required, a string");
  expect_error(reschedule("run_none", R"({"delay":"1h"})"), 404, "Run not found");
  expect_error(reschedule(trigger(), R"({"delay":"1h"})"), 400,
               "Only a run that is DELAYED can be rescheduled, and this one is QUEUED");
  EXPECT_EQ(call_as(token({"admin"}), "POST /api/v1/runs/" + id + "/reschedule", R"({"delay":"1h"})").status, 401u);
}

TEST_P(ControlRoutes, AnIdempotencyKeyThatIsResetIsUnknown) {
  const std::string first = trigger("t", R"({"idempotencyKey":"k/1"})");
  EXPECT_EQ(trigger("t", R"({"idempotencyKey":"k/1"})"), first);
  const std::string line = "POST /api/v1/idempotencyKeys/k%2F1/reset";
  expect_error(call(line, R"({"taskIdentifier":"other"})"), 404, "Idempotency key not found");
  EXPECT_EQ(call(line, R"({"taskIdentifier":"t"})").body, R"({"id":"k/1"})");
  expect_error(call(line, R"({"taskIdentifier":"t"})"), 404, "Idempotency key not found");
  EXPECT_NE(trigger("t", R"({"idempotencyKey":"k/1"})"), first);
  expect_error(call(line, "{}"), 400, "Validation error: taskIdentifier is required, a string");
  expect_error(call(line, ""), 400, "Request body is empty");
  EXPECT_EQ(call_as(token({"read:runs", "write:tasks:x"}), line, R"({"taskIdentifier":"t"})").status, 403u);
  EXPECT_EQ(call_as(token({"write:tasks:t"}), line, R"({"taskIdentifier":"t"})").status, 200u);
}

TEST_P(ControlRoutes, ClaimsOfTokensAreForThisStorage) {
  EXPECT_EQ(call("POST /api/v1/auth/jwt/claims").body, R"({"sub":"env_0123","pub":true})");
  EXPECT_EQ(call_as(token({"admin"}), "POST /api/v1/auth/jwt/claims").status, 401u);
  EXPECT_EQ(call("GET /api/v1/auth/jwt/claims").status, 405u);
}

TEST_P(ControlRoutes, TroubleOfTheStorageIs503) {
  tested_->set_trouble({Code::kBusy, "not now"});
  EXPECT_EQ(cancel("run_1").status, 503u);
  EXPECT_EQ(add_tags("run_1", R"({"tags":"a"})").status, 503u);
  EXPECT_EQ(replay("run_1").status, 503u);
  EXPECT_EQ(reschedule("run_1", R"({"delay":"1h"})").status, 503u);
  EXPECT_EQ(call("POST /api/v1/idempotencyKeys/k/reset", R"({"taskIdentifier":"t"})").status, 503u);
}

class NotServed : public ApiTest {};

TEST_P(NotServed, WhatThereIsNothingToManageOfIs404ByName) {
  for (const auto& [path, what] : std::vector<std::pair<std::string, std::string>>{
           {"GET /api/v1/schedules", "schedules"},
           {"POST /api/v1/schedules/x/activate", "schedules"},
           {"GET /api/v1/queues", "queues"},
           {"GET /api/v1/runs/run_1/events", "events of runs"},
           {"GET /api/v1/runs/run_1/spans/1", "spans of runs"},
           {"GET /api/v1/projects/p/envvars/dev", "environment variables"},
           {"POST /engine/v1/dequeue", "the protocol of Trigger.dev's workers"},
           {"PATCH /api/v1/deployments/1/2/3", "deployments"}}) {
    const Reply reply = call(path, path.starts_with("POST") ? "{}" : "");
    expect_error(reply, 404, "Cairn does not serve " + what);
    EXPECT_EQ(reply.headers.at("x-should-retry"), "false");
  }
  EXPECT_EQ(call("POST /api/v1/auth/public-tokens", "{}").status, 404u);
  EXPECT_EQ(call("GET /api/v1/nothing").body, R"({"error":"there is nothing here"})");
}

TEST_P(NotServed, StreamsAndPacketsAre501AndNotTriedAgain) {
  for (const char* line : {"PUT /realtime/v1/streams/run_1/self/key", "GET /realtime/v1/streams/run_1/key",
                           "HEAD /realtime/v1/streams/run_1/key", "PUT /api/v2/packets/a", "GET /api/v1/packets/a%2Fb",
                           "GET /api/v1/runs/run_1/packets/payload"}) {
    const Reply reply = call(line);
    EXPECT_EQ(reply.status, 501u) << line;
    EXPECT_EQ(reply.headers.at("x-should-retry"), "false");
  }
  EXPECT_EQ(call_as("", "PUT /api/v2/packets/a").status, 401u);
}

CAIRN_ON_EACH_STORAGE(ControlRoutes);
CAIRN_ON_EACH_STORAGE(NotServed);

}  // namespace
}  // namespace cairn::tests
