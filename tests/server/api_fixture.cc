#include "tests/server/api_fixture.h"

#include "engine/document/path.h"
#include "engine/document/path_apply.h"
#include "engine/json/json.h"

namespace cairn::tests {

namespace {

StorageSetup with_clock(std::atomic<int64_t>& now_us) {
  StorageSetup out;
  out.now_us = [&now_us] { return now_us.load(); };
  return out;
}

std::vector<Secret> one_secret(const char* text) {
  std::vector<Secret> out;
  out.push_back(std::move(*Secret::from_text(text)));
  return out;
}

}  // namespace

ApiTest::ApiTest()
    : tested_(GetParam().make(with_clock(now_us_))),
      storage_(tested_->storage()),
      keys_(one_secret(kKey), {}, "env_0123", [this] { return now_us_.load() / 1'000'000; }),
      table_(server::run_routes(storage_, api_options())) {
  api_server_ = start_server(table_, api_address_);
}

ApiTest::~ApiTest() = default;

server::ApiOptions ApiTest::api_options() {
  server::ApiOptions out;
  out.now_us = [this] { return now_us_.load(); };
  out.keys = &keys_;
  return out;
}

std::unique_ptr<http::Server> ApiTest::start_server(server::RouteTable& table, std::string& address) {
  http::ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.authenticate = [this](const http::Credentials& credentials) { return keys_.check(credentials); };
  auto started = http::Server::start(std::move(options), table);
  EXPECT_TRUE(started.ok()) << started.status().what;
  address = (*started)->addresses().front();
  return std::move(*started);
}

void ApiTest::start_other() {
  other_door_ = tested_->door();
  other_table_ = std::make_unique<server::RouteTable>(server::run_routes(*other_door_, api_options()));
  other_server_ = start_server(*other_table_, other_address_);
}

Reply ApiTest::call(const std::string& line, const std::string& body, const std::string& headers) {
  return call_as(kKey, line, body, headers);
}

Reply ApiTest::call_as(const std::string& bearer, const std::string& line, const std::string& body,
                       const std::string& headers) {
  Client client(api_address_);
  client.send(line + " HTTP/1.1\r\nHost: " + api_address_ + "\r\n" +
              (bearer.empty() ? "" : "Authorization: Bearer " + bearer + "\r\n") + headers +
              (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body);
  return client.read_reply(line.starts_with("HEAD "));
}

std::string ApiTest::at(const Reply& reply, const std::string& path) {
  const auto body = engine::parse_json(reply.body);
  EXPECT_TRUE(body.ok()) << reply.body;
  const auto segments = engine::parse_path("$." + path);
  const engine::Value* found = body.ok() && segments.ok() ? engine::find_at(*body, *segments, 0) : nullptr;
  return found == nullptr ? "absent" : engine::to_json(*found);
}

void ApiTest::expect_error(const Reply& reply, unsigned status, const std::string& text) {
  EXPECT_EQ(reply.status, status) << reply.body;
  std::string wanted;
  engine::append_json_string(wanted, text);
  EXPECT_EQ(at(reply, "error"), wanted);
  const auto type = reply.headers.find("content-type");
  EXPECT_TRUE(type != reply.headers.end() && type->second == "application/json");
}

std::string ApiTest::token(const std::vector<std::string>& scopes, const std::string& further) {
  std::string list;
  for (const std::string& scope : scopes) {
    list += list.empty() ? "" : ",";
    engine::append_json_string(list, scope);
  }
  return keys_.sign(R"({"iss":"https://id.trigger.dev","aud":"https://api.trigger.dev","sub":"env_0123","pub":true,)" +
                    further + R"("exp":)" + std::to_string(now_us_ / 1'000'000 + 900) + R"(,"scopes":[)" + list + "]}");
}

std::string ApiTest::trigger(const std::string& task, const std::string& options, const std::string& payload) {
  now_us_ += 1000;
  const Reply reply =
      call("POST /api/v1/tasks/" + task + "/trigger", R"({"payload":)" + payload + R"(,"options":)" + options + "}");
  EXPECT_EQ(reply.status, 200u) << reply.body;
  const std::string id = at(reply, "id");
  return id.substr(1, id.size() - 2);
}

server::RunView ApiTest::run(const std::string& id, unsigned parts) {
  const auto found = storage_.find(id, parts);
  EXPECT_TRUE(found.ok() && found.value()) << id;
  return found.value().value_or(server::RunView());
}

size_t ApiTest::run_count() {
  size_t out = 0;
  server::Cursor cursor;
  for (bool more = true; more;) {
    const auto page = storage_.list({}, server::Order::kCreatedNewestFirst, cursor, 100);
    EXPECT_TRUE(page.ok());
    out += page.value().runs.size();
    cursor.text = page.value().next;
    more = !cursor.text.empty();
  }
  return out;
}

void ApiTest::set_status(const std::string& id, engine::RunStatus status) {
  server::StatusChange change;
  change.run = id;
  change.to = status;
  EXPECT_EQ(storage_.write(change, {}).value().refused, server::Refused::kNo);
}

}  // namespace cairn::tests
