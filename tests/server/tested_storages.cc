#include "tests/server/tested_storages.h"

#include "tests/server/tested_store.h"
#include "tests/support/memory_storage.h"

namespace cairn::tests {

namespace {

class TestedMemory : public TestedStorage {
 public:
  explicit TestedMemory(const StorageSetup& setup)
      : storage_({setup.metadata_bytes_max, setup.history_max, setup.name, setup.now_us}) {}
  server::RunStorage& storage() override { return storage_; }
  std::unique_ptr<server::RunStorage> door() override { return storage_.door(); }
  void set_trouble(Status trouble) override { storage_.set_trouble(trouble); }
  std::string set_owner(const std::string& run) override {
    storage_.set_owner(run, "worker-7");
    return "worker-7";
  }
  void add(const std::string& id, const server::Trigger& trigger) override { storage_.add(id, trigger); }
  void erase(const std::string& run) override { storage_.erase(run); }
  void restart() override { storage_.forget_changes(); }

 private:
  MemoryStorage storage_;
};

std::unique_ptr<TestedStorage> make_memory(const StorageSetup& setup) { return std::make_unique<TestedMemory>(setup); }

}  // namespace

const std::vector<StorageKind>& storage_kinds() {
  static const std::vector<StorageKind> kinds = {{"Memory", &make_memory}, {"Store", &make_store}};
  return kinds;
}

}  // namespace cairn::tests
