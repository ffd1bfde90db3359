// A store in a temporary directory, and a small language to write tests of it in.
#pragma once

#include <ftw.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "engine/json/json.h"
#include "engine/reader/store_reader.h"
#include "engine/store/store.h"

namespace cairn::tests {

/// A directory that is removed with everything in it.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& below = "/tmp") {
    std::string name = below + "/cairn-test-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TemporaryDirectory() {
    nftw(
        path_.c_str(), [](const char* path, const struct stat*, int, struct FTW*) { return remove(path); }, 16,
        FTW_DEPTH | FTW_PHYS);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class StoreTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return directory_.path() + "/" + name_; }
  engine::StoreOptions options() {
    engine::StoreOptions o;
    o.directory = path();
    o.segment_bytes = 256u << 10;
    return o;
  }
  void open(engine::StoreOptions o) {
    auto opened = engine::Store::open(std::move(o));
    ASSERT_TRUE(opened.ok()) << static_cast<int>(opened.code()) << " " << engine::error_detail().message;
    store_ = std::move(*opened);
  }
  void open() { open(options()); }
  void reopen() {
    close();
    open();
  }
  void close() {
    if (store_) {
      const Status s = store_->close(0);
      ASSERT_TRUE(s.ok()) << static_cast<int>(s.code) << " " << engine::error_detail().message;
      store_.reset();
    }
  }
  engine::RunRef start(const std::string& id) {
    engine::StartOptions o;
    o.id = id;
    auto run = store_->start(o);
    EXPECT_TRUE(run.ok()) << engine::error_detail().message;
    return *run;
  }
  engine::RunRef find(const std::string& id) {
    auto run = store_->find(id);
    EXPECT_TRUE(run.ok()) << id << ": " << engine::error_detail().message;
    return run.ok() ? *run : nullptr;
  }
  Code set(const engine::RunRef& run, const std::string& key, const std::string& json,
           engine::Durability durability = engine::Durability::kDefault) {
    auto value = engine::parse_json(json);
    EXPECT_TRUE(value.ok()) << json;
    engine::Outcome outcome;
    return store_->apply(*run, {engine::OperationType::kSet, key, *value}, outcome, durability).code;
  }
  Code apply(const engine::RunRef& run, const std::string& operation_json) {
    auto operations = engine::parse_operations("[" + operation_json + "]");
    EXPECT_TRUE(operations.ok()) << operation_json;
    engine::Outcome outcome;
    return store_->apply(*run, (*operations)[0], outcome).code;
  }
  std::string json(const engine::RunRef& run) {
    std::string text;
    const Status s = store_->current(*run, [&text](const engine::Document& d, uint64_t) { text = d.to_json(); });
    return s.ok() ? text : "code " + std::to_string(static_cast<int>(s.code));
  }
  std::string json(const std::string& id) { return json(find(id)); }
  /// As another process would read it.
  std::string read(const std::string& id) {
    engine::StoreReader::Options o;
    o.directory = path();
    auto reader = engine::StoreReader::open(o);
    if (!reader.ok()) {
      return "code " + std::to_string(static_cast<int>(reader.code())) + " " + engine::error_detail().message;
    }
    auto view = (*reader)->read(id);
    if (!view.ok()) {
      return "code " + std::to_string(static_cast<int>(view.code())) + " " + engine::error_detail().message;
    }
    return *view ? (*view)->record.document.to_json() : "none";
  }

  TemporaryDirectory directory_;
  std::string name_ = "store";
  std::unique_ptr<engine::Store> store_;
};

}  // namespace cairn::tests
