// PUT and GET /api/v1/runs/:id/metadata
#include <fstream>
#include <iterator>

#include "engine/json/json.h"
#include "tests/server/api_fixture.h"

namespace cairn::tests {
namespace {

class MetadataRoute : public ApiTest {
 protected:
  MetadataRoute() : id_(trigger("t", R"({"metadata":{"user":{"name":"Eric","id":"user_1234"},"progress":0}})")) {}
  Reply put(const std::string& body, const std::string& headers = "") {
    return call("PUT /api/v1/runs/" + id_ + "/metadata", body, headers);
  }
  Reply get() { return call("GET /api/v1/runs/" + id_ + "/metadata"); }

  const std::string id_;
};

TEST_P(MetadataRoute, TakesAFlushOfTheClient) {
  const Reply reply =
      put(R"({"operations":[{"type":"set","key":"progress","value":0.5}],"parentOperations":[],"rootOperations":[]})",
          "content-type: application/json\r\nx-trigger-worker: true\r\nx-trigger-request-idempotency-key: 1\r\n");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body, R"({"metadata":{"user":{"name":"Eric","id":"user_1234"},"progress":0.5}})");
  EXPECT_EQ(get().body, R"({"metadata":{"user":{"name":"Eric","id":"user_1234"},"progress":0.5},)"
                        R"("metadataType":"application/json"})");
}

TEST_P(MetadataRoute, MetadataReplacesAndOperationsWinOverIt) {
  EXPECT_EQ(put(R"({ "metadata" : {"b":1,"a":2} })").body, R"({"metadata":{"b":1,"a":2}})");
  EXPECT_EQ(put(R"({"rootOperations":[],"metadata":{"x":1},"operations":[]})").body, R"({"metadata":{"b":1,"a":2}})");
  EXPECT_EQ(put(R"({"metadata":{"x":1},"operations":[{"value":1,"key":"c","type":"set","more":true}],"more":1})").body,
            R"({"metadata":{"b":1,"a":2,"c":1}})");
}

TEST_P(MetadataRoute, ABodyOfNothingChangesNothingAndIsAnsweredWithAnEmptyObject) {
  EXPECT_EQ(put("{}").body, R"({"metadata":{}})");
  EXPECT_EQ(put(R"({"parentOperations":[]})").body, R"({"metadata":{}})");
  EXPECT_EQ(at(get(), "metadata.progress"), "0");
  expect_error(call("PUT /api/v1/runs/run_none/metadata", "{}"), 404, "Task Run not found");
}

TEST_P(MetadataRoute, EachOperationDoesWhatItIsFor) {
  EXPECT_EQ(
      put(R"({"operations":[{"type":"update","value":{"l":[1,{"a":0}],"n":1}},{"type":"append","key":"l","value":2},)"
          R"({"type":"remove","key":"l","value":{"a":0.0}},{"type":"increment","key":"n","value":-2},)"
          R"({"type":"set","key":"$.o.p","value":1},{"type":"set","key":"o","value":{}},)"
          R"({"type":"set","key":"$.o.p","value":null},{"type":"delete","key":"gone"}]})")
          .body,
      R"({"metadata":{"l":[1,2],"n":-1,"o":{"p":null}}})")
      << "what does not apply is skipped, and the rest goes on";
}

TEST_P(MetadataRoute, AnObjectIsReplacedAndNotMerged) {
  EXPECT_EQ(put(R"({"operations":[{"type":"set","key":"user","value":{"z":3}}]})").body,
            R"({"metadata":{"user":{"z":3},"progress":0}})");
}

TEST_P(MetadataRoute, ParentAndRootChangeInTheSameStep) {
  const std::string child = trigger("t", R"({"parentRunId":")" + id_ + R"("})");
  const std::string grandchild = trigger("t", R"({"parentRunId":")" + child + R"("})");
  const Reply reply = call("PUT /api/v1/runs/" + grandchild + "/metadata",
                           R"({"parentOperations":[{"type":"set","key":"p","value":1}],)"
                           R"("rootOperations":[{"type":"set","key":"progress","value":1}]})");
  EXPECT_EQ(reply.body, R"({"metadata":{}})");
  EXPECT_EQ(at(call("GET /api/v1/runs/" + child + "/metadata"), "metadata"), R"({"p":1})");
  EXPECT_EQ(at(get(), "metadata.progress"), "1");
  EXPECT_EQ(put(R"({"rootOperations":[{"type":"set","key":"progress","value":2}]})").body,
            R"({"metadata":{"user":{"name":"Eric","id":"user_1234"},"progress":2}})")
      << "a run without relatives is its own root";
  expect_error(call("PUT /api/v1/runs/" + grandchild + "/metadata",
                    R"({"operations":[{"type":"set","key":"a","value":1}],"rootOperations":[{"type":"set","key":"b",)"
                    R"("value":")" +
                        std::string(5000, 'x') + R"("}]})"),
               413, "Metadata exceeds maximum size of 4096 bytes");
  EXPECT_EQ(at(call("GET /api/v1/runs/" + grandchild + "/metadata"), "metadata"), "{}") << "all of it or nothing";
}

TEST_P(MetadataRoute, WhatDoesNotFitIs400AndChangesNothing) {
  const std::vector<std::pair<std::string, std::string>> bodies = {
      {"", "Request body is empty"},
      {"nope", "Invalid JSON"},
      {"[]", "Validation error: the body must be a JSON object"},
      {R"({"metadata":[]})", "Validation error: metadata must be an object"},
      {R"({"metadata":null})", "Validation error: metadata must be an object"},
      {R"({"metadata":"{}","operations":[]})", "Validation error: metadata must be an object"},
      {R"({"operations":{}})", "Validation error: operations must be a list of operations"},
      {R"({"operations":null})", "Validation error: operations must be a list of operations"},
      {R"({"parentOperations":7})", "Validation error: parentOperations must be a list of operations"},
      {R"({"operations":[7]})", "Validation error: operations[0] does not fit: operation: not an object"},
      {R"({"operations":[{"type":"set","key":"a","value":1},{"type":"put","key":"a","value":1}]})",
       "Validation error: operations[1] does not fit: operation: unknown type"},
      {R"({"rootOperations":[{"type":"set","key":"a"}]})",
       "Validation error: rootOperations[0] does not fit: operation: the value is missing"},
      {R"({"operations":[{"type":"set","key":1,"value":1}]})",
       "Validation error: operations[0] does not fit: operation: the key is missing or not a string"},
      {R"({"operations":[{"type":"increment","key":"a","value":"1"}]})",
       "Validation error: operations[0] does not fit: operation: increment needs a number as its value"},
      {R"({"operations":[{"type":"update","value":[]}]})",
       "Validation error: operations[0] does not fit: operation: update needs an object as its value"},
      {R"({"operations":[{"type":"set","key":"__proto__","value":1}]})",
       "Validation error: operations[0] does not fit: __proto__ is not allowed as a key"},
      {R"({"operations":[{"type":"set","key":"$.","value":1}]})",
       "Validation error: operations[0].key is a path without a segment below the root"},
      {R"({"operations":[{"type":"set","key":"$..","value":1}]})",
       "Validation error: operations[0].key is a path without a segment below the root"},
  };
  for (const auto& [body, error] : bodies) {
    SCOPED_TRACE(body);
    expect_error(put(body), 400, error);
  }
  for (const char* key : {"$.a.__proto__", "$.constructor", "$.a['prototype']", R"($.a\\__proto__)"}) {
    EXPECT_EQ(put(R"({"operations":[{"type":"set","key":")" + std::string(key) + R"(","value":1}]})").status, 400u)
        << key;
  }
  EXPECT_EQ(put(R"({"metadata":)" + std::string(200, '[') + std::string(200, ']') + "}").status, 400u);
  EXPECT_EQ(at(get(), "metadata"), R"({"user":{"name":"Eric","id":"user_1234"},"progress":0})");
}

TEST_P(MetadataRoute, TakesTheBodiesThatTheModelTakesAndNoOthers) {
  std::ifstream in(CAIRN_TEST_DATA "/request-bodies.json");
  const auto vectors = engine::parse_json(std::string(std::istreambuf_iterator<char>(in), {}));
  ASSERT_TRUE(vectors.ok());
  size_t count = 0;
  for (const engine::Value& vector : *vectors.value().get<engine::Array>()) {
    const engine::Object& object = *vector.get<engine::Object>();
    const std::string& body = *engine::find_property(object, "body")->get<std::string>();
    const bool accepted = *engine::find_property(object, "accepted")->get<bool>();
    EXPECT_EQ(call("PUT /api/v1/runs/" + trigger() + "/metadata", body).status, accepted ? 200u : 400u) << body;
    ++count;
  }
  EXPECT_GE(count, 21u);
}

TEST_P(MetadataRoute, OnlyTheResultMustFit) {
  const std::string big(5000, 'x');
  expect_error(put(R"({"operations":[{"type":"set","key":"progress","value":1},{"type":"set","key":"a","value":")" +
                   big + R"("}]})"),
               413, "Metadata exceeds maximum size of 4096 bytes");
  EXPECT_EQ(at(get(), "metadata.progress"), "0");
  EXPECT_EQ(
      put(R"({"operations":[{"type":"set","key":"a","value":")" + big + R"("},{"type":"delete","key":"a"}]})").status,
      200u);
  const std::string head = R"({"metadata":{"a":")";
  EXPECT_EQ(put(head + std::string(4096 - 8, 'x') + "\"}}").status, 200u) << "equal passes";
  EXPECT_EQ(put(head + std::string(4097 - 8, 'x') + "\"}}").status, 413u);
  expect_error(put(std::string(2'097'153, ' ')), 413, "Request body too large");
  EXPECT_EQ(put(R"({"metadata":{}})" + std::string(2'097'152 - 15, ' ')).status, 200u);
}

TEST_P(MetadataRoute, ARepeatedRequestIsAppliedOnceAndAnsweredAsTheRunIsNow) {
  const std::string by_one = R"({"operations":[{"type":"increment","key":"progress","value":1}]})";
  const std::string key = "X-Trigger-Request-Idempotency-Key: a\r\n";
  EXPECT_EQ(at(put(by_one, key), "metadata.progress"), "1");
  EXPECT_EQ(at(put(by_one), "metadata.progress"), "2");
  EXPECT_EQ(at(put(by_one, key), "metadata.progress"), "2");
  EXPECT_EQ(at(put(by_one, "x-trigger-request-idempotency-key: b\r\n"), "metadata.progress"), "3");
  start_other();
  api_address_ = other_address_;
  EXPECT_EQ(at(put(by_one, key), "metadata.progress"), "3") << "by either server";
}

TEST_P(MetadataRoute, ARunThatEndedTakesItForAnHour) {
  set_status(id_, engine::RunStatus::kCompleted);
  now_us_ += 3'600'000'000;
  const std::string body = R"({"operations":[{"type":"set","key":"progress","value":1}]})";
  EXPECT_EQ(put(body).status, 200u);
  now_us_ += 1;
  expect_error(put(body), 422, "Cannot update metadata for a completed run");
  EXPECT_EQ(get().status, 200u);
}

TEST_P(MetadataRoute, ARunOfAnotherStoreTakesIt) {
  tested_->set_owner(id_);
  EXPECT_EQ(put(R"({"metadata":{"x":1}})").body, R"({"metadata":{"x":1}})");
}

TEST_P(MetadataRoute, UnknownRunsAre404) {
  expect_error(call("PUT /api/v1/runs/run_none/metadata", R"({"operations":[]})"), 404, "Task Run not found");
  expect_error(call("PUT /api/v1/runs/run_none/metadata", "{"), 400, "Invalid JSON");
  expect_error(call("GET /api/v1/runs/run_none/metadata"), 404, "Run not found");
  EXPECT_EQ(call("GET /api/v1/runs/" + trigger() + "/metadata").body,
            R"({"metadata":{},"metadataType":"application/json"})");
}

TEST_P(MetadataRoute, NoPublicTokenOpensIt) {
  const std::string line = " /api/v1/runs/" + id_ + "/metadata";
  EXPECT_EQ(call_as(token({"admin"}), "PUT" + line, "{}").status, 401u);
  EXPECT_EQ(call_as(token({"admin"}), "GET" + line).status, 401u);
  const Reply other = call("POST" + line, "{}");
  EXPECT_EQ(other.status, 405u);
  EXPECT_EQ(other.headers.at("allow"), "PUT, GET, HEAD");
  EXPECT_EQ(call_as("", "PUT" + line, "{}").body, "{\"error\":\"Invalid or Missing API key\"}\n");
  EXPECT_EQ(call_as("wrong", "PUT" + line, "{}").body, "{\"error\":\"Invalid API key\"}\n");
}

TEST_P(MetadataRoute, TroubleOfTheStorageIs503) {
  tested_->set_trouble({Code::kBusy, "not now"});
  for (const char* body : {"{}", R"({"operations":[]})"}) {
    EXPECT_EQ(put(body).status, 503u);
  }
  EXPECT_EQ(get().status, 503u);
}

CAIRN_ON_EACH_STORAGE(MetadataRoute);

}  // namespace
}  // namespace cairn::tests
