// GET /api/v3/runs/:id and GET /api/v1/runs
#include <algorithm>
#include <set>

#include "engine/json/json.h"
#include "tests/server/api_fixture.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;
using RunIds = std::vector<std::string>;

class RetrieveRoute : public ApiTest {};

TEST_P(RetrieveRoute, HasEveryMemberThatTheClientNeeds) {
  const std::string id = trigger();
  const Reply reply = call("GET /api/v3/runs/" + id);
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.headers.at("content-type"), "application/json");
  EXPECT_EQ(reply.body,
            R"({"id":")" + id +
                R"(","status":"QUEUED","taskIdentifier":"t","taskKind":"STANDARD","isQueued":true,"isExecuting":false,)"
                R"("isWaiting":false,"isCompleted":false,"isSuccess":false,"isFailed":false,"isCancelled":false,)"
                R"("isTest":false,"createdAt":"2026-11-30T00:53:20.001Z","updatedAt":"2026-11-30T00:53:20.001Z",)"
                R"("tags":[],"costInCents":0,"baseCostInCents":0,"durationMs":0,"depth":0,"triggerFunction":"trigger",)"
                R"("attemptCount":0,"relatedRuns":{}})");
}

TEST_P(RetrieveRoute, ShowsAFinishedRunWithAllItHas) {
  const std::string id = trigger("t", R"({"metadata":{"z":1.50,"a":[null]},"tags":["b","a"],"ttl":"1h"})", "\"5\"");
  now_us_ += 1'000'000;
  set_status(id, RunStatus::kExecuting);
  now_us_ += 2'500'000;
  call("POST /cairn/v1/runs/" + id + "/finish", R"({"status":"FAILED","error":"no disk","output":{"rows":3}})");
  const Reply reply = call("GET /api/v3/runs/" + id);
  EXPECT_EQ(at(reply, "status"), "\"FAILED\"");
  EXPECT_EQ(at(reply, "startedAt"), "\"2026-11-30T00:53:21.001Z\"");
  EXPECT_EQ(at(reply, "finishedAt"), "\"2026-11-30T00:53:23.501Z\"");
  EXPECT_EQ(at(reply, "updatedAt"), "\"2026-11-30T00:53:23.501Z\"");
  EXPECT_EQ(at(reply, "durationMs"), "2500");
  EXPECT_EQ(at(reply, "metadata"), R"({"z":1.5,"a":[null]})");
  EXPECT_EQ(at(reply, "tags"), R"(["a","b"])");
  EXPECT_EQ(at(reply, "ttl"), "\"1h\"");
  EXPECT_EQ(at(reply, "payload"), "5");
  EXPECT_EQ(at(reply, "output"), R"({"rows":3})");
  EXPECT_EQ(at(reply, "error"), R"({"message":"no disk","name":"Error"})");
  EXPECT_EQ(at(reply, "attemptCount"), "1");
}

TEST_P(RetrieveRoute, EachStatusHasItsFlags) {
  const std::vector<std::pair<RunStatus, RunIds>> flags = {
      {RunStatus::kPendingVersion, {"isQueued"}},
      {RunStatus::kDequeued, {"isExecuting"}},
      {RunStatus::kExecuting, {"isExecuting"}},
      {RunStatus::kWaiting, {"isWaiting"}},
      {RunStatus::kCompleted, {"isCompleted", "isSuccess"}},
      {RunStatus::kCanceled, {"isCompleted", "isFailed", "isCancelled"}},
      {RunStatus::kFailed, {"isCompleted", "isFailed"}},
      {RunStatus::kCrashed, {"isCompleted", "isFailed"}},
      {RunStatus::kSystemFailure, {"isCompleted", "isFailed"}},
      {RunStatus::kExpired, {"isCompleted", "isFailed"}},
      {RunStatus::kTimedOut, {"isCompleted", "isFailed"}},
  };
  for (const auto& [status, set] : flags) {
    const std::string id = trigger();
    set_status(id, status);
    const Reply reply = call("GET /api/v3/runs/" + id);
    EXPECT_EQ(at(reply, "status"), "\"" + std::string(engine::status_name(status)) + "\"");
    for (const char* flag :
         {"isQueued", "isExecuting", "isWaiting", "isCompleted", "isSuccess", "isFailed", "isCancelled"}) {
      const bool is_set = std::find(set.begin(), set.end(), flag) != set.end();
      EXPECT_EQ(at(reply, flag), is_set ? "true" : "false") << engine::status_name(status) << " " << flag;
    }
    EXPECT_EQ(at(reply, "finishedAt") != "absent", engine::is_final(status));
    EXPECT_EQ(at(reply, "expiredAt") != "absent", status == RunStatus::kExpired);
  }
}

TEST_P(RetrieveRoute, RelativesCarryTheirMetadataAndNoPayload) {
  const std::string parent = trigger("p", R"({"metadata":{"of":"parent"}})", "1");
  RunIds children;
  for (int i = 0; i < 3; ++i) {
    children.insert(children.begin(),
                    "\"" + trigger("c", R"({"metadata":{"of":"child"},"parentRunId":")" + parent + "\"}", "2") + "\"");
  }
  const Reply reply = call("GET /api/v3/runs/" + parent);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(at(reply, "relatedRuns.children." + std::to_string(i) + ".id"), children[i]) << "newest first";
  }
  EXPECT_EQ(at(reply, "relatedRuns.children.0.metadata"), R"({"of":"child"})");
  EXPECT_EQ(at(reply, "relatedRuns.children.0.depth"), "1");
  EXPECT_EQ(at(reply, "relatedRuns.children.0.payload"), "absent");
  EXPECT_EQ(at(reply, "relatedRuns.children.0.relatedRuns"), "absent");
  EXPECT_EQ(at(reply, "payload"), "1");
}

TEST_P(RetrieveRoute, ATokenSeesOnlyRelativesThatItReads) {
  const std::string parent = trigger("p", R"({"metadata":{"secret":1},"tags":"family"})");
  const auto child_of = [](const std::string& run) { return R"({"parentRunId":")" + run + "\"}"; };
  const std::string run = trigger("c", child_of(parent));
  const std::string child = trigger("d", child_of(run));
  const auto seen = [&](const std::vector<std::string>& scopes, const std::string& relative) {
    return at(call_as(token(scopes), "GET /api/v3/runs/" + run), "relatedRuns." + relative + ".id");
  };
  const std::string own = "read:runs:" + run;
  for (const char* relative : {"parent", "root", "children.0"}) {
    EXPECT_EQ(seen({own}, relative), "absent") << relative;
    EXPECT_NE(seen({"read:runs"}, relative), "absent") << relative;
  }
  EXPECT_EQ(seen({own, "read:tags:family"}, "parent"), "\"" + parent + "\"");
  EXPECT_EQ(seen({own, "read:tasks:d"}, "children.0"), "\"" + child + "\"");
  EXPECT_EQ(seen({own, "read:tasks:d"}, "parent"), "absent");
}

TEST_P(RetrieveRoute, AnUnknownRunIsToBeAskedForAgain) {
  const Reply reply = call("GET /api/v3/runs/run_none");
  expect_error(reply, 404, "Not found");
  EXPECT_EQ(reply.headers.at("x-should-retry"), "true");
  expect_error(call_as(token({}), "GET /api/v3/runs/run_none"), 404, "Not found");
}

TEST_P(RetrieveRoute, ATokenReadsARunByIdTaskTagOrBatch) {
  const std::string id = trigger("t", R"({"tags":["user:1","x"]})");
  for (const std::string& scope : {"read:runs:" + id, std::string("read:runs"), std::string("read:tasks:t"),
                                   std::string("read:tags:user:1"), std::string("*:all"), std::string("read")}) {
    EXPECT_EQ(call_as(token({"read:runs:other", scope}), "GET /api/v3/runs/" + id).status, 200u) << scope;
  }
  for (const std::string& scope : {"write:runs:" + id, std::string("read:runs:"), std::string("read:tasks:other"),
                                   std::string("read:tags:user"), std::string("read:batch"), std::string("")}) {
    EXPECT_EQ(call_as(token({scope}), "GET /api/v3/runs/" + id).status, 403u) << scope;
  }
}

TEST_P(RetrieveRoute, AnIdWithStrangeCharactersIsAnId) {
  server::Trigger strange;
  strange.task = "t";
  tested_->add("a:b.c", strange);
  EXPECT_EQ(at(call("GET /api/v3/runs/a%3Ab%2Ec"), "id"), R"("a:b.c")");
}

class ListRoute : public ApiTest {
 protected:
  Reply list(const std::string& query) { return call("GET /api/v1/runs" + (query.empty() ? "" : "?" + query)); }
  RunIds ids(const Reply& reply) {
    EXPECT_EQ(reply.status, 200u) << reply.body;
    RunIds out;
    for (int i = 0;; ++i) {
      const std::string id = at(reply, "data." + std::to_string(i) + ".id");
      if (id == "absent") {
        return out;
      }
      out.push_back(id.substr(1, id.size() - 2));
    }
  }
  static std::string text(const std::string& json) { return json.substr(1, json.size() - 2); }
  void expect_query_error(const std::string& query, const std::string& path) {
    const Reply reply = list(query);
    expect_error(reply, 400, "Query Error");
    EXPECT_EQ(at(reply, "details.0.path"), "\"" + path + "\"") << query;
    EXPECT_NE(at(reply, "details.0.message"), "absent");
  }
};

TEST_P(ListRoute, ShowsRunsNewestFirstWithTheirEnvironment) {
  const std::string first = trigger("t", R"({"metadata":{"a":1}})", "1");
  const std::string second = trigger();
  const Reply reply = list("");
  EXPECT_EQ(ids(reply), RunIds({second, first}));
  EXPECT_EQ(at(reply, "data.0.env"), R"({"id":"env_0123","name":"dev"})");
  EXPECT_EQ(at(reply, "data.1.metadata"), R"({"a":1})");
  EXPECT_EQ(at(reply, "data.1.payload"), "absent");
  EXPECT_EQ(at(reply, "data.1.depth"), "absent");
  EXPECT_EQ(at(reply, "pagination"), "{}");
  EXPECT_EQ(call("GET /api/v1/projects/proj_1/runs?filter%5Benv%5D=prod").body, reply.body);
  EXPECT_EQ(call("HEAD /api/v1/runs").status, 200u);
}

TEST_P(ListRoute, AnEmptyListIsAList) { EXPECT_EQ(list("").body, R"({"data":[],"pagination":{}})"); }

TEST_P(ListRoute, PagesGoForthAndBackWhileRunsChange) {
  RunIds made;
  for (int i = 0; i < 7; ++i) {
    made.insert(made.begin(), trigger());
  }
  RunIds seen;
  std::string cursor;
  std::string second_page;
  for (bool more = true; more;) {
    const Reply reply = list("page%5Bsize%5D=3" + (cursor.empty() ? "" : "&page%5Bafter%5D=" + cursor));
    for (const std::string& id : ids(reply)) {
      seen.push_back(id);
    }
    call("PUT /api/v1/runs/" + made.back() + "/metadata", R"({"metadata":{"x":1}})");
    trigger();
    second_page = seen.size() == 6 ? cursor : second_page;
    more = at(reply, "pagination.next") != "absent";
    EXPECT_EQ(at(reply, "pagination.previous") == "absent", cursor.empty());
    cursor = more ? text(at(reply, "pagination.next")) : text(at(reply, "pagination.previous"));
  }
  EXPECT_EQ(seen, made);
  const Reply back = list("page[size]=2&page[after]=" + second_page + "&page[before]=" + cursor);
  EXPECT_EQ(ids(back), RunIds({made[4], made[5]})) << "before wins";
}

TEST_P(ListRoute, TheSizeOfAPageIs25Or1To100) {
  for (int i = 0; i < 26; ++i) {
    trigger();
  }
  EXPECT_EQ(ids(list("")).size(), 25u);
  EXPECT_EQ(ids(list("page%5Bsize%5D=100")).size(), 26u);
  for (const char* size : {"0", "101", "-1", "x", "", "1.5", "99999999999999999999"}) {
    expect_query_error("page[size]=" + std::string(size), "page[size]");
  }
  expect_query_error("page[after]=nonsense", "page[after]");
  expect_query_error("page[before]=nonsense", "page[before]");
  expect_query_error("page[number]=2", "page[number]");
}

TEST_P(ListRoute, FiltersMatchAnyOfTheirValuesAndAllOfThemTogether) {
  const std::string a = trigger("a", R"({"tags":["x","y"],"test":true})");
  const std::string b = trigger("b", R"({"tags":["y"]})");
  const std::string c = trigger("c", R"({"metadata":{"user":{"id":"user_1234"},"n":5}})");
  set_status(a, RunStatus::kCompleted);
  set_status(b, RunStatus::kExecuting);
  EXPECT_EQ(ids(list("filter%5Bstatus%5D=COMPLETED%2CQUEUED")), RunIds({c, a}));
  EXPECT_EQ(ids(list("filter[taskIdentifier]=b,c")), RunIds({c, b}));
  EXPECT_EQ(ids(list("filter[tag]=x,y")), RunIds({b, a}));
  EXPECT_EQ(ids(list("filter[tag]=y&filter[taskIdentifier]=a,c")), RunIds({a}));
  EXPECT_EQ(ids(list("filter[isTest]=true")), RunIds({a}));
  EXPECT_EQ(ids(list("filter[isTest]=false")), RunIds({c, b}));
  EXPECT_EQ(ids(list("filter[batch]=batch_none")), RunIds());
  EXPECT_EQ(ids(list("filter%5Bmetadata.user.id%5D=user_1234")), RunIds({c}));
  EXPECT_EQ(ids(list("filter[metadata.n]=5.0")), RunIds({c}));
  EXPECT_EQ(ids(list("filter[metadata.n]=6")), RunIds());
  const std::string d = trigger("t", R"({"metadata":{"done":true,"none":null,"list":[1]}})");
  EXPECT_EQ(ids(list("filter[metadata.done]=true")), RunIds({d}));
  EXPECT_EQ(ids(list("filter[metadata.none]=null")), RunIds({d}));
  EXPECT_EQ(ids(list("filter[metadata.list]=[1]")), RunIds());
  EXPECT_EQ(ids(list("unknown=1")).size(), 4u);
}

TEST_P(ListRoute, TimesOfCreationAreInclusive) {
  now_us_ += 456;  // clients know no microseconds
  const std::string a = trigger();
  const int64_t a_us = now_us_;
  now_us_ += 999'000;
  const std::string b = trigger();
  const auto ms = [](int64_t us) { return std::to_string(us / 1000); };
  EXPECT_EQ(ids(list("filter[createdAt][from]=" + ms(a_us))), RunIds({b, a}));
  EXPECT_EQ(ids(list("filter[createdAt][from]=" + ms(a_us + 1000))), RunIds({b}));
  EXPECT_EQ(ids(list("filter[createdAt][to]=" + ms(a_us))), RunIds({a}));
  EXPECT_EQ(ids(list("filter%5BcreatedAt%5D%5Bto%5D=2026-11-30T00%3A53%3A20.001Z")), RunIds({a}));
  now_us_ += 10'000'000;
  EXPECT_EQ(ids(list("filter[createdAt][period]=10s")), RunIds({b}));
  EXPECT_EQ(ids(list("filter[createdAt][period]=2w&filter[createdAt][to]=1")), RunIds({b, a})) << "the period wins";
  for (const char* place : {"from", "to", "period"}) {
    expect_query_error("filter[createdAt][" + std::string(place) + "]=soon",
                       "filter[createdAt][" + std::string(place) + "]");
  }
}

// The client sends its empty lists so.
TEST_P(ListRoute, AnEmptyListIsNoFilter) {
  const std::string id = trigger();
  EXPECT_EQ(ids(list("filter[status]=&filter[tag]=&filter[taskIdentifier]=&filter[batch]=")), RunIds({id}));
  EXPECT_EQ(ids(list("filter[createdAt][to]=9223372036854775")), RunIds({id}));
}

TEST_P(ListRoute, WhatCannotBeFilteredByIsNamed) {
  for (const char* name : {"version", "schedule", "bulkAction", "queue", "machine", "region", "error", "colour"}) {
    expect_error(list("filter%5B" + std::string(name) + "%5D=x"), 400,
                 "filter[" + std::string(name) + "] is not served: there is nothing here to filter by it");
  }
  expect_query_error("filter[status]=RUNNING", "filter[status]");
  expect_query_error("filter[isTest]=1", "filter[isTest]");
  expect_query_error("filter[metadata.]=1", "filter[metadata.]");
  expect_query_error("filter%5", "query");
  expect_query_error("a=%FF", "query");
}

TEST_P(ListRoute, ATokenListsAllRunsOrThoseOfItsTasks) {
  const auto status = [this](const std::string& scope, const std::string& query) {
    return call_as(token({scope}), "GET /api/v1/runs" + query).status;
  };
  EXPECT_EQ(status("read:runs", ""), 200u);
  EXPECT_EQ(status("read:tasks", ""), 200u);
  EXPECT_EQ(status("read:runs:run_1", ""), 403u);
  EXPECT_EQ(status("read:tasks:a", ""), 403u);
  EXPECT_EQ(status("read:tasks:a", "?filter[taskIdentifier]=a"), 200u);
  EXPECT_EQ(status("read:tasks:a", "?filter[taskIdentifier]=a,b"), 403u);
  EXPECT_EQ(status("read:tags:x", "?filter[tag]=x"), 403u);
  EXPECT_EQ(status("", "?filter[status]=NONE"), 400u);
}

TEST_P(ListRoute, TwoServersShowTheSamePages) {
  start_other();
  RunIds made;
  for (int i = 0; i < 5; ++i) {
    made.insert(made.begin(), trigger());
  }
  const Reply first = list("page[size]=2");
  api_address_ = other_address_;
  const Reply second = list("page[size]=3&page[after]=" + text(at(first, "pagination.next")));
  EXPECT_EQ(ids(second), RunIds({made[2], made[3], made[4]}));
}

TEST_P(ListRoute, TroubleOfTheStorageIs503) {
  tested_->set_trouble({Code::kAgain, "not now"});
  EXPECT_EQ(list("").status, 503u);
  EXPECT_EQ(call("GET /api/v3/runs/run_1").status, 503u);
}

CAIRN_ON_EACH_STORAGE(RetrieveRoute);
CAIRN_ON_EACH_STORAGE(ListRoute);

}  // namespace
}  // namespace cairn::tests
