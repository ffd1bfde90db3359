// Servers that serve the realtime routes of one storage, on each storage that there is, and what a test does to its runs.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/server/realtime_routes.h"
#include "api/server/shape_answer.h"
#include "api/server/times.h"
#include "engine/document/operation.h"
#include "tests/http/http_fixture.h"
#include "tests/server/tested_storages.h"
#include "tests/support/shape_client.h"

namespace cairn::tests {

/// Counts what a server asks of a storage.
class CountedStorage : public server::RunStorage {
 public:
  explicit CountedStorage(std::unique_ptr<server::RunStorage> of) : of_(std::move(of)) {}
  Result<server::Written> write(const server::Change& change, const server::RequestKey& key) override {
    return of_->write(change, key);
  }
  Result<server::BatchView> batch(const server::BatchCall& call, const server::RequestKey& key) override {
    return of_->batch(call, key);
  }
  Result<std::optional<server::RunView>> find(std::string_view id, unsigned parts) override {
    ++finds;
    return of_->find(id, parts);
  }
  Result<server::Page> list(const server::RunFilter& filter, server::Order order, const server::Cursor& cursor,
                            size_t limit) override {
    return of_->list(filter, order, cursor, limit);
  }
  Result<server::Counts> count(const server::RunFilter& filter) override { return of_->count(filter); }
  Result<uint64_t> count_children(std::string_view id) override { return of_->count_children(id); }
  Result<server::Changes> changes(const server::Shape& shape, const std::optional<server::Position>& after,
                                  const server::Extent& extent) override {
    auto out = of_->changes(shape, after, extent);
    const bool is_look = shape.kind == server::Shape::Kind::kAll;
    ++(is_look ? looks : checks);
    if (out.ok()) {
      (is_look ? look_rows : check_rows) += out->rows.size();
      for (const server::RunView& row : out->rows) {
        payloads += row.payload ? 1 : 0;
      }
    }
    if (!is_look && after && after_check) {
      std::exchange(after_check, {})();
    }
    return out;
  }
  void on_change(std::function<void()> hint) override {
    if (gives_hints) {
      of_->on_change(std::move(hint));
    }
  }
  Result<int64_t> keep_time(int64_t now_us) override { return of_->keep_time(now_us); }
  [[nodiscard]] std::string name() const override { return of_->name(); }

  bool gives_hints = true;
  std::function<void()> after_check;  // what happens before the next answer to a check is there
  std::atomic<size_t> finds{0};
  std::atomic<size_t> looks{0};  // for all who wait
  std::atomic<size_t> look_rows{0};
  std::atomic<size_t> checks{0};  // for one request
  std::atomic<size_t> check_rows{0};
  std::atomic<size_t> payloads{0};  // that were read of rows

 private:
  const std::unique_ptr<server::RunStorage> of_;
};

/// One server of a storage that others may use too.
class RealtimeServer {
 public:
  explicit RealtimeServer(TestedStorage& of, server::SubscriptionTimes times = {}, const server::Keys* keys = nullptr,
                          bool gives_hints = true)
      : storage(of.door()) {
    storage.gives_hints = gives_hints;
    subscriptions = std::make_unique<server::Subscriptions>(storage, times);
    table = std::make_unique<server::RouteTable>(server::realtime_routes(storage, *subscriptions),
                                                 [this] { subscriptions->let_go(); });
    http::ServerOptions options;
    if (keys != nullptr) {
      options.authenticate = [keys](const http::Credentials& credentials) { return keys->check(credentials); };
    }
    options.listen = {"127.0.0.1:0"};
    options.limits.connections_max = 8192;
    options.limits.strangers_max = 4096;
    options.limits.kept_max = 6144;
    auto started = http::Server::start(std::move(options), *table);
    EXPECT_TRUE(started.ok()) << started.status().what;
    server = std::move(*started);
    address = server->addresses().front();
  }

  [[nodiscard]] bool wait_waiting(size_t count) const {
    return wait_for([&] { return subscriptions->counters().waiting == count; });
  }

  CountedStorage storage;
  std::unique_ptr<server::Subscriptions> subscriptions;
  std::unique_ptr<server::RouteTable> table;
  std::unique_ptr<http::Server> server;
  std::string address;
};

class Realtime : public ::testing::TestWithParam<StorageKind> {
 protected:
  explicit Realtime(const StorageSetup& setup = {}) : tested_(GetParam().make(setup)), storage_(tested_->storage()) {}

  std::string trigger(const std::vector<std::string>& tags = {}, const std::string& metadata = R"({"n":0})") {
    server::Trigger trigger;
    trigger.task = "import-csv";
    trigger.tags = tags;
    trigger.metadata = metadata;
    return storage_.write(trigger, {}).value().id;
  }
  void increment(const std::string& run) {
    server::MetadataUpdate update;
    update.run = run;
    update.operations = engine::parse_operations(R"([{"type":"increment","key":"n","value":1}])").value();
    EXPECT_TRUE(storage_.write(update, {}).ok());
  }
  void set_status(const std::string& run, engine::RunStatus status) {
    server::StatusChange change;
    change.run = run;
    change.to = status;
    EXPECT_EQ(storage_.write(change, {}).value().refused, server::Refused::kNo);
  }
  void add_tag(const std::string& run, const std::string& tag) {
    EXPECT_EQ(storage_.write(server::AddTags{run, {tag}}, {}).value().refused, server::Refused::kNo);
  }
  /// A batch, and its runs.
  std::pair<std::string, std::vector<std::string>> make_batch(size_t runs) {
    server::BatchCreate create;
    create.runs = runs;
    server::BatchItems items;
    items.batch = storage_.batch(create, {}).value().id;
    for (size_t i = 0; i < runs; ++i) {
      items.items.emplace_back();
      items.items.back().index = i;
      items.items.back().trigger.task = "import-csv";
    }
    std::pair<std::string, std::vector<std::string>> out = {items.batch, {}};
    const server::BatchView view = storage_.batch(items, {}).value();
    for (const auto& [index, id] : view.runs) {
      out.second.push_back(id);
    }
    return out;
  }
  [[nodiscard]] server::RunView run(const std::string& id) {
    return *storage_.find(id, server::kMetadata | server::kPayload | server::kOutput).value();
  }
  static std::string of_run(const std::string& id) { return "/realtime/v1/runs/" + id; }

  /// One request on a connection of its own.
  static Reply ask(const std::string& address, const std::string& target, const std::string& headers = "") {
    Client client(address);
    client.send("GET " + target + " HTTP/1.1\r\nHost: " + address + "\r\n" + headers + "\r\n");
    return client.read_reply();
  }

  const std::unique_ptr<TestedStorage> tested_;
  server::RunStorage& storage_;
};

}  // namespace cairn::tests
