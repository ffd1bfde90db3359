#include "tools/sim/simulated_store.h"

#include <cstring>
#include <filesystem>
#include <system_error>

namespace cairn::sim {

namespace fs = std::filesystem;

SimulatedStore::SimulatedStore(std::string directory, Clock& clock, uint64_t seed)
    : directory_(std::move(directory)), context_(new Context{&clock, Random(seed)}) {}

SimulatedStore::~SimulatedStore() { forget(); }

void SimulatedStore::forget() {
  receiver_.reset();
  storage_.reset();
  store_.reset();
}

Status SimulatedStore::open() {
  engine::StoreOptions options;
  options.directory = directory_;
  options.segment_bytes = 1u << 20;
  options.hooks.context = context_.get();
  options.hooks.wall_us = [](void* context) { return static_cast<Context*>(context)->clock->wall_us; };
  options.hooks.monotonic_ms = [](void* context) { return static_cast<Context*>(context)->clock->monotonic_ms; };
  options.hooks.random_bytes = [](void* context, void* out, size_t bytes) {
    auto* at = static_cast<char*>(out);
    while (bytes > 0) {
      const uint64_t word = static_cast<Context*>(context)->random.next();
      const size_t part = std::min(bytes, sizeof word);
      std::memcpy(at, &word, part);
      at += part;
      bytes -= part;
    }
  };
  CAIRN_TRY_ASSIGN(store_, engine::Store::open(std::move(options)));
  storage_ = std::make_unique<engine::sync::StoreStorage>(*store_);
  receiver_ = std::make_unique<engine::sync::Receiver>(*storage_);
  receiver_->set_faults({no_duplicate_check});
  return {};
}

// STORE is left as it is: it never changes, and another file would be a copied store.
Status SimulatedStore::copy(const std::string& from, const std::string& to) const {
  std::error_code error;
  for (const char* part : {"data", "wal", "staging"}) {
    fs::remove_all(to + "/" + part, error);
  }
  for (const auto& entry : fs::recursive_directory_iterator(from, error)) {
    const fs::path target = to + entry.path().string().substr(from.size());
    if (entry.is_directory()) {
      fs::create_directories(target, error);
      fs::permissions(target, fs::perms::owner_all, error);
    } else if (entry.is_regular_file() && entry.path().filename() != "lock.mdb" && entry.path().filename() != "STORE" &&
               entry.path().filename() != "LOCK") {
      fs::create_directories(target.parent_path(), error);
      fs::copy_file(entry.path(), target, fs::copy_options::overwrite_existing, error);
    }
    if (error) {
      return {Code::kIo, "copying a simulated store", error.value()};
    }
  }
  return error ? Status{Code::kIo, "copying a simulated store", error.value()} : Status();
}

Status SimulatedStore::kill() {
  const std::string image = directory_ + ".image";
  CAIRN_TRY(copy(directory_, image));
  forget();
  CAIRN_TRY(copy(image, directory_));
  std::error_code ignored;
  fs::remove_all(image, ignored);
  return open();
}

Status SimulatedStore::back_up() { return copy(directory_, directory_ + ".backup"); }

Status SimulatedStore::restore() {
  forget();
  CAIRN_TRY(copy(directory_ + ".backup", directory_));
  return open();
}

}  // namespace cairn::sim
