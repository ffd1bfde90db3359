// Whatever a realtime request says, it gets an answer that its client can take.
// CAIRN_REALTIME_REQUESTS=200000 is the long form.
#include <rapidcheck.h>

#include <algorithm>

#include "engine/json/json.h"
#include "tests/server/realtime_fixture.h"
#include "tests/server/sample_requests.h"
#include "tests/support/property.h"

namespace cairn::tests {
namespace {

class AnyShapeRequest : public Realtime {
 protected:
  /// With some places replaced by something else; nothing that ends a request line.
  static std::string changed_in_places(std::string text) {
    const int edits = *rc::gen::inRange(0, 4);
    for (int i = 0; i < edits; ++i) {
      const auto at = *rc::gen::inRange<size_t>(0, text.size() + 1);
      const auto count = *rc::gen::inRange<size_t>(0, 3);
      text.replace(at, count,
                   *rc::gen::weightedOneOf<std::string>(
                       {{3, rc::gen::element<std::string>("-", "_", "-1", "0", "18446744073709551616", "%00", "%ff",
                                                          "%", "&", "=", ",", "%2C", "%22", "true", "live=true&",
                                                          "offset=0_0&", "handle=&", "1h", "99999999999d", "tags=,&",
                                                          "~", "~9-x", std::string(600, 'x'))},
                        {1, rc::gen::arbitrary<std::string>()}}));
    }
    for (char& c : text) {
      c = c > ' ' && c < 0x7f && c != '#' ? c : '_';
    }
    return text;
  }
  /// One parameter has another value, or is there twice.
  static std::string with_another_value(std::string query) {
    std::vector<size_t> values;
    for (size_t at = query.find('='); at != std::string::npos; at = query.find('=', at + 1)) {
      values.push_back(at + 1);
    }
    const size_t from = values[*rc::gen::inRange<size_t>(0, values.size())];
    const size_t end = std::min(query.find('&', from), query.size());
    const std::string value = odd_parameters()[*rc::gen::inRange<size_t>(0, odd_parameters().size())];
    const size_t name = query.rfind('&', from) == std::string::npos ? 0 : query.rfind('&', from) + 1;
    if (*rc::gen::inRange(0, 5) == 0) {
      return query + "&" + query.substr(name, from - name) + value;
    }
    return query.replace(from, end - from, value);
  }
};

// One parameter of an else right query has another value: it is taken, or refused by its name.
TEST_P(AnyShapeRequest, WhatDoesNotFitIsRefusedByItsName) {
  const RealtimeServer server(*tested_, {.live_ms = 10, .answer_ms = 0});
  const std::string id = trigger({"a"});
  const std::string batch = make_batch(1).first;
  for (const SampleRequest& sample : sample_requests()) {
    if (!sample.pattern.starts_with("/realtime")) {
      continue;
    }
    for (size_t from = 0; from < sample.query.size();) {
      const size_t equals = sample.query.find('=', from);
      const size_t end = std::min(sample.query.find('&', from), sample.query.size());
      const std::string name = sample.query.substr(from, equals - from);
      for (const std::string& value : odd_parameters()) {
        const std::string query = sample.query.substr(0, equals + 1) + value + sample.query.substr(end);
        const Reply reply = ask(server.address, sample.path(id, batch) + "?" + query);
        ASSERT_TRUE(reply.status == 200 || reply.status == 400) << query << reply.body;
        EXPECT_TRUE(reply.status == 200 || reply.body.find("\"" + name + ": ") != std::string::npos ||
                    reply.body.find("the query has ") != std::string::npos ||
                    (name == "offset" && reply.body.find("\"handle: is missing") != std::string::npos) ||
                    (name == "live" && reply.body.find("\"live: ") != std::string::npos))
            << query << " " << reply.body;
      }
      from = end + 1;
    }
  }
}

TEST_P(AnyShapeRequest, GetsAnAnswerThatItsClientCanTake) {
  const RealtimeServer server(*tested_, {.live_ms = 10, .answer_ms = 0});
  const std::string id = trigger({"a", "b"});
  const auto [batch, runs] = make_batch(2);
  const std::vector<std::string> paths = {of_run(id) + "?skipColumns=payload,output",
                                          "/realtime/v1/runs?tags=a%2Cb&createdAt=1h", "/realtime/v1/runs?",
                                          "/realtime/v1/batches/" + batch + "?"};
  std::vector<std::string> targets;
  for (const std::string& path : paths) {
    targets.push_back(path + "&log=full&offset=-1");
    Reply reply = ask(server.address, targets.back());
    targets.push_back(path + "&cursor=1&log=full&handle=" + reply.headers["electric-handle"] +
                      "&live=true&offset=" + reply.headers["electric-offset"]);
    targets.push_back(path + "&log=full&handle=" + reply.headers["electric-handle"] + "&offset=0_0");
    targets.push_back(path + "&log=full&handle=" + reply.headers["electric-handle"] + "~1-" + id + "&offset=0_0");
  }
  check_property(cases_from("CAIRN_REALTIME_REQUESTS", 1500), [&] {
    const std::string& sample = targets[*rc::gen::inRange<size_t>(0, targets.size())];
    const size_t query = sample.find('?') + 1;
    const std::string changed = *rc::gen::arbitrary<bool>() ? changed_in_places(sample.substr(query))
                                                            : with_another_value(sample.substr(query));
    const std::string target = sample.substr(0, query) + changed;
    Reply reply = ask(server.address, target);
    RC_LOG() << target << "\n" << reply.head << reply.body << "\n";
    const auto body = engine::parse_json(reply.body);
    RC_ASSERT(body.ok());
    RC_ASSERT(reply.headers["content-type"] == "application/json");
    RC_ASSERT(reply.headers["cache-control"] == "no-store");
    if (reply.status == 200 || reply.status == 409) {
      const engine::Array* messages = body->get<engine::Array>();
      RC_ASSERT(messages != nullptr && !messages->empty());
      RC_ASSERT(!reply.headers["electric-handle"].empty());
      RC_ASSERT(reply.status == 409 || !reply.headers["electric-offset"].empty());
    } else {
      RC_ASSERT(reply.status == 400u);
      const engine::Object* object = body->get<engine::Object>();
      const engine::Value* error = object == nullptr ? nullptr : engine::find_property(*object, "error");
      RC_ASSERT(error != nullptr && !error->get<std::string>()->empty());
    }
  });
  EXPECT_EQ(server.server->counters().failed_handlers, 0u);
}

CAIRN_ON_EACH_STORAGE(AnyShapeRequest);

}  // namespace
}  // namespace cairn::tests
