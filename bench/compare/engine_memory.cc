// Memory only: what a program without any durability would do.
#include <mutex>
#include <unordered_map>

#include "bench/compare/contenders.h"

namespace cairn::bench {
namespace {

struct Table {
  std::mutex mutex;
  std::unordered_map<std::string, std::string> values;
};

class MemorySession : public Session {
 public:
  MemorySession(Table& table, const Shape& shape) : table_(table), shape_(shape), value_(shape.document) {
    for (int i = 0; i < shape.runs; ++i) {
      keys_.push_back(run_name(i) + "/progress");
    }
  }
  void update(int run, uint64_t number) override {
    const std::string& bytes = value_.of(number);
    const std::lock_guard guard(table_.mutex);
    table_.values[keys_[static_cast<size_t>(run)]] = bytes;
  }
  void update_batch(int run, uint64_t number, int count) override {
    const std::lock_guard guard(table_.mutex);
    for (int i = 0; i < count; ++i) {
      table_.values[keys_[static_cast<size_t>((run + i) % shape_.runs)]] = value_.of(number + static_cast<uint64_t>(i));
    }
  }
  uint64_t read(int run) override {
    const std::lock_guard guard(table_.mutex);
    const auto found = table_.values.find(keys_[static_cast<size_t>(run)]);
    return found == table_.values.end() ? 0 : ValueBytes::number_in(found->second.data(), found->second.size());
  }

 private:
  Table& table_;
  Shape shape_;
  ValueBytes value_;
  std::vector<std::string> keys_;
};

class Memory : public Engine {
 public:
  explicit Memory(const Shape& shape) : shape_(shape) {}
  std::unique_ptr<Session> session() override { return std::make_unique<MemorySession>(table_, shape_); }

 private:
  Table table_;
  Shape shape_;
};

}  // namespace

void add_memory(std::vector<Contender>& to) {
  Contender c;
  c.name = "memory only";
  c.settings = "std::unordered_map under a std::mutex";
  c.survives = Survives::kNothing;
  c.open = [](const std::string&, const Shape& shape) { return std::make_unique<Memory>(shape); };
  to.push_back(std::move(c));
}

}  // namespace cairn::bench
