// Cairn's own routes: who takes a run, and how it ends.
#include <thread>

#include "tests/server/api_fixture.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;

class OwnRoutes : public ApiTest {
 protected:
  Reply status(const std::string& id, const std::string& body, const std::string& headers = "") {
    return call("POST /cairn/v1/runs/" + id + "/status", body, headers);
  }
  Reply finish(const std::string& id, const std::string& body = "", const std::string& headers = "") {
    return call("POST /cairn/v1/runs/" + id + "/finish", body, headers);
  }
};

TEST_P(OwnRoutes, ALongErrorIsCutAndAnEmptyOneIsNone) {
  const auto error_of = [this](const std::string& error) {
    const std::string id = trigger();
    EXPECT_EQ(finish(id, R"({"status":"FAILED","error":)" + error + "}").status, 200u);
    return run(id).error;
  };
  EXPECT_EQ(error_of(R"({"message":""})"), "");
  EXPECT_EQ(error_of(R"({"message":")" + std::string(4095, 'x') + "\xc3\xa9\"}"), std::string(4095, 'x'));
}

TEST_P(OwnRoutes, AWorkerTakesARunFromQueued) {
  const std::string id = trigger();
  now_us_ += 1000;
  EXPECT_EQ(status(id, R"({"status":"EXECUTING","from":"QUEUED"})").body,
            R"({"id":")" + id + R"(","status":"EXECUTING"})");
  EXPECT_EQ(run(id).started_us, now_us_);
  const Reply late = status(id, R"({"from":"QUEUED","status":"EXECUTING"})");
  EXPECT_EQ(late.status, 409u);
  EXPECT_EQ(late.body, R"({"error":"The run is EXECUTING","status":"EXECUTING"})");
  EXPECT_EQ(late.headers.at("x-should-retry"), "false");
  EXPECT_EQ(status(id, R"({"status":"waiting"})").status, 200u);
  EXPECT_EQ(run(id).status, RunStatus::kWaiting);
}

TEST_P(OwnRoutes, OfTwentyWhoTakeARunOneGetsIt) {
  start_other();
  for (int round = 0; round < 5; ++round) {
    const std::string id = trigger();
    std::atomic<int> won{0};
    std::atomic<int> lost{0};
    std::vector<std::thread> workers;
    for (int i = 0; i < 20; ++i) {
      workers.emplace_back([&, i] {
        const std::string& address = i % 2 == 0 ? api_address_ : other_address_;
        Client client(address);
        const std::string body = R"({"status":"EXECUTING","from":"QUEUED"})";
        client.send("POST /cairn/v1/runs/" + id + "/status HTTP/1.1\r\nHost: " + address +
                    "\r\nAuthorization: Bearer " + kKey + "\r\nx-trigger-request-idempotency-key: " +
                    std::to_string(i) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
        const unsigned got = client.read_reply().status;
        won += got == 200 ? 1 : 0;
        lost += got == 409 ? 1 : 0;
      });
    }
    for (std::thread& worker : workers) {
      worker.join();
    }
    EXPECT_EQ(won, 1);
    EXPECT_EQ(lost, 19);
  }
}

TEST_P(OwnRoutes, WhoWonIsToldSoAgain) {
  const std::string id = trigger();
  const std::string key = "x-trigger-request-idempotency-key: 1\r\n";
  const std::string body = R"({"status":"EXECUTING","from":"QUEUED"})";
  const Reply first = status(id, body, key);
  EXPECT_EQ(status(id, body, key).body, first.body);
  EXPECT_EQ(status(id, body).status, 409u);
}

TEST_P(OwnRoutes, ARunEndsWithAnOutput) {
  const std::string id = trigger();
  status(id, R"({"status":"EXECUTING"})");
  now_us_ += 1000;
  EXPECT_EQ(finish(id, R"({"output":"done"})").body, R"({"id":")" + id + R"(","status":"COMPLETED"})");
  const auto view = run(id, server::kOutput);
  EXPECT_EQ(view.finished_us, now_us_);
  EXPECT_EQ(view.output, (server::TypedText{"application/json", "\"done\""}));
  EXPECT_EQ(at(call("GET /api/v3/runs/" + id), "output"), "\"done\"");
  const Reply again = finish(id, R"({"status":"FAILED","error":"late"})");
  EXPECT_EQ(again.status, 409u);
  EXPECT_EQ(at(again, "status"), "\"COMPLETED\"");
  EXPECT_EQ(status(id, R"({"status":"EXECUTING"})").status, 409u);
}

TEST_P(OwnRoutes, AnOutputHasATypeOrIsJson) {
  const auto output = [this](const std::string& members) {
    const std::string id = trigger();
    EXPECT_EQ(finish(id, "{" + members + "}").status, 200u) << members;
    return at(call("GET /api/v3/runs/" + id), "output");
  };
  EXPECT_EQ(output(R"("outputType":"application/super+json","output":"{\"json\":{\"a\":1}}")"), R"({"a":1})");
  EXPECT_EQ(output(R"("outputType":"text/plain","output":"5")"), R"("5")");
  EXPECT_EQ(output(R"("outputType":"application/json","output":"5")"), "5");
  EXPECT_EQ(output(R"("output":[1,{}])"), "[1,{}]");
  EXPECT_EQ(output(R"("output":null)"), "absent");
  EXPECT_EQ(output(""), "absent");
}

TEST_P(OwnRoutes, ARunEndsWithAnErrorInEachFinalStatus) {
  for (const char* name : {"CANCELED", "FAILED", "CRASHED", "SYSTEM_FAILURE", "EXPIRED", "TIMED_OUT"}) {
    const std::string id = trigger();
    EXPECT_EQ(
        at(finish(id, R"({"status":")" + std::string(name) + R"(","error":{"message":"why","name":"X"}})"), "status"),
        "\"" + std::string(name) + "\"");
    EXPECT_EQ(at(call("GET /api/v3/runs/" + id), "error.message"), "\"why\"");
  }
  const std::string crashed = trigger();
  finish(crashed, R"({"status":"CRASHED"})");
  EXPECT_EQ(run(crashed).finished_us, 0);
  EXPECT_EQ(status(crashed, R"({"status":"EXECUTING","from":"CRASHED"})").status, 200u) << "it can be resumed";
}

TEST_P(OwnRoutes, AnEndMayAskForAStatusToo) {
  const std::string id = trigger();
  EXPECT_EQ(finish(id, R"({"from":"EXECUTING"})").status, 409u);
  EXPECT_EQ(finish(id, R"({"from":"QUEUED"})").status, 200u);
}

TEST_P(OwnRoutes, ARepeatedEndIsOne) {
  const std::string id = trigger();
  const std::string key = "x-trigger-request-idempotency-key: 1\r\n";
  EXPECT_EQ(finish(id, "", key).status, 200u) << "a body is not needed";
  EXPECT_EQ(finish(id, "", key).status, 200u);
  EXPECT_EQ(finish(id).status, 409u);
}

TEST_P(OwnRoutes, WhatDoesNotFitIsRefused) {
  const std::string id = trigger();
  const std::string statuses =
      "Validation error: status must be QUEUED, DEQUEUED, EXECUTING or WAITING; a run ends by /finish";
  expect_error(status(id, ""), 400, "Request body is empty");
  expect_error(status(id, "{}"), 400, statuses);
  expect_error(status(id, R"({"status":"COMPLETED"})"), 400, statuses);
  expect_error(status(id, R"({"status":"DELAYED"})"), 400, statuses);
  expect_error(status(id, R"({"status":"RUNNING"})"), 400, "Validation error: status is no status");
  expect_error(status(id, R"({"status":"EXECUTING","from":"IDLE"})"), 400, "Validation error: from is no status");
  expect_error(status(id, R"({"status":1})"), 400, "Validation error: status must be a string");
  expect_error(status("run_none", R"({"status":"EXECUTING"})"), 404, "Run not found");
  expect_error(finish(id, R"({"status":"EXECUTING"})"), 400,
               "Validation error: status must be COMPLETED, CANCELED, FAILED, CRASHED, SYSTEM_FAILURE, EXPIRED or "
               "TIMED_OUT");
  expect_error(finish(id, R"({"error":"x"})"), 400, "Validation error: error does not go with COMPLETED");
  expect_error(finish(id, R"({"status":"FAILED","error":{}})"), 400, "Validation error: error.message is required");
  expect_error(finish(id, R"({"status":"FAILED","error":1})"), 400, "Validation error: error must be a string");
  expect_error(finish(id, R"({"output":"{","outputType":"application/json"})"), 400,
               "Validation error: output is not application/json: it does not parse. Send text as text/plain");
  expect_error(finish(id, R"({"output":1,"outputType":"text/plain"})"), 400,
               "Validation error: output must be a string, the text of what outputType names");
  expect_error(finish(id, "["), 400, "Invalid JSON");
  expect_error(finish("run_none"), 404, "Run not found");
  const std::string big = R"({"output":")" + std::string(256 << 10, 'x') + "\"}";
  expect_error(finish(id, big), 413, "Output exceeds maximum size of 262144 bytes");
  expect_error(finish("run_none", big), 404, "Run not found");
  EXPECT_EQ(finish(id, R"({"from":"WAITING",)" + big.substr(1)).status, 409u) << "the status is looked at before";
  EXPECT_EQ(run(id).status, RunStatus::kQueued);
  EXPECT_EQ(call_as(token({"admin"}), "POST /cairn/v1/runs/" + id + "/finish").status, 401u);
  EXPECT_EQ(call_as(token({"admin"}), "POST /cairn/v1/runs/" + id + "/status", "{}").status, 401u);
}

TEST_P(OwnRoutes, TroubleOfTheStorageIs503) {
  tested_->set_trouble({Code::kBusy, "not now"});
  EXPECT_EQ(status("run_1", R"({"status":"EXECUTING"})").status, 503u);
  EXPECT_EQ(finish("run_1").status, 503u);
}

CAIRN_ON_EACH_STORAGE(OwnRoutes);

}  // namespace
}  // namespace cairn::tests
