// LevelDB and RocksDB, which have one interface under two names. A Library names its types, opens a store and says what
// its errors are called.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/compare/contenders.h"

namespace cairn::bench {

template <class Library>
class LogStructuredSession : public Session {
 public:
  LogStructuredSession(typename Library::Db& db, const Shape& shape, bool sync)
      : db_(db), shape_(shape), value_(shape.document) {
    write_.sync = sync;
    for (int i = 0; i < shape.runs; ++i) {
      keys_.push_back(run_name(i) + "/progress");
    }
  }
  void update(int run, uint64_t number) override {
    check(db_.Put(write_, keys_[static_cast<size_t>(run)], value_.of(number)));
  }
  void update_batch(int run, uint64_t number, int count) override {
    typename Library::Batch batch;
    for (int i = 0; i < count; ++i) {
      batch.Put(keys_[static_cast<size_t>((run + i) % shape_.runs)], value_.of(number + static_cast<uint64_t>(i)));
    }
    check(db_.Write(write_, &batch));
  }
  uint64_t read(int run) override {
    const auto status = db_.Get({}, keys_[static_cast<size_t>(run)], &found_);
    if (status.IsNotFound()) {
      return 0;
    }
    check(status);
    return ValueBytes::number_in(found_.data(), found_.size());
  }

  template <class Status>
  static void check(const Status& status) {
    if (!status.ok()) {
      give_up(std::string(Library::kName) + ": " + status.ToString());
    }
  }

 private:
  typename Library::Db& db_;
  Shape shape_;
  typename Library::WriteOptions write_;
  ValueBytes value_;
  std::vector<std::string> keys_;
  std::string found_;
};

template <class Library>
class LogStructured : public Engine {
 public:
  LogStructured(const std::string& directory, const Shape& shape, bool sync) : shape_(shape), sync_(sync) {
    typename Library::Db* db = nullptr;
    LogStructuredSession<Library>::check(Library::open(directory, &db));
    db_.reset(db);
  }
  std::unique_ptr<Session> session() override {
    return std::make_unique<LogStructuredSession<Library>>(*db_, shape_, sync_);
  }

 private:
  Shape shape_;
  bool sync_;
  std::unique_ptr<typename Library::Db> db_;
};

/// With sync=false, and with sync=true.
template <class Library>
void add_log_structured(std::vector<Contender>& to) {
  for (const bool sync : {false, true}) {
    Contender c;
    c.name = std::string(Library::kName) + (sync ? " sync" : "");
    c.settings = std::string(sync ? "sync=true" : "sync=false") + ", no compression, else default";
    c.survives = sync ? Survives::kPower : Survives::kProcess;
    c.open = [sync](const std::string& directory, const Shape& shape) {
      return std::make_unique<LogStructured<Library>>(directory, shape, sync);
    };
    to.push_back(std::move(c));
  }
}

}  // namespace cairn::bench
