// Whatever comes, each route answers JSON, names what is wrong, and never breaks.
#include <rapidcheck.h>

#include "engine/json/json.h"
#include "tests/server/api_fixture.h"
#include "tests/support/property.h"

namespace cairn::tests {
namespace {

struct Sample {
  const char* method;
  const char* path;  // "%" stands for a run, "&" for a batch
  const char* body;
};

constexpr Sample kSamples[] = {
    {"POST", "/api/v1/tasks/t/trigger",
     R"({"payload":"{\"json\":1}","options":{"payloadType":"application/super+json","tags":["a"],"metadata":{"a":1},)"
     R"("delay":"1h","ttl":60,"idempotencyKey":"k","idempotencyKeyTTL":"1h","parentRunId":"run_1","test":true}})"},
    {"GET", "/api/v3/runs/%", ""},
    {"GET", "/api/v1/runs?page[size]=3&filter[status]=QUEUED,FAILED&filter[createdAt][from]=1&filter[isTest]=false",
     ""},
    {"GET", "/api/v1/runs?filter%5Btag%5D=a%2Cb&filter[metadata.a.0]=1&filter[createdAt][period]=1h", ""},
    {"PUT", "/api/v1/runs/%/metadata",
     R"({"metadata":{"a":[1]},"operations":[{"type":"set","key":"$.a.0","value":null},{"type":"append","key":"b",)"
     R"("value":{}},{"type":"increment","key":"n","value":1e3},{"type":"remove","key":"b","value":1},)"
     R"({"type":"delete","key":"$.a[0:1]"},{"type":"update","value":{"x":1}}],"parentOperations":[],)"
     R"("rootOperations":[{"type":"set","key":"$.*.x","value":"y"}]})"},
    {"GET", "/api/v1/runs/%/metadata", ""},
    {"POST", "/api/v2/runs/%/cancel", ""},
    {"POST", "/api/v1/runs/%/tags", R"({"tags":["a","b"]})"},
    {"POST", "/api/v1/runs/%/replay",
     R"({"payload":{"a":1},"metadata":{},"tags":"x","delay":"2026-12-24","ttl":"5m"})"},
    {"POST", "/api/v1/runs/%/reschedule", R"({"delay":"1h30m"})"},
    {"POST", "/api/v1/idempotencyKeys/k/reset", R"({"taskIdentifier":"t"})"},
    {"POST", "/api/v1/auth/jwt/claims", ""},
    {"POST", "/api/v3/batches", R"({"runCount":2,"taskIdentifiers":["t"],"parentRunId":"%","idempotencyKey":"b"})"},
    {"POST", "/api/v3/batches/&/items",
     "{\"index\":0,\"task\":\"t\",\"payload\":\"x\",\"options\":{\"metadata\":{\"a\":1},\"tags\":[\"q\"]}}\n"
     "{\"index\":1,\"task\":\"t\"}\n"},
    {"GET", "/api/v2/batches/&", ""},
    {"POST", "/cairn/v1/runs/%/status", R"({"status":"EXECUTING","from":"QUEUED"})"},
    {"POST", "/cairn/v1/runs/%/finish",
     R"({"status":"FAILED","output":"{}","outputType":"application/json","error":{"message":"m"}})"},
};

class AnyRequest : public ApiTest {
 protected:
  /// With some places replaced by something else.
  static std::string mutated(std::string text) {
    const int edits = *rc::gen::inRange(0, 4);
    for (int i = 0; i < edits; ++i) {
      const auto at = *rc::gen::inRange<size_t>(0, text.size() + 1);
      const auto count = *rc::gen::weightedOneOf<size_t>(
          {{3, rc::gen::inRange<size_t>(0, 3)}, {1, rc::gen::inRange<size_t>(0, text.size() + 1)}});
      const std::string piece = *rc::gen::weightedOneOf<std::string>(
          {{3, rc::gen::element<std::string>("null", "[]", "{}", "\"\"", "-1", "1e400", "18446744073709551616", "true",
                                             "\"__proto__\"", "\"$.a.*\"", "$.", "\\ud800", "[[[[", "}", ",", ":", "\n",
                                             "%", "%00", "&", "=", "filter[", "page[after]=a0000000000000000x", "]",
                                             std::string(70, '['), "999999999999w", "\"\\u0000\"")},
           {1, rc::gen::arbitrary<std::string>()}});
      text.replace(at, count, piece);
    }
    return text;
  }
  static std::string with_ids(std::string text, const std::string& run, const std::string& batch) {
    for (size_t i = 0; i < text.size(); ++i) {
      const std::string& id = text[i] == '%' ? run : batch;
      const bool is_place = (text[i] == '%' && (i + 1 == text.size() || text[i + 1] == '/' || text[i + 1] == '"')) ||
                            (text[i] == '&' && (i + 1 == text.size() || text[i + 1] == '/'));
      if (is_place) {
        text.replace(i, 1, id);
        i += id.size() - 1;
      }
    }
    return text;
  }
  /// Of a request line: no blank, no control character, nothing but ASCII.
  static std::string as_target(std::string text) {
    for (char& c : text) {
      c = c > ' ' && c < 0x7f && c != '#' ? c : '_';
    }
    return text;
  }
};

TEST_P(AnyRequest, IsAnsweredWithJsonAndNever500) {
  const std::string run = trigger("t", R"({"metadata":{"a":[1,{"x":1}]},"delay":"1h"})");
  const Reply made = call("POST /api/v3/batches", R"({"runCount":2})");
  const std::string batch = at(made, "id").substr(1, 32);
  check_property(3000, [&] {
    const Sample& sample = kSamples[*rc::gen::inRange<size_t>(0, std::size(kSamples))];
    std::string target = with_ids(sample.path, run, batch);
    const size_t query = target.find('?');
    if (query != std::string::npos) {
      target = as_target(target.substr(0, query + 1) + mutated(target.substr(query + 1)));
    }
    const std::string body = mutated(with_ids(sample.body, run, batch));
    const Reply reply = call(std::string(sample.method) + " " + target, body, "content-type: application/x-ndjson\r\n");
    RC_LOG() << sample.method << " " << target << "\n" << body << "\n" << reply.status << " " << reply.body << "\n";
    RC_ASSERT(reply.status >= 200u);
    RC_ASSERT(reply.status < 500u);
    const auto answer = engine::parse_json(reply.body, SIZE_MAX, engine::kStoredDepthMax + 8);
    RC_ASSERT(answer.ok());
    const engine::Object* object = answer.value().get<engine::Object>();
    RC_ASSERT(object != nullptr);
    const engine::Value* error = engine::find_property(*object, "error");
    if (reply.status >= 400) {
      RC_ASSERT(error != nullptr && error->get<std::string>() != nullptr && !error->get<std::string>()->empty());
    }
  });
}

CAIRN_ON_EACH_STORAGE(AnyRequest);

}  // namespace
}  // namespace cairn::tests
