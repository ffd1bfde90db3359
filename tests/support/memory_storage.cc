#include "tests/support/memory_storage.h"

#include <algorithm>
#include <chrono>

namespace cairn::tests {

using namespace server;
using engine::RunStatus;

/// One server's way in: everything is the storage's, except on_change.
class MemoryStorage::Door : public RunStorage {
 public:
  explicit Door(MemoryStorage& storage) : storage_(storage) {}
  ~Door() override { storage_.set_hint(this, {}); }
  Result<Written> write(const Change& change, const RequestKey& key) override { return storage_.write(change, key); }
  Result<BatchView> batch(const BatchCall& call, const RequestKey& key) override { return storage_.batch(call, key); }
  Result<std::optional<RunView>> find(std::string_view id, unsigned parts) override { return storage_.find(id, parts); }
  Result<Page> list(const RunFilter& filter, Order order, const Cursor& cursor, size_t limit) override {
    return storage_.list(filter, order, cursor, limit);
  }
  Result<Counts> count(const RunFilter& filter) override { return storage_.count(filter); }
  Result<uint64_t> count_children(std::string_view id) override { return storage_.count_children(id); }
  Result<Changes> changes(const Shape& shape, const std::optional<Position>& after, const Extent& extent) override {
    return storage_.changes(shape, after, extent);
  }
  void on_change(std::function<void()> hint) override { storage_.set_hint(this, std::move(hint)); }
  Result<int64_t> keep_time(int64_t now_us) override { return storage_.keep_time(now_us); }
  [[nodiscard]] std::string name() const override { return storage_.name(); }

 private:
  MemoryStorage& storage_;
};

MemoryStorage::MemoryStorage() : MemoryStorage(Options()) {}

MemoryStorage::MemoryStorage(Options options) : options_(std::move(options)), random_(std::random_device()()) {
  feed_ = make_id("feed_");
}

MemoryStorage::~MemoryStorage() = default;

std::unique_ptr<RunStorage> MemoryStorage::door() { return std::make_unique<Door>(*this); }

int64_t MemoryStorage::now() const {
  if (options_.now_us) {
    return options_.now_us();
  }
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since_1970).count();
}

std::string MemoryStorage::make_id(const char* prefix) {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string out = prefix;
  for (int i = 0; i < 26; ++i) {
    out += kDigits[random_() % kDigits.size()];
  }
  return out;
}

MemoryStorage::Run* MemoryStorage::run_of(const std::string& id) {
  const auto found = runs_.find(id);
  return found == runs_.end() ? nullptr : &found->second;
}

void MemoryStorage::changed(Run& run) {
  run.view.updated_us = std::max(run.view.updated_us, now());
  ++run.view.sequence;
  run.number = ++position_;
  history_.push_back(run.view.id);
  while (history_.size() > options_.history_max) {
    history_.pop_front();
  }
}

Result<Written> MemoryStorage::write(const Change& change, const RequestKey& key) {
  Written out;
  {
    const std::lock_guard lock(mutex_);
    CAIRN_TRY(trouble_);
    Request* known = nullptr;
    if (is_repeat(key, known)) {
      out = std::get<Written>(known->outcome);
      out.repeated = true;
      if (const auto* update = std::get_if<MetadataUpdate>(&change); update != nullptr) {
        const Run* run = run_of(update->run);
        out.metadata = run == nullptr ? "" : run->document.to_json();
      }
      return out;
    }
    if (is_used(key)) {
      out.refused = Refused::kTokenUsed;
      return out;
    }
    out = std::visit([this](const auto& one) { return apply(one); }, change);
    if (out.refused == Refused::kNo || !out.outcomes.empty()) {  // some of its operations may have done something
      remember(key, out);
    }
  }
  notify();
  return out;
}

Result<BatchView> MemoryStorage::batch(const BatchCall& call, const RequestKey& key) {
  BatchView out;
  {
    const std::lock_guard lock(mutex_);
    CAIRN_TRY(trouble_);
    Request* known = nullptr;
    if (is_repeat(key, known)) {
      return std::get<BatchView>(known->outcome);
    }
    const auto* items = std::get_if<BatchItems>(&call);
    if (is_used(key, items == nullptr ? "" : items->batch)) {
      out.refused = Refused::kTokenUsed;
      return out;
    }
    out = std::visit([this](const auto& one) { return apply(one); }, call);
    if (out.refused == Refused::kNo) {
      remember(key, out);
    }
  }
  notify();
  return out;
}

// --- what counts once ---

bool MemoryStorage::is_repeat(const RequestKey& key, Request*& request) {
  const auto found = key.request.empty() ? requests_.end() : requests_.find(key.request);
  if (found == requests_.end() || found->second.at_us + kRequestKeptUs < now()) {
    return false;
  }
  request = &found->second;
  return true;
}

bool MemoryStorage::is_used(const RequestKey& key, const std::string& batch) {
  const auto found = key.once_token.empty() ? used_tokens_.end() : used_tokens_.find(key.once_token);
  return found != used_tokens_.end() && found->second.until_us >= now() &&
         (batch.empty() || found->second.made != batch);
}

void MemoryStorage::forget_old() {
  if (requests_.size() + used_tokens_.size() < look_at_) {
    return;
  }
  std::erase_if(requests_, [this](const auto& entry) { return entry.second.at_us + kRequestKeptUs < now(); });
  std::erase_if(used_tokens_, [this](const auto& entry) { return entry.second.until_us < now(); });
  look_at_ = 1000 + 2 * (requests_.size() + used_tokens_.size());
}

void MemoryStorage::remember(const RequestKey& key, std::variant<Written, BatchView> outcome) {
  forget_old();
  if (!key.once_token.empty()) {
    used_tokens_[key.once_token] = {key.once_until_us, std::visit([](const auto& of) { return of.id; }, outcome)};
  }
  if (!key.request.empty()) {
    requests_[key.request] = {std::move(outcome), now()};
  }
}

// --- hints ---

void MemoryStorage::notify() {
  const std::lock_guard lock(hints_mutex_);
  for (const auto& [of, hint] : hints_) {
    hint();
  }
}

void MemoryStorage::set_hint(const void* of, std::function<void()> hint) {
  const std::lock_guard lock(hints_mutex_);
  hints_.erase(of);
  if (hint) {
    hints_[of] = std::move(hint);
  }
}

void MemoryStorage::on_change(std::function<void()> hint) { set_hint(this, std::move(hint)); }

// --- what a test does to it ---

void MemoryStorage::set_trouble(Status trouble) {
  const std::lock_guard lock(mutex_);
  trouble_ = trouble;
}

void MemoryStorage::set_owner(const std::string& run, std::string owner) {
  const std::lock_guard lock(mutex_);
  runs_.at(run).view.owner = std::move(owner);
}

void MemoryStorage::add(const std::string& id, const Trigger& trigger) {
  {
    const std::lock_guard lock(mutex_);
    (void)trigger_run(trigger, id, "");
  }
  notify();
}

void MemoryStorage::erase_run(const std::string& id) {
  by_created_.erase({runs_.at(id).view.created_us, id});
  changed(runs_.at(id));
  runs_.erase(id);
  std::erase_if(idempotency_, [&id](const auto& entry) { return entry.second.id == id; });
  for (auto& [name, batch] : batches_) {
    std::erase_if(batch.runs, [&id](const auto& entry) { return entry.second == id; });
  }
}

void MemoryStorage::erase(const std::string& run) {
  {
    const std::lock_guard lock(mutex_);
    erase_run(run);
  }
  notify();
}

void MemoryStorage::forget_changes() {
  const std::lock_guard lock(mutex_);
  feed_ = make_id("feed_");
  position_ = 0;
  history_.clear();
  for (auto& [id, run] : runs_) {
    run.number = 0;
  }
}

std::vector<std::pair<std::string, std::vector<engine::Operation>>> MemoryStorage::foreign_operations() const {
  const std::lock_guard lock(mutex_);
  return foreign_;
}

}  // namespace cairn::tests
