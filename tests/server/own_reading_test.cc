// GET /cairn/v1/runs and /cairn/v1/runs/:id
#include <algorithm>

#include "tests/server/api_fixture.h"

namespace cairn::tests {
namespace {

using engine::RunStatus;
using RunIds = std::vector<std::string>;

class OwnListing : public ApiTest {
 protected:
  Reply list(const std::string& query) { return call("GET /cairn/v1/runs?" + query); }
  /// "a c": the ids of the page, in its order, without the part that the test gave none of them.
  std::string ids(const std::string& query) {
    const Reply reply = list(query);
    EXPECT_EQ(reply.status, 200u) << query << ": " << reply.body;
    std::string out;
    for (int i = 0; at(reply, "runs." + std::to_string(i)) != "absent"; ++i) {
      std::string id = at(reply, "runs." + std::to_string(i) + ".id");
      out += (out.empty() ? "" : " ") + id.substr(1, id.size() - 2);
    }
    return out;
  }
  void add(const std::string& id, const std::string& task, const std::string& metadata,
           std::vector<std::string> tags = {}) {
    now_us_ += 1000;
    server::Trigger trigger;
    trigger.task = task;
    trigger.metadata = metadata;
    trigger.tags = std::move(tags);
    tested_->add(id, trigger);
  }
  void refuses(const std::string& query, const std::string& text) { expect_error(list(query), 400, text); }
};

TEST_P(OwnListing, ARowIsWhatTheCommandPrints) {
  add("a", "t", R"({"z":1.50,"n":null})", {"x", "b"});
  set_status("a", RunStatus::kExecuting);
  const Reply reply = list("");
  const std::string sequence = at(reply, "runs.0.sequence");
  EXPECT_EQ(at(reply, "runs.0.metadata"), R"({"z":1.5,"n":null})");
  EXPECT_EQ(at(reply, "runs.0.metadata_bytes"), "18");
  EXPECT_EQ(at(reply, "runs.0.status"), "\"EXECUTING\"");
  EXPECT_EQ(at(reply, "runs.0.orphaned"), "false");
  EXPECT_EQ(sequence, "\"" + std::to_string(run("a").sequence) + "\"") << "a number of 64 bits is text";
  EXPECT_EQ(at(reply, "next_cursor"), "absent");
  EXPECT_EQ(reply.headers.at("content-type"), "application/json");
  const Reply light = list("fields=head");
  EXPECT_EQ(at(light, "runs.0.metadata"), "absent");
  EXPECT_EQ(at(light, "runs.0.metadata_bytes"), "absent");
  EXPECT_EQ(at(light, "runs.0.sequence"), sequence);
  add("b", "t", "{}");
  EXPECT_EQ(at(list("order=id"), "runs.1.metadata"), "{}");
}

TEST_P(OwnListing, EachFilterAndOrder) {
  add("a", "one", R"({"who":"Anna"})", {"x"});
  add("b", "two", "{}", {"x", "y"});
  add("c", "one", "{}");
  set_status("b", RunStatus::kExecuting);
  set_status("c", RunStatus::kWaiting);
  now_us_ += 1'000'000;
  set_status("a", RunStatus::kExecuting);
  EXPECT_EQ(ids(""), "a c b");
  EXPECT_EQ(ids("order=newest"), "a c b");
  EXPECT_EQ(ids("order=oldest"), "b c a");
  EXPECT_EQ(ids("order=id"), "a b c");
  EXPECT_EQ(ids("status=EXECUTING"), "a b");
  EXPECT_EQ(ids("status=EXECUTING&status=WAITING&order=id"), "a b c");
  EXPECT_EQ(ids("task=one"), "a c");
  EXPECT_EQ(ids("tag=x"), "a b");
  EXPECT_EQ(ids("tag=x&tag=y"), "b") << "all of them";
  EXPECT_EQ(ids("text=aNN"), "a") << "A-Z equals a-z";
  EXPECT_EQ(ids("text=tW"), "b");
  EXPECT_EQ(ids("text=nowhere"), "");
  EXPECT_EQ(ids("since=500ms"), "a");
  EXPECT_EQ(ids("until=500ms"), "c b");
  EXPECT_EQ(ids("since=2026-11-30T00:53:20.500Z"), "a");
  EXPECT_EQ(ids("until=2026-11-30T01:53:20.500%2B01:00"), "c b");
  EXPECT_EQ(ids("since=2026-11-30&task=one&status=WAITING"), "c");
}

TEST_P(OwnListing, RelativesAreFilters) {
  const std::string parent = trigger("p");
  const std::string child = trigger("c", R"({"parentRunId":")" + parent + "\"}");
  const std::string grandchild = trigger("g", R"({"parentRunId":")" + child + "\"}");
  EXPECT_EQ(ids("parent=" + parent), child);
  EXPECT_EQ(ids("root=" + parent), grandchild + " " + child);
  EXPECT_EQ(at(call("GET /cairn/v1/runs/" + parent), "children"), "1");
  EXPECT_EQ(at(call("GET /cairn/v1/runs/" + grandchild), "children"), "0");
}

TEST_P(OwnListing, TermsOnTheMetadata) {
  add("a", "t", R"({"progress":0.25,"user":{"id":"user_1234"},"n":"10","list":["p","q"]})");
  add("b", "t", R"({"progress":1,"user":{"id":"user_9"},"n":9,"stop":true,"dots":{"a.b":1}})");
  add("c", "t", R"({"progress":"half","note":"two words and \"quotes\"","big":9007199254740993})");
  const auto fitting = [this](const std::string& term) {
    std::string encoded;
    for (const char c : term) {
      char hex[4];
      std::snprintf(hex, sizeof hex, "%%%02x", static_cast<unsigned char>(c));
      encoded += hex;
    }
    return ids("order=id&metadata=" + encoded);
  };
  EXPECT_EQ(fitting("progress<0.5"), "a");
  EXPECT_EQ(fitting("progress <= 1"), "a b");
  EXPECT_EQ(fitting("progress>=0.25"), "a b c") << "a text and a number are compared as texts";
  EXPECT_EQ(fitting("progress=1.0"), "b") << "the same number";
  EXPECT_EQ(fitting("progress=half"), "c");
  EXPECT_EQ(fitting("user.id=user_1234"), "a");
  EXPECT_EQ(fitting("$.user.id = \"user_1234\""), "a");
  EXPECT_EQ(fitting("user.id~user"), "a b");
  EXPECT_EQ(fitting("user.id!=user_9"), "a c") << "also where there is none";
  EXPECT_EQ(fitting("n<9.5"), "a b") << "\"10\" is a text, and comes before \"9.5\"";
  EXPECT_EQ(fitting("n>\"1\""), "a b") << "a text in quotes makes no number";
  EXPECT_EQ(fitting("stop=true"), "b");
  EXPECT_EQ(fitting("list.1=q"), "a");
  EXPECT_EQ(fitting("list~\"p\""), "a");
  EXPECT_EQ(fitting(R"(dots.a\.b=1)"), "b");
  EXPECT_EQ(fitting("big=9007199254740993"), "c");
  EXPECT_EQ(fitting("big=9007199254740992"), "") << "no double in between";
  EXPECT_EQ(fitting(R"(note="two words and \"quotes\"")"), "c");
  EXPECT_EQ(fitting("progress<2 user.id~user and stop!=true"), "a") << "several are all of them";
  EXPECT_EQ(ids("metadata=progress%3C2&metadata=stop%3Dtrue"), "b");
}

TEST_P(OwnListing, PagesJoinToTheWholeListing) {
  RunIds all;
  for (int i = 0; i < 25; ++i) {
    add("run" + std::to_string(100 + i), "t", R"({"n":)" + std::to_string(i % 2) + "}");
    all.push_back("run" + std::to_string(100 + i));
  }
  for (const std::string& query : {std::string("order=oldest&limit=4"), std::string("order=id&limit=5"),
                                   std::string("order=oldest&limit=3&metadata=n%3D1")}) {
    RunIds joined;
    std::string cursor;
    int pages = 0;
    do {
      const Reply reply = list(query + (cursor.empty() ? "" : "&cursor=" + cursor));
      ASSERT_EQ(reply.status, 200u) << reply.body;
      for (int i = 0; at(reply, "runs." + std::to_string(i)) != "absent"; ++i) {
        const std::string id = at(reply, "runs." + std::to_string(i) + ".id");
        joined.push_back(id.substr(1, id.size() - 2));
      }
      cursor = at(reply, "next_cursor");
      cursor = cursor == "absent" ? "" : cursor.substr(1, cursor.size() - 2);
      ++pages;
    } while (!cursor.empty() && pages < 20);
    RunIds wanted;
    for (size_t i = 0; i < all.size(); ++i) {
      if (query.find("metadata") == std::string::npos || i % 2 == 1) {
        wanted.push_back(all[i]);
      }
    }
    EXPECT_EQ(joined, wanted) << query;
    EXPECT_EQ(pages, query.find("limit=4") != std::string::npos   ? 7
                     : query.find("limit=5") != std::string::npos ? 5
                                                                  : 4)
        << "a last page is not empty: " << query;
  }
  EXPECT_EQ(ids("limit=1"), "run124");
  const std::string page = ids("");
  EXPECT_EQ(std::count(page.begin(), page.end(), ' '), 19) << "20 runs";
}

TEST_P(OwnListing, AnAnswerHasABoundInBytesAndThePagesJoin) {
  constexpr size_t kRuns = 1000;
  const std::string metadata = R"({"text":")" + std::string(4000, 'x') + "\"}";
  for (size_t i = 0; i < kRuns; ++i) {
    add("run-" + std::to_string(10'000 + i), "t", metadata);
  }
  std::string cursor;
  size_t rows = 0;
  size_t pages = 0;
  do {
    const Reply reply = list("order=id&limit=1000" + (cursor.empty() ? "" : "&cursor=" + cursor));
    EXPECT_LE(reply.body.size(), (4u << 20) + 200'000);
    for (size_t at = reply.body.find("{\"id\":"); at != std::string::npos; at = reply.body.find("{\"id\":", at + 1)) {
      EXPECT_EQ(reply.body.substr(at + 6, 11), "\"run-" + std::to_string(10'000 + rows++) + "\"");
    }
    const std::string next = at(reply, "next_cursor");
    cursor = next == "absent" ? "" : next.substr(1, next.size() - 2);
    ++pages;
  } while (!cursor.empty() && pages < 10);
  EXPECT_EQ(rows, kRuns);
  EXPECT_EQ(pages, 2u);
  EXPECT_EQ(at(list("order=id&limit=1000&fields=head"), "next_cursor"), "absent") << "heads are small";
}

TEST_P(OwnListing, TheTextsOfAHeadCountInTheBoundToo) {
  constexpr size_t kRuns = 1000;
  server::StatusChange failed;
  failed.to = RunStatus::kFailed;
  failed.error = std::string(4096, '\\');  // two bytes each
  for (size_t i = 0; i < kRuns; ++i) {
    failed.run = "run-" + std::to_string(10'000 + i);
    add(failed.run, "t", "{}");
    ASSERT_TRUE(storage_.write(failed, {}).ok());
  }
  std::string cursor;
  size_t rows = 0;
  size_t pages = 0;
  do {
    const Reply reply = list("order=id&limit=1000&fields=head" + (cursor.empty() ? "" : "&cursor=" + cursor));
    EXPECT_LE(reply.body.size(), (4u << 20) + 10'000);
    for (size_t at = reply.body.find("{\"id\":"); at != std::string::npos; at = reply.body.find("{\"id\":", at + 1)) {
      EXPECT_EQ(reply.body.substr(at + 6, 11), "\"run-" + std::to_string(10'000 + rows++) + "\"");
    }
    const std::string next = at(reply, "next_cursor");
    cursor = next == "absent" ? "" : next.substr(1, next.size() - 2);
    ++pages;
  } while (!cursor.empty() && pages < 10);
  EXPECT_EQ(rows, kRuns);
  EXPECT_EQ(pages, 3u);
}

TEST_P(OwnListing, PagesOfAFilterThatFewRunsFit) {
  for (int i = 0; i < 3000; ++i) {
    const std::string id = "run" + std::to_string(10'000 + i);
    add(id, "t", i % 500 == 7 ? R"({"rare":{"yes":1}})" : "{}");
  }
  EXPECT_EQ(ids("order=id&metadata=rare.yes%3D1"), "run10007 run10507 run11007 run11507 run12007 run12507");
  const Reply first = list("limit=2&metadata=rare.yes%3D1");
  EXPECT_EQ(at(first, "runs.0.id") + at(first, "runs.1.id"), R"("run12507""run12007")");
  const std::string cursor = at(first, "next_cursor");
  EXPECT_EQ(ids("limit=4&metadata=rare.yes%3D1&cursor=" + cursor.substr(1, cursor.size() - 2)),
            "run11507 run11007 run10507 run10007");
  EXPECT_EQ(at(list("limit=6&metadata=rare.yes%3D1"), "next_cursor"), "absent");
  EXPECT_EQ(at(call("GET /cairn/v1/counts?metadata=rare.yes%3D1"), "runs"), "6");
  EXPECT_EQ(at(call("GET /cairn/v1/counts?metadata=rare.yes%21%3D1"), "runs"), "2994") << "also where there is none";
}

TEST_P(OwnListing, ARefusalNamesTheParameter) {
  add("a", "t", "{}");
  refuses("colour=red",
          "there is no parameter 'colour' here; they are status, task, tag, parent, root, from, since, until, "
          "text, metadata, order, limit, cursor, fields");
  refuses("task=a&task=b", "the parameter 'task' can be given once only");
  refuses("status=GONE",
          "'GONE' is not a status; they are PENDING_VERSION, QUEUED, DEQUEUED, EXECUTING, WAITING, COMPLETED, "
          "CANCELED, FAILED, CRASHED, SYSTEM_FAILURE, DELAYED, EXPIRED, TIMED_OUT");
  refuses("order=best", "'best' is not an order; they are newest, oldest and id");
  refuses("limit=0", "limit must be a whole number from 1 to 1000");
  refuses("limit=1001", "limit must be a whole number from 1 to 1000");
  refuses("fields=few", "fields must be all, or head: without the metadata");
  refuses("since=soon",
          "since: 'soon' is not a time; write 2026-11-24, 2026-11-24T18:30:05Z (UTC), 2026-11-24T18:30:05+02:00, or an "
          "age: 90s, 10m, 2h, 3d, 1w");
  refuses("from=", "from is empty: give the name of a host, or the first digits of a store's id, 4 or more");
  refuses("metadata=a", "metadata: 'a' must be KEY OP VALUE, with OP one of = != < <= > >= ~");
  refuses("metadata=a%3D", "metadata: 'a=' has no value after the =; an empty text is \"\"");
  refuses("metadata=a%3D%22b", "metadata: 'a=\"b' has a text in quotes that is no JSON text, or goes on behind it");
  refuses("metadata=*%3D1", "metadata: '*=1' '*' may stand for several places: name one");
  refuses("metadata=", "metadata: '' must be KEY OP VALUE, with OP one of = != < <= > >= ~");
  refuses("text=%zz", "the query is not percent-encoded UTF-8");
  EXPECT_EQ(list("cursor=nonsense").status, 400u);
  refuses("since=1m&until=2m", "the time of since is after that of until");
  EXPECT_EQ(at(list("limit=x"), "parameter"), "\"limit\"");
  refuses("parent=a%2Fb",
          "parent: 'a/b' is no id that a run can have: 1 to 64 of A-Z a-z 0-9 _ - . :, and not first . or :");
  expect_error(call("GET /cairn/v1/runs/a?x=1"), 400, "there is no parameter 'x' here, and no other");
}

TEST_P(OwnListing, OneRunHasItsTexts) {
  const std::string id = trigger("t", R"({"metadata":{"a":1}})", R"({"in":1})");
  EXPECT_EQ(call("POST /cairn/v1/runs/" + id + "/finish", R"({"output":{"rows":3}})").status, 200u);
  const Reply reply = call("GET /cairn/v1/runs/" + id);
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(at(reply, "payload.text"), R"("{\"in\":1}")");
  EXPECT_EQ(at(reply, "output"), R"({"type":"application/json","text":"{\"rows\":3}"})");
  EXPECT_EQ(at(reply, "metadata"), R"({"a":1})");
  EXPECT_EQ(at(reply, "status"), "\"COMPLETED\"");
  expect_error(call("GET /cairn/v1/runs/none"), 404, "Run not found");
}

TEST_P(OwnListing, CountsByStatusTaskAndTag) {
  add("a", "one", "{}", {"x"});
  add("b", "two", "{}", {"x", "y"});
  add("c", "one", R"({"n":1})");
  set_status("b", RunStatus::kExecuting);
  const Reply all = call("GET /cairn/v1/counts");
  EXPECT_EQ(at(all, "runs"), "3");
  EXPECT_EQ(at(all, "runs_by_status"), R"({"QUEUED":2,"EXECUTING":1})");
  EXPECT_EQ(at(all, "runs_by_task"), R"([{"task":"one","runs":2},{"task":"two","runs":1}])");
  EXPECT_EQ(at(all, "runs_by_tag"), R"([{"tag":"x","runs":2},{"tag":"y","runs":1}])");
  EXPECT_EQ(at(call("GET /cairn/v1/counts?tag=x&status=EXECUTING"), "runs"), "1");
  EXPECT_EQ(at(call("GET /cairn/v1/counts?metadata=n%3D1"), "runs_by_task"), R"([{"task":"one","runs":1}])");
  add("d", "one", "{}");
  EXPECT_EQ(at(call("GET /cairn/v1/counts"), "runs"), "3") << "remembered for a while";
  EXPECT_EQ(at(call("GET /cairn/v1/counts?task=one"), "runs"), "3") << "asked for the first time";
  expect_error(
      call("GET /cairn/v1/counts?limit=1"), 400,
      "there is no parameter 'limit' here; they are status, task, tag, parent, root, from, since, until, text, "
      "metadata");
}

TEST_P(OwnListing, WhatOnlyALocalStoreTellsIsNotServedWithoutOne) {
  const std::string id = trigger();
  for (const std::string& path : {std::string("sync"), std::string("dead"), std::string("stores"), std::string("store"),
                                  "runs/" + id + "/history?key=n"}) {
    const Reply reply = call("GET /cairn/v1/" + path);
    expect_error(reply, 501, "the runs of this server are kept elsewhere: it cannot tell this");
    EXPECT_EQ(reply.headers.at("x-should-retry"), "false");
  }
  EXPECT_EQ(at(call("GET /cairn/v1/runs/" + id), "durability"), "absent");
}

TEST_P(OwnListing, OnlyAnApiKeyReads) {
  add("a", "t", "{}");
  for (const char* line : {"GET /cairn/v1/runs", "GET /cairn/v1/runs/a"}) {
    EXPECT_EQ(call_as("", line).status, 401u) << line;
    EXPECT_EQ(call_as(token({"read:runs"}), line).status, 401u) << line << ": no public token";
    EXPECT_EQ(call(line).status, 200u) << line;
  }
}

TEST_P(OwnListing, TroubleIsToBeTriedAgain) {
  add("a", "t", "{}");
  tested_->set_trouble(cairn::Status(Code::kIo, "the disk is away"));
  EXPECT_EQ(call("GET /cairn/v1/runs").status, 503u);
  EXPECT_EQ(call("GET /cairn/v1/runs/a").status, 503u);
  tested_->set_trouble({});
}

CAIRN_ON_EACH_STORAGE(OwnListing);

}  // namespace
}  // namespace cairn::tests
