// Batches over HTTP.
#include <regex>

#include "tests/server/api_fixture.h"

namespace cairn::tests {
namespace {

class BatchRoutes : public ApiTest {
 protected:
  static constexpr const char* kNdjson = "content-type: application/x-ndjson\r\n";

  std::string create(int runs, const std::string& further = "") {
    const Reply reply = call("POST /api/v3/batches", R"({"runCount":)" + std::to_string(runs) + further + "}");
    EXPECT_EQ(reply.status, 202u) << reply.body;
    const std::string id = at(reply, "id");
    return id.substr(1, id.size() - 2);
  }
  Reply add(const std::string& batch, const std::string& lines, const std::string& headers = kNdjson) {
    return call("POST /api/v3/batches/" + batch + "/items", lines, headers);
  }
  Reply get(const std::string& batch) { return call("GET /api/v2/batches/" + batch); }
  static std::string item(int index, const std::string& further = "") {
    return R"({"index":)" + std::to_string(index) + R"(,"task":"t")" + further + "}\n";
  }
};

TEST_P(BatchRoutes, AreMadeFilledAndLookedAt) {
  const Reply made = call("POST /api/v3/batches", R"({"runCount":2,"taskIdentifiers":["import-csv"]})");
  EXPECT_EQ(made.status, 202u);
  EXPECT_TRUE(std::regex_match(made.body, std::regex(R"(\{"id":"batch_[0-9a-z]{26}","runCount":2,"isCached":false\})")))
      << made.body;
  const std::string id = made.body.substr(7, 32);
  EXPECT_EQ(made.headers.at("x-trigger-jwt-claims"),
            R"({"sub":"env_0123","pub":true,"scopes":["read:batch:)" + id + R"("]})");
  EXPECT_EQ(at(get(id), "status"), "\"PENDING\"");
  now_us_ += 1'000'000;
  const Reply filled = add(
      id,
      R"({"index":0,"task":"import-csv","payload":"{\"json\":{\"row\":1}}","options":{"payloadType":"application/super+json","metadata":{"row":1},"payloadSize":18}})"
      "\n"
      R"({"index":1,"task":"import-csv","payload":"text","options":{"payloadType":"text/plain","payloadSize":4}})"
      "\n");
  EXPECT_EQ(filled.status, 200u);
  EXPECT_EQ(filled.body, R"({"id":")" + id + R"(","itemsAccepted":2,"itemsDeduplicated":0,"sealed":true})");
  const Reply whole = get(id);
  const std::string first = at(whole, "runs.0");
  const std::string second = at(whole, "runs.1");
  EXPECT_EQ(whole.body, R"({"id":")" + id +
                            R"(","status":"PROCESSING","createdAt":"2026-11-30T00:53:20.000Z",)"
                            R"("updatedAt":"2026-11-30T00:53:21.000Z","runCount":2,"runs":[)" +
                            first + "," + second +
                            R"(],"processing":{"completedAt":"2026-11-30T00:53:21.000Z","errors":[]}})");
  EXPECT_EQ(call("GET /api/v1/batches/" + id).body, whole.body);
  const std::string run_id = first.substr(1, first.size() - 2);
  const Reply run = call_as(made.headers.at("x-trigger-jwt"), "GET /api/v3/runs/" + run_id);
  EXPECT_EQ(at(run, "batchId"), "\"" + id + "\"");
  EXPECT_EQ(at(run, "triggerFunction"), "\"batchTrigger\"");
  EXPECT_EQ(at(run, "payload"), R"({"row":1})");
  EXPECT_EQ(at(run, "metadata"), R"({"row":1})");
  call("POST /api/v2/runs/" + run_id + "/cancel");
  EXPECT_EQ(at(get(id), "status"), "\"PROCESSING\"");
  call("POST /api/v2/runs/" + second.substr(1, second.size() - 2) + "/cancel");
  EXPECT_EQ(at(get(id), "status"), "\"COMPLETED\"");
  EXPECT_NE(at(call("GET /api/v1/runs?filter[batch]=" + id), "data.1.id"), "absent");
}

TEST_P(BatchRoutes, TheWholeStreamSentAgainMakesNoRunTwice) {
  const std::string id = create(3);
  EXPECT_EQ(add(id, item(0) + "\n" + item(2)).body,
            R"({"id":")" + id +
                R"(","itemsAccepted":2,"itemsDeduplicated":0,"sealed":false,"enqueuedCount":2,"expectedCount":3})");
  EXPECT_EQ(at(get(id), "status"), "\"PENDING\"");
  EXPECT_EQ(add(id, item(0) + item(1) + item(2)).body,
            R"({"id":")" + id + R"(","itemsAccepted":1,"itemsDeduplicated":2,"sealed":true})");
  EXPECT_EQ(add(id, item(0) + item(1) + item(2)).body,
            R"({"id":")" + id + R"(","itemsAccepted":0,"itemsDeduplicated":3,"sealed":true})");
  EXPECT_EQ(run_count(), 3u);
}

TEST_P(BatchRoutes, ItemsMayComeInChunksAndOtherForms) {
  const std::string id = create(2);
  const std::string lines =
      "\r\n"
      R"({"options":{},"task":"t","extra":1,"index":1})"
      "\r\n"
      R"({"task":"t","index":0,"payload":{"a":1}})";
  char size[16];
  std::snprintf(size, sizeof size, "%zx", lines.size());
  Client client(api_address_);
  client.send("POST /api/v3/batches/" + id + "/items HTTP/1.1\r\nHost: " + api_address_ + "\r\nAuthorization: Bearer " +
              kKey + "\r\nContent-Type: Application/X-NDJSON; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n" +
              size + "\r\n" + lines + "\r\n0\r\n\r\n");
  EXPECT_EQ(at(client.read_reply(), "sealed"), "true");
}

TEST_P(BatchRoutes, ABatchThatDoesNotFitIsRefused) {
  const auto refused = [this](const std::string& body) { return call("POST /api/v3/batches", body); };
  expect_error(refused(""), 400, "Request body is empty");
  expect_error(refused("{}"), 400, "Validation error: runCount is required, a whole number from 1 to 1000");
  for (const char* count : {"0", "1001", "1.5", "-1", "\"2\""}) {
    expect_error(refused(R"({"runCount":)" + std::string(count) + "}"), 400,
                 "Validation error: runCount must be a whole number from 1 to 1000");
  }
  expect_error(refused(R"({"runCount":1,"taskIdentifiers":[1]})"), 400,
               "Validation error: taskIdentifiers[0] must be a string");
  EXPECT_EQ(refused(R"({"runCount":1000.0})").status, 202u);
}

TEST_P(BatchRoutes, ItemsThatDoNotFitAreRefusedAndNoneIsTaken) {
  const std::string id = create(2);
  expect_error(add(id, item(0), "content-type: application/json\r\n"), 415,
               "Content-Type must be application/x-ndjson");
  expect_error(add(id, item(0), ""), 415, "Content-Type must be application/x-ndjson");
  expect_error(add(id, ""), 400, "Request body is empty");
  expect_error(add(id, item(0) + "{\n"), 400, "Invalid JSON on line 2");
  expect_error(add(id, item(0) + "7\n"), 422, "line 2: Validation error: an item must be a JSON object");
  expect_error(add(id, item(0) + R"({"index":1})"), 422, "line 2: Validation error: task is required, a string");
  expect_error(add(id, item(0) + R"({"task":"a\u0000b","index":1})"), 422,
               "line 2: Validation error: task must have no control characters");
  expect_error(add(id, item(0) + R"({"task":"t"})"), 422,
               "line 2: Validation error: index is required, a whole number");
  expect_error(add(id, item(0) + item(1, R"(,"options":{"tags":[1]})")), 422,
               "line 2: Validation error: options.tags[0] must be a string");
  expect_error(add(id, item(0) + item(1, R"(,"options":{"metadata":[]})")), 422,
               "line 2: metadata must be a JSON object");
  expect_error(add(id, item(0) + item(1, R"(,"options":{"delay":"soon"})")), 422,
               "line 2: Invalid delay: options.delay must be a duration such as 30m, 1h or 2d, or an ISO 8601 date");
  expect_error(add(id, item(0) + item(2)), 422, "item of index 2: the batch has 2 runs, from index 0");
  expect_error(add("batch_none", item(0)), 422, "Batch not found");
  expect_error(add(id, item(0) + item(1, R"(,"payload":")" + std::string((256 << 10) + 1, 'x') + "\"")), 413,
               "line 2: Payload exceeds maximum size of 262144 bytes");
  expect_error(add(id, std::string((8 << 20) + 1, '\n')), 413, "Request body too large");
  EXPECT_EQ(run_count(), 0u);
  expect_error(add(id, item(0) + item(1, R"(,"options":{"metadata":{"a":")" + std::string(5000, 'x') + "\"}}")), 413,
               "item of index 1: Metadata exceeds maximum size of 4096 bytes");
}

TEST_P(BatchRoutes, AThousandItemsWithMetadataAreOneRequest) {
  const std::string id = create(1000);
  std::string lines;
  for (int i = 0; i < 1000; ++i) {
    lines += item(i, R"(,"options":{"metadata":{"row":")" + std::string(4000, 'x') + "\"}}");
  }
  EXPECT_EQ(at(add(id, lines), "itemsAccepted"), "1000");
  EXPECT_NE(at(call("GET /api/v1/runs?page[size]=100&filter[batch]=" + id), "data.99.id"), "absent");
  EXPECT_NE(at(get(id), "runs.999"), "absent");
}

TEST_P(BatchRoutes, ARepeatedRequestIsNotCachedAndAnIdempotencyKeyIs) {
  const std::string key = "x-trigger-request-idempotency-key: 1\r\n";
  const Reply first = call("POST /api/v3/batches", R"({"runCount":1})", key);
  const Reply again = call("POST /api/v3/batches", R"({"runCount":1})", key);
  EXPECT_EQ(again.body, first.body) << "a client that is told isCached would send no items";
  EXPECT_EQ(at(again, "isCached"), "false");
  const std::string body = R"({"runCount":1,"idempotencyKey":"k","idempotencyKeyOptions":{"key":"k","scope":"run"}})";
  const Reply made = call("POST /api/v3/batches", body);
  EXPECT_EQ(at(made, "idempotencyKey"), "\"k\"");
  const Reply cached = call("POST /api/v3/batches", body);
  EXPECT_EQ(at(cached, "isCached"), "true");
  EXPECT_EQ(at(cached, "id"), at(made, "id"));
}

TEST_P(BatchRoutes, RunsHaveTheParentOfTheirBatch) {
  const std::string parent = trigger();
  const std::string id = create(1, R"(,"parentRunId":")" + parent + R"(","resumeParentOnCompletion":true)");
  EXPECT_EQ(add(id, item(0)).status, 200u);
  const std::string run_id = at(get(id), "runs.0");
  const Reply reply = call("GET /api/v3/runs/" + run_id.substr(1, run_id.size() - 2));
  EXPECT_EQ(at(reply, "relatedRuns.parent.id"), "\"" + parent + "\"");
  EXPECT_EQ(at(reply, "triggerFunction"), "\"batchTriggerAndWait\"");
}

TEST_P(BatchRoutes, UnknownOnesAreToBeAskedForAgain) {
  const Reply reply = get("batch_none");
  expect_error(reply, 404, "Batch not found");
  EXPECT_EQ(reply.headers.at("x-should-retry"), "true");
}

TEST_P(BatchRoutes, TokensOpenThemByTaskOrAsBatches) {
  const std::string body = R"({"runCount":2,"taskIdentifiers":["a","b"]})";
  const auto creates = [&](const std::vector<std::string>& scopes, const std::string& what) {
    return call_as(token(scopes), "POST /api/v3/batches", what).status;
  };
  EXPECT_EQ(creates({"batchTrigger:batch"}, body), 202u);
  EXPECT_EQ(creates({"batchTrigger:tasks:a", "batchTrigger:tasks:b"}, body), 202u);
  EXPECT_EQ(creates({"batchTrigger:tasks:a"}, body), 403u);
  EXPECT_EQ(creates({"trigger:tasks"}, body), 403u);
  EXPECT_EQ(creates({"batchTrigger:tasks:a"}, R"({"runCount":1})"), 403u);
  EXPECT_EQ(creates({}, "{}"), 400u);
  const std::string id = create(2);
  const std::string line = "POST /api/v3/batches/" + id + "/items";
  EXPECT_EQ(call_as(token({"batchTrigger:tasks:other"}), line, item(0), kNdjson).status, 403u);
  EXPECT_EQ(call_as(token({"batchTrigger:tasks:t"}), line, item(0), kNdjson).status, 200u);
  EXPECT_EQ(call_as(token({}), "POST /api/v3/batches/none/items", item(0), kNdjson).status, 422u);
  const std::string get_line = "GET /api/v2/batches/" + id;
  EXPECT_EQ(call_as(token({"read:batch:" + id}), get_line).status, 200u);
  EXPECT_EQ(call_as(token({"read:runs"}), get_line).status, 200u);
  EXPECT_EQ(call_as(token({"read:runs:" + id, "read:batch:x"}), get_line).status, 403u);
  EXPECT_EQ(call_as(token({}), "GET /api/v2/batches/none").status, 404u);
}

TEST_P(BatchRoutes, ATokenForOneUseMakesOneBatchAndFillsIt) {
  const std::string once = token({"batchTrigger:tasks:t"}, R"("otu":true,)");
  const std::string body = R"({"runCount":1,"taskIdentifiers":["t"]})";
  const Reply made = call_as(once, "POST /api/v3/batches", body);
  EXPECT_EQ(made.status, 202u);
  EXPECT_EQ(call_as(once, "POST /api/v3/batches", body).status, 422u);
  const std::string id = at(made, "id");
  expect_error(call_as(once, "POST /api/v3/batches/" + create(1) + "/items", item(0), kNdjson), 422,
               "This public access token was good for one use, and has been used");
  EXPECT_EQ(call_as(once, "POST /api/v3/batches/" + id.substr(1, id.size() - 2) + "/items", item(0), kNdjson).status,
            200u);
}

TEST_P(BatchRoutes, ATokenMakesChildrenOnlyOfWhatItReads) {
  const std::string parent = trigger("other");
  const std::string body = R"({"runCount":1,"taskIdentifiers":["t"],"parentRunId":")" + parent + "\"}";
  EXPECT_EQ(call_as(token({"batchTrigger:tasks:t"}), "POST /api/v3/batches", body).status, 403u);
  EXPECT_EQ(call_as(token({"batchTrigger:tasks:t", "read:runs:" + parent}), "POST /api/v3/batches", body).status, 202u);
}

TEST_P(BatchRoutes, TroubleOfTheStorageIs503) {
  const std::string id = create(1);
  tested_->set_trouble({Code::kBusy, "not now"});
  EXPECT_EQ(call("POST /api/v3/batches", R"({"runCount":1})").status, 503u);
  EXPECT_EQ(add(id, item(0)).status, 503u);
  EXPECT_EQ(get(id).status, 503u);
}

CAIRN_ON_EACH_STORAGE(BatchRoutes);

}  // namespace
}  // namespace cairn::tests
