// What a `cairn serve` answers about runs is what the command prints about them.
#ifdef CAIRN_TOOLS_NETWORK

#include "tests/cli/server_fixture.h"
#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

class RoutesAsCommand : public ServerTest {
 protected:
  static std::string get(const std::string& address, const std::string& path) {
    Client client(address);
    client.send("GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
    return client.read_reply().body;
  }
  /// The lines of `cairn ls --json` as the route has them.
  std::string listed(const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {"ls", "--json"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::istringstream lines(at("up", all).out);
    std::string runs, next;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("{\"next_cursor\"")) {
        next = "," + line.substr(1, line.size() - 2);
      } else {
        runs += (runs.empty() ? "" : ",") + line;
      }
    }
    return "{\"runs\":[" + runs + "]" + next + "}";
  }
  /// "--task T" as "task=T".
  void expect_same(const std::string& address, const std::vector<std::string>& arguments) {
    std::string query;
    for (size_t i = 0; i < arguments.size(); i += 2) {
      query += (query.empty() ? "?" : "&") + arguments[i].substr(2) + "=" + arguments[i + 1];
    }
    EXPECT_EQ(get(address, "/cairn/v1/runs" + query), listed(arguments)) << query;
  }
};

TEST_F(RoutesAsCommand, RunsAndOneRunAndWhy) {
  const std::string id = at("up", {"start", "--task", "t", "--tag", "b", "--tag", "a", "--id", "first"}).out;
  at("up", {"set", "first", "n", "9007199254740993"});
  at("up", {"set", "first", "x", R"({"deep":[1.5,null,"\u00e9"]})"});
  at("up", {"start", "--task", "u", "--id", "second", "--parent", "first"});
  at("up", {"finish", "second", "--status", "FAILED", "--error", "no disk"});
  at("up", {"start", "--id", "third"});
  const std::string address = serve("up");
  Client client(address);
  const std::string body = R"({"payload":{"in":1},"options":{"tags":["z","y"],"ttl":"1h","metadata":{"k":[]}}})";
  client.send("POST /api/v1/tasks/work/trigger HTTP/1.1\r\nHost: " + address +
              "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  const std::string queued = Json::parse(client.read_reply().body)["id"];
  expect_same(address, {});
  for (const char* order : {"newest", "oldest", "id"}) {
    expect_same(address, {"--order", order});
    expect_same(address, {"--order", order, "--limit", "2"});
  }
  expect_same(address, {"--status", "FAILED", "--status", "QUEUED"});
  expect_same(address, {"--tag", "b", "--tag", "a"});
  expect_same(address, {"--parent", "first", "--root", "first"});
  expect_same(address, {"--text", "DEEP"});
  for (const std::string& run : {std::string("first"), std::string("second"), queued}) {
    Json shown = Json::parse(get(address, "/cairn/v1/runs/" + run));
    EXPECT_EQ(shown["durability"]["memory"]["sequence"], shown["sequence"]);
    EXPECT_EQ(shown["durability"]["process"]["sequence"], shown["sequence"]);
    EXPECT_EQ(shown["durability"]["upstream"], nullptr);
    EXPECT_EQ(shown["why"].dump() + "\n", at("up", {"why", run, "--json"}).out);
    shown.erase("durability");
    shown.erase("why");
    EXPECT_EQ(shown.dump() + "\n", at("up", {"show", run, "--json"}).out);
  }
  const std::string changed = R"({"operations":[{"type":"set","key":"more","value":1}]})";
  for (int i = 0; i < 3; ++i) {
    Client writer(address);
    writer.send("PUT /api/v1/runs/" + queued + "/metadata HTTP/1.1\r\nHost: " + address +
                "\r\nContent-Length: " + std::to_string(changed.size()) + "\r\n\r\n" + changed);
    EXPECT_EQ(writer.read_reply().status, 200u);
    expect_same(address, {"--order", "id"});
  }
}

TEST_F(RoutesAsCommand, WhatTheStoreTellsOfItself) {
  at("up", {"start", "--id", "first", "--metadata", R"({"n":1})"});
  const std::string address = serve("up");
  const Json store = Json::parse(get(address, "/cairn/v1/store"));
  const Json stats = at("up", {"stats", "--json"}).parsed();
  for (const char* name : {"store_id", "runs", "orphaned_runs", "runs_by_status", "foreign_runs", "created_at",
                           "owner_pid", "owner_alive", "metadata_bytes", "segments"}) {
    EXPECT_EQ(store[name], stats[name]) << name;
  }
  EXPECT_GE(number_of(store["durable_lsn"]), 1u);
  EXPECT_GT(store["disk_bytes"], 0);
  EXPECT_EQ(Json::parse(get(address, "/cairn/v1/sync"))["attached"], false);
  EXPECT_EQ(get(address, "/cairn/v1/dead"), R"({"dead":[]})");
  EXPECT_EQ(get(address, "/cairn/v1/stores"), R"({"stores":[]})");
  // A store that sends here is in the list, and its runs are.
  at("down", {"start", "--id", "sent"});
  at("down", {"sync", "--upstream", "http://" + address});
  Json senders;
  ASSERT_TRUE(tests::wait_for([&] {
    senders = Json::parse(get(address, "/cairn/v1/stores"))["stores"];
    return !senders.empty();
  }));
  ASSERT_EQ(senders.size(), 1u);
  EXPECT_EQ(senders[0]["store_id"], at("down", {"stats", "--json"}).parsed()["store_id"]);
  EXPECT_EQ(senders[0]["batches"], 1);
  EXPECT_EQ(senders[0]["unfinished_runs"], 1);
  EXPECT_EQ(senders[0]["gone"], false);
  EXPECT_TRUE(senders[0]["last_batch_at"].is_string());
  // The numbers of a run are kept as they change.
  std::vector<double> values;
  for (int i = 2; i < 200 && values.size() < 2; ++i) {
    const std::string body = R"({"metadata":{"n":)" + std::to_string(i) + "}}";
    Client client(address);
    client.send("PUT /api/v1/runs/first/metadata HTTP/1.1\r\nHost: " + address +
                "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_EQ(client.read_reply().status, 200u);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    values.clear();
    const Json history = Json::parse(get(address, "/cairn/v1/runs/first/history?key=n"));
    for (const Json& point : history["points"]) {
      values.push_back(point["value"]);
    }
  }
  ASSERT_GE(values.size(), 2u);
  EXPECT_LT(values[0], values[1]);
}

}  // namespace
}  // namespace cairn::tests

#endif  // CAIRN_TOOLS_NETWORK
