#include "tests/server/sample_requests.h"

#include <algorithm>

namespace cairn::tests {

namespace {

void skip_blank(const std::string& text, size_t& at) { at = std::min(text.find_first_not_of(" \n", at), text.size()); }

void skip_string(const std::string& text, size_t& at) {
  for (++at; text[at] != '"'; ++at) {
    at += text[at] == '\\' ? 1 : 0;
  }
  ++at;
}

void add_places(const std::string& text, size_t& at, size_t member_from, std::vector<std::string>& path,
                std::vector<JsonPlace>& out) {
  const size_t index = out.size();
  out.push_back({at, at, member_from, path});
  const char first = text[at];
  if (first == '"') {
    skip_string(text, at);
  } else if (first == '{' || first == '[') {
    skip_blank(text, ++at);
    while (text[at] != '}' && text[at] != ']') {
      const size_t from = at;
      if (first == '{') {
        skip_string(text, at);
        path.push_back(text.substr(from + 1, at - from - 2));
        skip_blank(text, ++at);  // the colon
      }
      add_places(text, at, from, path, out);
      if (first == '{') {
        path.pop_back();
      }
      skip_blank(text, at += text[at] == ',' ? 1 : 0);
    }
    ++at;
  } else {
    at = text.find_first_of(",]}\n", at);
  }
  out[index].to = at;
}

std::string repeated(const std::string& text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) {
    out += text;
  }
  return out;
}

std::string nested_lists(size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }
std::string nested_objects(size_t levels) { return repeated(R"({"a":)", levels) + "1" + std::string(levels, '}'); }

}  // namespace

std::string SampleRequest::path(const std::string& run, const std::string& batch, const std::string& name) const {
  std::string out = pattern;
  const auto put = [&out](const std::string& parameter, const std::string& value) {
    if (const size_t at = out.find(parameter); at != std::string::npos) {
      out.replace(at, parameter.size(), value);
    }
  };
  put(":id", pattern.find("/batches/") != std::string::npos ? batch : run);
  put(":task", name);
  put(":key", name);
  put(":ref", "proj_x");
  put("*", "x/y");
  return out;
}

const std::vector<SampleRequest>& sample_requests() {
  static const std::string list_query =
      "page%5Bsize%5D=3&page%5Bafter%5D=&page%5Bbefore%5D=&filter%5Bstatus%5D=QUEUED%2CFAILED"
      "&filter%5BtaskIdentifier%5D=t%2Cu&filter%5Btag%5D=a%2Cb&filter%5Bbatch%5D=batch_1&filter%5BisTest%5D=false"
      "&filter%5BcreatedAt%5D%5Bfrom%5D=1&filter%5BcreatedAt%5D%5Bto%5D=2026-12-01T00%3A00%3A00Z"
      "&filter%5BcreatedAt%5D%5Bperiod%5D=1h&filter%5Benv%5D=dev&filter%5Bmetadata.a.0%5D=1";
  static const std::string one_run = "log=full&offset=-1&skipColumns=payload%2Coutput&live=false&cursor=1";
  static const std::vector<SampleRequest> samples = {
      {"POST", "/api/v1/tasks/:task/trigger", "",
       R"({"payload":"{\"json\":1}","context":{},"options":{"payloadType":"application/super+json","payloadSize":10,)"
       R"("tags":["a","b"],"metadata":{"a":[1,{"x":"y"}]},"delay":"1h","ttl":60,"idempotencyKey":"@",)"
       R"("idempotencyKeyTTL":"1h","idempotencyKeyOptions":{"key":"k","scope":"global"},"parentRunId":"run_1",)"
       R"("resumeParentOnCompletion":false,"test":true,"queue":{"name":"q"},"concurrencyKey":"c","machine":"micro",)"
       R"("maxAttempts":2,"maxDuration":9,"priority":5,"region":"r","lockToVersion":"1","debounce":{"key":"d"}}})"},
      {"POST", "/api/v1/tasks/:task/trigger", "",
       R"({"payload":{"a":[1]},"options":{"ttl":"1h","delay":"2026-12-24"}})"},
      {"GET", "/api/v3/runs/:id", "", ""},
      {"GET", "/api/v1/runs", list_query, ""},
      {"GET", "/api/v1/projects/:ref/runs", list_query, ""},
      {"PUT", "/api/v1/runs/:id/metadata", "",
       R"({"metadata":{"a":[1]},"operations":[{"type":"set","key":"$.a.0","value":null},{"type":"append","key":"b",)"
       R"("value":{}},{"type":"increment","key":"n","value":1e3},{"type":"remove","key":"b","value":1},)"
       R"({"type":"delete","key":"$.a[0:1]"},{"type":"update","value":{"x":1}}],)"
       R"("parentOperations":[{"type":"set","key":"p","value":1}],)"
       R"("rootOperations":[{"type":"set","key":"$.*.x","value":"y"}]})"},
      {"PUT", "/api/v1/runs/:id/metadata", "", R"({"metadata":{"a":[1,{"b":"c"}]}})"},
      {"GET", "/api/v1/runs/:id/metadata", "", ""},
      {"POST", "/api/v2/runs/:id/cancel", "", ""},
      {"POST", "/api/v1/runs/:id/tags", "", R"({"tags":["a","b"]})"},
      {"POST", "/api/v1/runs/:id/replay", "",
       R"({"payload":{"a":1},"payloadType":"application/json","metadata":{"m":1},"tags":"x","delay":"2026-12-24",)"
       R"("ttl":"5m","idempotencyKey":"@","idempotencyKeyTTL":"1h","queue":{"name":"q"},"concurrencyKey":"c",)"
       R"("machine":"micro","version":"1","region":"r","maxAttempts":1,"maxDuration":9,"priority":1})"},
      {"POST", "/api/v1/runs/:id/reschedule", "", R"({"delay":"1h30m"})"},
      {"POST", "/api/v1/idempotencyKeys/:key/reset", "", R"({"taskIdentifier":"t"})"},
      {"POST", "/api/v1/auth/jwt/claims", "", ""},
      {"POST", "/api/v3/batches", "",
       R"({"runCount":2,"taskIdentifiers":["t"],"parentRunId":"run_1","resumeParentOnCompletion":true,)"
       R"("idempotencyKey":"@","idempotencyKeyTTL":"1h","idempotencyKeyOptions":{"key":"b","scope":"run"}})"},
      {"POST", "/api/v3/batches/:id/items", "",
       "{\"index\":0,\"task\":\"t\",\"payload\":\"x\",\"options\":{\"payloadType\":\"text/"
       "plain\",\"metadata\":{\"a\":1},"
       "\"tags\":[\"q\"],\"ttl\":\"1h\",\"idempotencyKey\":\"@\"}}\n{\"index\":1,\"task\":\"t\"}\n"},
      {"GET", "/api/v2/batches/:id", "", ""},
      {"GET", "/api/v1/batches/:id", "", ""},
      {"POST", "/cairn/v1/runs/:id/status", "", R"({"status":"EXECUTING","from":"QUEUED"})"},
      {"POST", "/cairn/v1/runs/:id/finish", "",
       R"({"status":"FAILED","from":"EXECUTING","output":"{}","outputType":"application/json","error":{"message":"m"}})"},
      {"POST", "/cairn/v1/runs/:id/finish", "", R"({"output":{"a":[1]},"error":"","durable":true})"},
      {"GET", "/cairn/v1/runs",
       "status=QUEUED&status=DELAYED&tag=a&since=1h&until=2026-12-30&text=t&metadata=user.id%3Duser_1&order=oldest&"
       "limit=5"
       "&fields=head",
       ""},
      {"GET", "/cairn/v1/runs", "task=t&metadata=n%3C5+and+a%21%3D%22b%22&order=id", ""},
      {"GET", "/cairn/v1/runs/:id", "", ""},
      {"POST", "/cairn/v1/runs", "",
       R"({"id":"named-1","task":"t","parent":"run_1","root":"run_1","tags":["a","b"],"metadata":{"a":[1,{"x":"y"}]},)"
       R"("resume":true})"},
      {"DELETE", "/cairn/v1/runs/:id", "", ""},
      {"POST", "/cairn/v1/runs/:id/resume", "", ""},
      {"POST", "/cairn/v1/runs/:id/operations", "",
       R"({"operations":[{"type":"set","key":"$.a.0","value":null},{"type":"increment","key":"n","value":1e3}],)"
       R"("atomic":false})"},
      {"POST", "/cairn/v1/runs/:id/operations", "",
       R"({"parentOperations":[{"type":"set","key":"p","value":1}],"atomic":true})"},
      {"POST", "/cairn/v1/operations", "",
       R"({"runs":[{"id":"named-1","operations":[{"type":"append","key":"b","value":{}}],)"
       R"("rootOperations":[{"type":"delete","key":"x"}]}]})"},
      {"GET", "/cairn/v1/changes", "run=run_1&after=f~1~", ""},
      {"GET", "/cairn/v1/export", "cursor=&limit=5", ""},
      {"GET", "/cairn/v1/export", "run=run_1", ""},
      {"GET", "/cairn/v1/counts", "status=QUEUED&tag=a&metadata=n%3C5", ""},
      {"GET", "/realtime/v1/runs/:id", one_run, ""},
      {"GET", "/realtime/v1/runs", one_run + "&tags=a%2Cb&createdAt=1h", ""},
      {"GET", "/realtime/v1/batches/:id", one_run, ""},
  };
  return samples;
}

std::vector<JsonPlace> places_of(const std::string& text) {
  std::vector<JsonPlace> out;
  std::vector<std::string> path;
  size_t at = 0;
  for (skip_blank(text, at); at < text.size(); skip_blank(text, at)) {
    const size_t index = out.size();
    add_places(text, at, at, path, out);
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(index));  // the whole of it
  }
  return out;
}

namespace {

// The bound of the nesting is 128, and what is around the value counts.
const std::vector<std::string>& never_read() {
  static const std::vector<std::string> values = {
      nested_lists(200),
      nested_objects(200),
      nested_lists(30'000),
      "1e400",
      "-1e400",
      "\"\xff\xfe\"",
      "\"\xc0\x80\"",
      "\"\\ud800\"",
      "\"\xed\xa0\x80\"",
      "NaN",
      "01",
      "'a'",
      "[1,]",
      "{\"a\"}",
      "\"\\x\"",
      std::string("\"\0\"", 3),
      std::string(400, '9') + "e9999",
  };
  return values;
}

}  // namespace

const std::vector<std::string>& odd_values() {
  static const std::vector<std::string> values = [] {
    std::vector<std::string> out = {"null",
                                    "true",
                                    "false",
                                    "0",
                                    "-0",
                                    "1",
                                    "-1",
                                    "0.5",
                                    "1e3",
                                    "-1e308",
                                    "5e-324",
                                    "9223372036854775807",
                                    "9223372036854775808",
                                    "-9223372036854775808",
                                    "18446744073709551615",
                                    "18446744073709551616",
                                    std::string(400, '0').insert(0, "0."),
                                    R"("")",
                                    R"(" ")",
                                    R"("x")",
                                    R"("\u0000")",
                                    R"("\ud83d\ude00")",
                                    R"("__proto__")",
                                    R"("$.")",
                                    R"("$.a[")",
                                    R"("$.constructor.x")",
                                    R"("$.*.*.*")",
                                    R"("999999999999w")",
                                    R"("-1h")",
                                    R"("2026-13-45")",
                                    R"("+275760-09-13T00:00:00.000Z")",
                                    R"("EXECUTING")",
                                    R"("run_none")",
                                    R"("..")",
                                    "\"" + std::string(129, 'x') + "\"",
                                    "\"" + std::string(3000, 'x') + "\"",
                                    "\"" + std::string(300'000, 'x') + "\"",
                                    "[]",
                                    "{}",
                                    "[null]",
                                    "[[]]",
                                    R"([""])",
                                    R"(["a",1])",
                                    R"({"a":1})",
                                    R"({"__proto__":1})",
                                    R"({"a":1,"a":2})",
                                    R"({"message":1})",
                                    R"([{}])",
                                    R"([{"type":"set"}])",
                                    nested_lists(100),
                                    nested_objects(100),
                                    "[" + repeated("\"t\",", 10) + "\"u\"]",
                                    R"(["0","1","2","3","4","5","6","7","8","9","10"])"};
    out.insert(out.end(), never_read().begin(), never_read().end());
    return out;
  }();
  return values;
}

bool is_never_read(const std::string& odd_value) {
  return std::find(never_read().begin(), never_read().end(), odd_value) != never_read().end();
}

const std::vector<std::string>& odd_parameters() {
  static const std::vector<std::string> values = {"",
                                                  "%20",
                                                  "0",
                                                  "-1",
                                                  "1",
                                                  "101",
                                                  "1e9",
                                                  "0x10",
                                                  "9223372036854775807",
                                                  "9223372036854775808",
                                                  "18446744073709551616",
                                                  "true",
                                                  "TRUE",
                                                  "null",
                                                  "%00",
                                                  "%ff",
                                                  "%C0%80",
                                                  "%ED%A0%80",
                                                  "%",
                                                  "%2",
                                                  "%zz",
                                                  "%2C",
                                                  "%2C%2C",
                                                  "a%2C",
                                                  "%22",
                                                  "%5C",
                                                  "%0A",
                                                  "1h",
                                                  "-1h",
                                                  "99999999999w",
                                                  "2026-13-45",
                                                  "2026-11-30",
                                                  "QUEUED%2CNONE",
                                                  "b0000000000000000run_1",
                                                  "0000000000000000-run_1",
                                                  "ffffffffffffffff-run_1",
                                                  "7fffffffffffffff-run_1",
                                                  "-1_0",
                                                  "0_0",
                                                  "0_1",
                                                  "18446744073709551615_0",
                                                  "1_",
                                                  "%F0%9F%98%80",
                                                  std::string(600, 'x'),
                                                  std::string(3000, '7'),
                                                  "f-0-0-0~1-x",
                                                  "payload",
                                                  "id",
                                                  "full"};
  return values;
}

}  // namespace cairn::tests
