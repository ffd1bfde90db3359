#include "tests/server/tested_store.h"

#include <map>
#include <mutex>
#include <shared_mutex>

#include "api/server/run_store.h"
#include "engine/store/store_storage.h"
#include "engine/store/upstream.h"
#include "engine/sync/receiver.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {

namespace {

using namespace server;

class TestedStore : public TestedStorage, public RunStorage {
 public:
  explicit TestedStore(StorageSetup setup) : setup_(std::move(setup)) { open(); }
  ~TestedStore() override {
    runs_.reset();
    EXPECT_TRUE(store_->close(0).ok());
  }
  TestedStore(const TestedStore&) = delete;
  TestedStore& operator=(const TestedStore&) = delete;

  RunStorage& storage() override { return *this; }
  std::unique_ptr<RunStorage> door() override { return std::make_unique<Door>(*this); }
  void set_trouble(Status trouble) override {
    const std::unique_lock lock(open_mutex_);
    trouble_ = trouble;
  }
  // Its owner sends it, so it is another one of this id.
  std::string set_owner(const std::string& run) override {
    const std::shared_lock lock(open_mutex_);
    engine::RunRecord record = store_->peek(run, true)->value().record;
    EXPECT_TRUE(store_->erase(run).ok());
    engine::StoreOptions options;
    options.directory = directory_.path() + "/owner" + std::to_string(owners_++);
    options.hooks = hooks();
    auto owner = engine::Store::open(std::move(options));
    EXPECT_TRUE(owner.ok() && (*owner)->upstream().attach("test", {}).ok());
    EXPECT_TRUE((*owner)->import_run(record, false).ok() && (*owner)->barrier().ok());
    std::string message;
    EXPECT_TRUE((*owner)->upstream().next(message).ok());
    engine::sync::StoreStorage receives(*store_);
    engine::sync::Receiver receiver(receives);
    EXPECT_TRUE((*owner)->upstream().feed(receiver.handle(message)).ok());
    const std::string name = engine::owner_text(store_->peek(run, false)->value().record.origin.owner);
    EXPECT_TRUE((*owner)->close(0).ok());
    return name;
  }
  void add(const std::string& id, const Trigger& trigger) override {
    const std::shared_lock lock(open_mutex_);
    engine::StartOptions o;
    o.id = id;
    o.task = trigger.task;
    o.tags = trigger.tags;
    o.status = engine::RunStatus::kQueued;
    o.details.ttl = trigger.ttl;
    o.details.is_test = trigger.is_test;
    if (trigger.metadata) {
      o.metadata = *engine::parse_json(*trigger.metadata)->get<engine::Object>();
    }
    if (trigger.payload) {
      engine::RunTexts texts;
      texts.payload = engine::TypedText{trigger.payload->type, trigger.payload->text};
      o.with.texts = std::make_shared<const engine::RunTexts>(std::move(texts));
    }
    auto run = store_->start(o);
    EXPECT_TRUE(run.ok()) << id << ": " << engine::error_detail().message;
  }
  void erase(const std::string& run) override {
    const std::shared_lock lock(open_mutex_);
    EXPECT_TRUE(store_->erase(run).ok());
  }
  void restart() override {
    const std::unique_lock lock(open_mutex_);
    runs_.reset();
    EXPECT_TRUE(store_->close(0).ok());
    store_.reset();
    open();
  }

  // --- as a RunStorage ---
  Result<Written> write(const Change& change, const RequestKey& key) override {
    return with([&] { return runs_->write(change, key); });
  }
  Result<BatchView> batch(const BatchCall& call, const RequestKey& key) override {
    return with([&] { return runs_->batch(call, key); });
  }
  Result<std::optional<RunView>> find(std::string_view id, unsigned parts) override {
    return with([&] { return runs_->find(id, parts); });
  }
  Result<Page> list(const RunFilter& filter, Order order, const Cursor& cursor, size_t limit) override {
    return with([&] { return runs_->list(filter, order, cursor, limit); });
  }
  Result<Counts> count(const RunFilter& filter) override {
    return with([&] { return runs_->count(filter); });
  }
  Result<uint64_t> count_children(std::string_view id) override {
    return with([&] { return runs_->count_children(id); });
  }
  Result<Changes> changes(const Shape& shape, const std::optional<Position>& after, const Extent& extent) override {
    return with([&] { return runs_->changes(shape, after, extent); });
  }
  void on_change(std::function<void()> hint) override { set_hint(this, std::move(hint)); }
  Result<int64_t> keep_time(int64_t now_us) override {
    return with([&] { return runs_->keep_time(now_us); });
  }
  [[nodiscard]] std::string name() const override { return setup_.name; }

 private:
  class Door : public RunStorage {
   public:
    explicit Door(TestedStore& of) : of_(of) {}
    ~Door() override { of_.set_hint(this, {}); }
    Result<Written> write(const Change& change, const RequestKey& key) override { return of_.write(change, key); }
    Result<BatchView> batch(const BatchCall& call, const RequestKey& key) override { return of_.batch(call, key); }
    Result<std::optional<RunView>> find(std::string_view id, unsigned parts) override { return of_.find(id, parts); }
    Result<Page> list(const RunFilter& filter, Order order, const Cursor& cursor, size_t limit) override {
      return of_.list(filter, order, cursor, limit);
    }
    Result<Counts> count(const RunFilter& filter) override { return of_.count(filter); }
    Result<uint64_t> count_children(std::string_view id) override { return of_.count_children(id); }
    Result<Changes> changes(const Shape& shape, const std::optional<Position>& after, const Extent& extent) override {
      return of_.changes(shape, after, extent);
    }
    void on_change(std::function<void()> hint) override { of_.set_hint(this, std::move(hint)); }
    Result<int64_t> keep_time(int64_t now_us) override { return of_.keep_time(now_us); }
    [[nodiscard]] std::string name() const override { return of_.name(); }

   private:
    TestedStore& of_;
  };

  template <class Call>
  auto with(Call call) -> decltype(call()) {
    const std::shared_lock lock(open_mutex_);
    if (!trouble_.ok()) {
      return trouble_;
    }
    return call();
  }
  void set_hint(const void* of, std::function<void()> hint) {
    const std::lock_guard lock(hints_mutex_);
    hints_.erase(of);
    if (hint) {
      hints_[of] = std::move(hint);
    }
  }
  engine::Hooks hooks() {
    engine::Hooks hooks;
    if (setup_.now_us) {
      hooks.context = this;
      hooks.wall_us = [](void* context) { return static_cast<TestedStore*>(context)->setup_.now_us(); };
    }
    return hooks;
  }
  void open() {
    engine::StoreOptions options;
    options.directory = directory_.path() + "/store";
    options.metadata_bytes_max = static_cast<uint32_t>(setup_.metadata_bytes_max);
    options.background = true;
    options.hooks = hooks();
    auto opened = engine::Store::open(std::move(options));
    ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
    store_ = std::move(*opened);
    runs_ = std::make_unique<RunStore>(*store_, RunStore::Options{setup_.name, setup_.history_max});
    runs_->on_change([this] {
      const std::lock_guard lock(hints_mutex_);
      for (const auto& [of, hint] : hints_) {
        hint();
      }
    });
  }

  const StorageSetup setup_;
  TemporaryDirectory directory_;
  int owners_ = 0;
  std::mutex hints_mutex_;
  std::map<const void*, std::function<void()>> hints_;
  std::shared_mutex open_mutex_;  // shared: a call is under way
  Status trouble_;
  std::unique_ptr<engine::Store> store_;
  std::unique_ptr<RunStore> runs_;
};

}  // namespace

std::unique_ptr<TestedStorage> make_store(const StorageSetup& setup) { return std::make_unique<TestedStore>(setup); }

}  // namespace cairn::tests
