// Whatever comes, each route answers JSON, names what is wrong, and never breaks.
// CAIRN_API_REQUESTS=200000 is the long form.
#include <rapidcheck.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "api/server/query.h"
#include "engine/json/json.h"
#include "tests/server/api_fixture.h"
#include "tests/server/sample_requests.h"
#include "tests/support/property.h"

namespace cairn::tests {
namespace {

constexpr const char* kLines = "content-type: application/x-ndjson\r\n";

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool is_of_api(const SampleRequest& sample) { return !sample.pattern.starts_with("/realtime"); }

/// The text of {"error": TEXT}; empty: it is no such thing.
std::string error_of(const Reply& reply) {
  const auto answer = engine::parse_json(reply.body, SIZE_MAX, engine::kStoredDepthMax + 8);
  const engine::Object* object = answer.ok() ? answer->get<engine::Object>() : nullptr;
  const engine::Value* error = object == nullptr ? nullptr : engine::find_property(*object, "error");
  const std::string* text = error == nullptr ? nullptr : error->get<std::string>();
  return text == nullptr ? "" : *text;
}

class AnyRequest : public ApiTest {
 protected:
  AnyRequest() {
    run_ = trigger("t", R"({"metadata":{"a":[1,{"x":1}]},"delay":"1h"})");
    const std::string made = at(call("POST /api/v3/batches", R"({"runCount":2})"), "id");
    batch_ = made.substr(1, made.size() - 2);
  }
  [[nodiscard]] std::string line_of(const SampleRequest& sample) const {
    return sample.method + " " + sample.path(run_, batch_);
  }
  /// With keys that no request had.
  std::string with_new_keys(std::string body) {
    for (size_t at = body.find("\"@\""); at != std::string::npos; at = body.find("\"@\"")) {
      body.replace(at + 1, 1, "k" + std::to_string(++keys_made_));
    }
    return body;
  }

  std::string run_;
  std::string batch_;
  int keys_made_ = 0;
};

TEST_P(AnyRequest, EachRouteThatIsServedHasASample) {
  // Those that these storages answer with 501 have tests of their own.
  const std::set<std::string> of_local_store = {"/cairn/v1/runs/:id/history", "/cairn/v1/sync", "/cairn/v1/dead",
                                                "/cairn/v1/stores", "/cairn/v1/store"};
  for (const server::Route& route : server::run_routes(storage_, {})) {
    EXPECT_TRUE(route.method.empty() || of_local_store.count(route.pattern) != 0 ||
                std::any_of(sample_requests().begin(), sample_requests().end(),
                            [&route](const SampleRequest& sample) {
                              return sample.method == route.method && sample.pattern == route.pattern;
                            }))
        << route.method << " " << route.pattern;
  }
  for (const SampleRequest& sample : sample_requests()) {
    if (is_of_api(sample)) {
      run_ = trigger("t", R"({"delay":"1h"})");
      const Reply reply = call(line_of(sample) + (sample.query.empty() ? "" : "?" + sample.query), sample.body, kLines);
      EXPECT_TRUE(reply.status < 300 || reply.status == 404 || reply.status == 409 || reply.status == 422 ||
                  reply.body.find("page[") != std::string::npos)
          << sample.pattern << " " << reply.status << " " << reply.body;
    }
  }
}

// One value of an else right body is another one: it is taken, or refused by a text that names it.
TEST_P(AnyRequest, WhatDoesNotFitIsRefusedByItsName) {
  size_t refused = 0;
  for (const SampleRequest& sample : sample_requests()) {
    const std::vector<JsonPlace> places = places_of(sample.body);
    for (const JsonPlace& place : places) {
      for (const std::string& value : odd_values()) {
        std::string body = sample.body;
        body.replace(place.from, place.to - place.from, value);
        const Reply reply = call(line_of(sample), with_new_keys(body), kLines);
        const auto about = [&] {
          return line_of(sample) + " " + body.substr(0, 1000) + "\n" + std::to_string(reply.status) + " " + reply.body;
        };
        ASSERT_GE(reply.status, 200u) << about();
        ASSERT_LT(reply.status, 500u) << about();
        const std::string error = lower(error_of(reply));
        ASSERT_EQ(error.empty(), reply.status < 400) << about();
        if (is_never_read(value)) {
          ASSERT_EQ(reply.status, 400u) << about();
          EXPECT_TRUE(error.find("invalid json") == 0 || error.find("validation error: the body: ") == 0 ||
                      error.find("validation error: line 1: ") == 0 || error.find("validation error: line 2: ") == 0)
              << about();
        } else if (reply.status == 400 || error.find("validation error") != std::string::npos) {
          ++refused;
          // What is null is as if it were not there, and that may not suit another member.
          const auto names_one_of = [&error](const std::vector<std::string>& path) {
            const auto name = std::find_if(path.rbegin(), path.rend(), [](const std::string& part) {
              return part.find_first_not_of("[]0123456789") != std::string::npos;  // of an element, its list's
            });
            return name != path.rend() && (error.find(lower(*name)) != std::string::npos ||
                                           (*name == "key" && error.find("path") != std::string::npos));
          };
          EXPECT_TRUE(names_one_of(place.path) || (value == "null" && std::any_of(places.begin(), places.end(),
                                                                                  [&](const JsonPlace& other) {
                                                                                    return names_one_of(other.path);
                                                                                  })))
              << about();
        }
      }
    }
  }
  EXPECT_GT(refused, 500u);
}

TEST_P(AnyRequest, WhatDoesNotFitInAQueryIsRefusedByItsName) {
  for (const SampleRequest& sample : sample_requests()) {
    for (size_t from = 0; is_of_api(sample) && from < sample.query.size();) {
      const size_t equals = sample.query.find('=', from);
      const size_t end = std::min(sample.query.find('&', from), sample.query.size());
      std::string name = sample.query.substr(from, equals - from);
      for (const std::string& value : odd_parameters()) {
        const Reply reply = call(line_of(sample) + "?" + name + "=" + value);
        const std::string about = name + "=" + value.substr(0, 100) + " " + std::to_string(reply.status) + reply.body;
        ASSERT_TRUE(reply.status == 200 || reply.status == 400) << about;
        if (reply.status == 400) {
          EXPECT_FALSE(error_of(reply).empty()) << about;
          const std::string plain = server::read_query(name + "=").value().front().first;
          EXPECT_TRUE(reply.body.find("\"" + plain) != std::string::npos ||
                      reply.body.find("\"query\"") != std::string::npos)
              << about;
        }
      }
      from = end + 1;
    }
  }
}

/// With some places replaced by something else.
std::string changed_in_places(std::string text) {
  const int edits = *rc::gen::inRange(0, 4);
  for (int i = 0; i < edits; ++i) {
    const auto at = *rc::gen::inRange<size_t>(0, text.size() + 1);
    const auto count = *rc::gen::weightedOneOf<size_t>(
        {{3, rc::gen::inRange<size_t>(0, 3)}, {1, rc::gen::inRange<size_t>(0, text.size() + 1)}});
    const std::string piece = *rc::gen::weightedOneOf<std::string>(
        {{3, rc::gen::element<std::string>("null", "[]", "{}", "\"\"", "-1", "1e400", "18446744073709551616", "true",
                                           "\"__proto__\"", "\"$.a.*\"", "$.", "\\ud800", "[[[[", "}", ",", ":", "\n",
                                           "%", "%00", "&", "=", "filter[", "page[after]=a0000000000000000x", "]",
                                           std::string(70, '['), "999999999999w", "\"\\u0000\"", "\xff", "\xe2\x82")},
         {1, rc::gen::arbitrary<std::string>()}});
    text.replace(at, count, piece);
  }
  return text;
}

/// With some values, members or lines replaced, taken out, or there twice. It stays JSON more often than not.
std::string changed_in_structure(std::string text) {
  const int edits = *rc::gen::inRange(1, 4);
  for (int i = 0; i < edits; ++i) {
    const std::vector<JsonPlace> places = i == 0 ? places_of(text) : std::vector<JsonPlace>();
    if (places.empty()) {
      break;
    }
    const JsonPlace& place = places[*rc::gen::inRange<size_t>(0, places.size())];
    const std::string member = text.substr(place.member_from, place.to - place.member_from);
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
        text.erase(place.member_from, place.to - place.member_from + (text[place.to] == ',' ? 1 : 0));
        break;
      case 1:
        text.insert(place.member_from, member + ",");
        break;
      case 2:
        text.insert(place.member_from, R"("__proto__":1,)");
        break;
      default:
        text.replace(place.from, place.to - place.from,
                     odd_values()[*rc::gen::inRange<size_t>(0, odd_values().size())]);
    }
  }
  return text;
}

/// Of a request line: no blank, no control character, nothing but ASCII.
std::string as_target(std::string text) {
  for (char& c : text) {
    c = c > ' ' && c < 0x7f && c != '#' ? c : '_';
  }
  return text;
}

TEST_P(AnyRequest, IsAnsweredWithJsonAndNever500) {
  check_property(cases_from("CAIRN_API_REQUESTS", 3000), [&] {
    const SampleRequest& sample = sample_requests()[*rc::gen::inRange<size_t>(0, sample_requests().size())];
    RC_PRE(is_of_api(sample));
    const std::string run = *rc::gen::weightedElement<std::string>(
        {{8, run_}, {1, "run_none"}, {1, "%00"}, {1, "%ff"}, {1, "a%2Fb"}, {1, std::string(300, 'r')}, {1, "..."}});
    const std::string name = *rc::gen::weightedElement<std::string>(
        {{6, "t"}, {1, "a%2Fb"}, {1, "%00"}, {1, "%F0%9F%98%80"}, {1, std::string(3000, 't')}, {1, "%0A"}, {1, "."}});
    std::string target = sample.path(run, batch_, name);
    if (!sample.query.empty()) {
      const std::string query = *rc::gen::arbitrary<bool>() ? sample.query : "";
      target += "?" + as_target(changed_in_places(query));
    }
    const bool is_text = sample.body.empty() || *rc::gen::arbitrary<bool>();
    const std::string body =
        with_new_keys(is_text ? changed_in_places(sample.body) : changed_in_structure(sample.body));
    std::string headers =
        *rc::gen::weightedElement<std::string>({{6, kLines},
                                                {1, ""},
                                                {1, "content-type: application/X-NDJSON; charset=x\r\n"},
                                                {1, "content-type: \xff\r\n"}});
    if (*rc::gen::inRange(0, 4) == 0) {
      headers += "x-trigger-request-idempotency-key: " + std::to_string(*rc::gen::inRange(0, 20)) + "\r\n";
    }
    now_us_ += 1000;
    const Reply reply = call(sample.method + " " + target, body, headers);
    RC_LOG() << sample.method << " " << target << "\n" << body << "\n" << reply.status << " " << reply.body << "\n";
    RC_ASSERT(reply.status >= 200u);
    RC_ASSERT(reply.status < 500u);
    const auto answer = engine::parse_json(reply.body, SIZE_MAX, engine::kStoredDepthMax + 8);
    RC_ASSERT(answer.ok());
    RC_ASSERT(answer.value().get<engine::Object>() != nullptr);
    RC_ASSERT(reply.status < 400 || !error_of(reply).empty());
  });
}

// Tokens of any kind: what is not signed with the key opens nothing, and what is signed opens what it says or nothing.
TEST_P(AnyRequest, WithAnyTokenIsAnsweredWithJson) {
  const std::string good = token({"read:runs"});
  const std::string claims =
      R"({"iss":"https://id.trigger.dev","aud":"https://api.trigger.dev","sub":"env_0123","pub":true,"iat":1,)"
      R"("exp":1900000000,"otu":false,"realtime":{"skipColumns":["payload"]},"scopes":["read:runs","trigger:tasks:t"]})";
  check_property(cases_from("CAIRN_API_REQUESTS", 3000), [&] {
    std::string bearer;
    bool is_signed = true;
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        bearer = keys_.sign(changed_in_structure(claims));
        break;
      case 1:
        bearer = keys_.sign(changed_in_places(claims));
        break;
      case 2: {
        bearer = as_target(changed_in_places(good));
        is_signed = bearer == good;
        break;
      }
      default:
        bearer = *rc::gen::element<std::string>(
            "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiJ9.e30.e30", std::string(9000, 'a'),
            std::string(3000, '.'), "tr_dev_x", good + ".x", good.substr(0, good.size() - 1), "=.=.=");
        is_signed = false;
    }
    const std::string line =
        *rc::gen::element<std::string>("GET /api/v3/runs/" + run_, "GET /api/v1/runs", "POST /api/v1/tasks/t/trigger",
                                       "PUT /api/v1/runs/" + run_ + "/metadata");
    const Reply reply = call_as(bearer, line, line.starts_with("GET") ? "" : R"({"payload":"1"})");
    RC_LOG() << bearer << "\n" << reply.status << " " << reply.body << "\n";
    RC_ASSERT(reply.status >= 200u);
    RC_ASSERT(reply.status < 500u);
    RC_ASSERT(is_signed || reply.status >= 400u);
    RC_ASSERT(reply.status < 400 || !error_of(reply).empty());
  });
}

CAIRN_ON_EACH_STORAGE(AnyRequest);

}  // namespace
}  // namespace cairn::tests
