// Cairn's own routes for the commands of `cairn`: start, change, take up, erase a run; what changed; whole runs.
#include "tests/server/api_fixture.h"

namespace cairn::tests {
namespace {

class CommandRoutes : public ApiTest {
 protected:
  static std::string once(const std::string& key) { return "x-trigger-request-idempotency-key: " + key + "\r\n"; }
  Reply start(const std::string& body, const std::string& headers = "") {
    return call("POST /cairn/v1/runs", body, headers);
  }
  Reply change(const std::string& id, const std::string& body, const std::string& headers = "") {
    return call("POST /cairn/v1/runs/" + id + "/operations", body, headers);
  }
  std::string metadata(const std::string& id) { return run(id).metadata; }
};

constexpr const char* kIncrement = R"([{"type":"increment","key":"n","value":1}])";

TEST_P(CommandRoutes, ARunIsStartedAsTheCommandPrintsIt) {
  const Reply made =
      start(R"({"id":"r","task":"backup","tags":["a"],"parent":"p","root":"q","metadata":{"n":9007199254740993}})",
            once("1"));
  EXPECT_EQ(made.status, 200u);
  EXPECT_EQ(
      made.body,
      R"({"id":"r","status":"EXECUTING","orphaned":false,"task":"backup","tags":["a"],"parent":"p","root":"q",)"
      R"("created_at":"2026-11-30T00:53:20.000Z","updated_at":"2026-11-30T00:53:20.000Z","depth":1,"sequence":"1",)"
      R"("metadata_bytes":22,"metadata":{"n":9007199254740993}})");
  EXPECT_EQ(start(R"({"id":"r"})", once("1")).body, made.body) << "the same request";
  const Reply taken = start(R"({"id":"r"})", once("2"));
  EXPECT_EQ(taken.status, 409u);
  EXPECT_EQ(taken.body,
            R"({"error":"an earlier process left this run unfinished: resume it","code":"EXISTS","key":"r"})");
  EXPECT_EQ(taken.headers.at("x-should-retry"), "false");
  EXPECT_EQ(start(R"({"id":"r","resume":true})").status, 200u);
  const Reply named = start("");
  EXPECT_EQ(at(named, "id").substr(0, 5), "\"run_");
}

TEST_P(CommandRoutes, WhatDoesNotFitAStartIsSaid) {
  expect_error(start(R"({"resume":true})"), 400,
               "Validation error: id is required with resume: without one there is nothing to resume");
  expect_error(start(R"({"id":".x"})"), 400,
               "Validation error: id does not fit: a run id is 1 to 64 of A-Z a-z 0-9 _ - . : and does not begin with "
               ". or :");
  expect_error(start(R"({"metadata":[]})"), 400, "Validation error: metadata must be an object");
  const Reply large = start(R"({"id":"r","metadata":{"a":")" + std::string(5000, 'x') + "\"}}");
  EXPECT_EQ(large.status, 413u);
  EXPECT_EQ(at(large, "code"), "\"TOO_LARGE\"");
  EXPECT_EQ(at(large, "limit"), "4096");
  EXPECT_EQ(run_count(), 0u);
}

TEST_P(CommandRoutes, OperationsInTurnAreAnsweredOneByOne) {
  start(R"({"id":"r","metadata":{"n":1}})");
  const std::string body = R"({"operations":[{"type":"increment","key":"n","value":1},{"type":"delete","key":"x"},)"
                           R"({"type":"remove","key":"n","value":1}]})";
  const Reply done = change("r", body, once("1"));
  EXPECT_EQ(done.body,
            R"x({"id":"r","outcomes":["applied","unchanged","unapplied(the value is not an array)"],"sequence":"2"})x");
  EXPECT_EQ(change("r", body, once("1")).body, done.body);
  EXPECT_EQ(metadata("r"), R"({"n":2})");
  const Reply stopped =
      change("r", R"({"operations":[{"type":"set","key":"a","value":1},{"type":"set","key":"b","value":")" +
                      std::string(5000, 'x') + "\"}]}");
  EXPECT_EQ(stopped.status, 413u);
  EXPECT_EQ(at(stopped, "code"), "\"TOO_LARGE\"");
  EXPECT_EQ(at(stopped, "index"), "1");
  EXPECT_EQ(at(stopped, "outcomes"), R"(["applied"])");
  EXPECT_EQ(metadata("r"), R"({"n":2,"a":1})");
  EXPECT_EQ(change("r", R"({"operations":[]})").body, R"({"id":"r","outcomes":[],"sequence":"3"})");
}

TEST_P(CommandRoutes, TogetherAllOrNone) {
  start(R"({"id":"top"})");
  start(R"({"id":"child","parent":"top"})");
  const std::string all = R"({"runs":[{"id":"child","operations":)" + std::string(kIncrement) +
                          R"(,"parentOperations":)" + kIncrement + R"(},{"id":"top","operations":)" + kIncrement +
                          "}]}";
  const Reply done = call("POST /cairn/v1/operations", all, once("1"));
  EXPECT_EQ(done.status, 200u);
  EXPECT_EQ(at(done, "parts.1.id"), "\"top\"");
  EXPECT_EQ(at(done, "parts.1.outcome"), "\"applied\"");
  EXPECT_EQ(call("POST /cairn/v1/operations", all, once("1")).status, 200u);
  EXPECT_EQ(metadata("top"), R"({"n":2})");
  const Reply none = call("POST /cairn/v1/operations",
                          R"({"runs":[{"id":"top","operations":)" + std::string(kIncrement) +
                              R"(},{"id":"child","operations":[{"type":"remove","key":"x","value":1}]}]})");
  EXPECT_EQ(none.status, 422u);
  EXPECT_EQ(none.body, R"({"error":"no such key","code":"UNAPPLIED","key":"x","index":1})");
  EXPECT_EQ(metadata("top"), R"({"n":2})");
  const Reply one = change("child", R"({"atomic":true,"rootOperations":)" + std::string(kIncrement) + "}");
  EXPECT_EQ(at(one, "parts.0.id"), "\"top\"");
  EXPECT_EQ(metadata("top"), R"({"n":3})");
}

TEST_P(CommandRoutes, WhatDoesNotFitOperationsIsSaid) {
  start(R"({"id":"r"})");
  expect_error(change("r", "{}"), 400,
               "Validation error: operations is required, or parentOperations or rootOperations");
  expect_error(change("r", R"({"operations":1})"), 400, "Validation error: operations must be a list of operations");
  expect_error(
      change("r", R"({"parentOperations":[]})"), 400,
      "Validation error: atomic must be true with parentOperations or rootOperations: they change with the run");
  expect_error(call("POST /cairn/v1/operations", R"({"runs":[{"operations":[]}]})"), 400,
               "Validation error: runs[0].id is required, a string");
  expect_error(call("POST /cairn/v1/operations", R"({"runs":[]})"), 400,
               "Validation error: runs must be a list of 1 to 10000 runs with operations");
  EXPECT_EQ(change("none", R"({"operations":[]})").body,
            R"({"error":"there is no such run in this store","code":"NO_SUCH_RUN","key":"none"})");
  EXPECT_EQ(call("POST /cairn/v1/runs/r/finish").status, 200u);
  const Reply over = change("r", R"({"operations":)" + std::string(kIncrement) + "}");
  EXPECT_EQ(over.status, 409u);
  EXPECT_EQ(at(over, "code"), "\"FINISHED\"");
}

TEST_P(CommandRoutes, ARunIsTakenUpAndErased) {
  start(R"({"id":"r"})");
  EXPECT_EQ(call("POST /cairn/v1/runs/r/finish", R"({"status":"CRASHED","durable":true})").status, 200u);
  EXPECT_EQ(at(call("POST /cairn/v1/runs/r/resume"), "status"), "\"EXECUTING\"");
  EXPECT_EQ(call("POST /cairn/v1/runs/none/resume").status, 404u);
  EXPECT_EQ(call("DELETE /cairn/v1/runs/r?sequence=1").status, 409u) << "it was at that sequence, and is not";
  EXPECT_EQ(call("DELETE /cairn/v1/runs/r?sequence=x").status, 400u);
  EXPECT_EQ(call("DELETE /cairn/v1/runs/r?when=1").body,
            R"({"error":"there is no parameter 'when' here; they are sequence","parameter":"when"})");
  const Reply gone = call("DELETE /cairn/v1/runs/r", "", once("1"));
  EXPECT_EQ(gone.body, R"({"id":"r","outcome":"erased"})");
  EXPECT_EQ(call("DELETE /cairn/v1/runs/r", "", once("1")).body, gone.body);
  EXPECT_EQ(call("DELETE /cairn/v1/runs/r", "", once("2")).status, 404u);
  EXPECT_EQ(call("GET /cairn/v1/runs/r").status, 404u);
}

TEST_P(CommandRoutes, ChangesGoOnWhereTheyWere) {
  start(R"({"id":"a"})");
  start(R"({"id":"b"})");
  const Reply all = call("GET /cairn/v1/changes");
  EXPECT_EQ(at(all, "runs.0.id"), "\"b\"") << all.body;
  EXPECT_EQ(at(all, "runs.1.id"), "\"a\"");
  EXPECT_EQ(at(all, "complete"), "true");
  const auto after = [this](const Reply& reply, const std::string& more = "") {
    const std::string next = at(reply, "next");
    return call("GET /cairn/v1/changes?after=" + next.substr(1, next.size() - 2) + more);
  };
  const Reply nothing = after(all);
  EXPECT_EQ(at(nothing, "runs"), "[]");
  EXPECT_EQ(at(nothing, "reset"), "false");
  change("a", R"({"operations":)" + std::string(kIncrement) + "}");
  call("DELETE /cairn/v1/runs/b");
  const Reply some = after(nothing);
  EXPECT_EQ(at(some, "runs.0.metadata"), R"({"n":1})");
  EXPECT_EQ(at(some, "runs.1"), "absent");
  EXPECT_EQ(at(some, "erased"), R"(["b"])");
  tested_->restart();
  EXPECT_EQ(at(after(some), "reset"), "true");
  const Reply one = call("GET /cairn/v1/changes?run=a");
  EXPECT_EQ(at(one, "runs.0.id"), "\"a\"");
  EXPECT_EQ(at(after(one, "&run=a"), "runs"), "[]");
  EXPECT_EQ(at(call("GET /cairn/v1/changes?run=none"), "erased"), R"(["none"])");
  EXPECT_EQ(call("GET /cairn/v1/changes?after=x").status, 400u);
}

TEST_P(CommandRoutes, WholeRunsComeInTheOrderOfTheirIds) {
  start(R"({"id":"b"})");
  start(R"({"id":"a","metadata":{"x":1}})");
  const std::string id = trigger("t", R"({"metadata":{"k":[]},"tags":["z"]})", R"({"in":1})");
  const Reply page = call("GET /cairn/v1/export?limit=2");
  EXPECT_EQ(at(page, "runs.0.id"), "\"a\"");
  EXPECT_EQ(at(page, "runs.0.metadata"), R"({"x":1})");
  EXPECT_EQ(at(page, "runs.0.created_us"), std::to_string(kStartUs));
  EXPECT_EQ(at(page, "runs.1.id"), "\"b\"");
  const std::string next = at(page, "next_cursor");
  const Reply last = call("GET /cairn/v1/export?limit=2&cursor=" + next.substr(1, next.size() - 2));
  EXPECT_EQ(at(last, "runs.0.id"), "\"" + id + "\"");
  EXPECT_NE(at(last, "runs.0.payload"), "absent");
  EXPECT_NE(at(last, "runs.0.triggered_with"), "absent");
  EXPECT_EQ(at(last, "next_cursor"), "absent");
  EXPECT_EQ(call("GET /cairn/v1/export?run=" + id).body, last.body);
  EXPECT_EQ(call("GET /cairn/v1/export?run=none").body, R"({"runs":[]})");
}

TEST_P(CommandRoutes, OnlyAnApiKeyOpensThem) {
  start(R"({"id":"r"})");
  for (const char* line : {"POST /cairn/v1/runs", "DELETE /cairn/v1/runs/r", "POST /cairn/v1/runs/r/operations",
                           "POST /cairn/v1/operations", "GET /cairn/v1/changes", "GET /cairn/v1/export"}) {
    EXPECT_EQ(call_as(token({"admin"}), line).status, 401u) << line;
  }
}

TEST_P(CommandRoutes, TroubleOfTheStorageIs503WithItsCode) {
  tested_->set_trouble({Code::kNoSpace, "the disk is full"});
  const Reply full = start("{}");
  EXPECT_EQ(full.status, 503u);
  EXPECT_EQ(full.body, R"({"error":"the disk is full","code":"NO_SPACE"})");
  EXPECT_EQ(call("DELETE /cairn/v1/runs/r").status, 503u);
  EXPECT_EQ(change("r", R"({"operations":[]})").status, 503u);
}

CAIRN_ON_EACH_STORAGE(CommandRoutes);

}  // namespace
}  // namespace cairn::tests
