// The little language of the tests of Tables: a store directory, records by name, other processes.
#pragma once

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/tables/tables.h"
#include "tests/support/child_process.h"

namespace cairn::engine {

using tests::ChildProcess;
using tests::in_child;
using tests::unshare_mounts;

class TablesFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "cairn_tables_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    tables_.reset();
    std::filesystem::remove_all(directory_);
  }

  Tables::Options options() const {
    Tables::Options o;
    o.directory = directory_;
    o.store_id = std::string("0123456789abcdef");
    o.map_bytes = map_bytes_;
    o.may_grow = may_grow_;
    return o;
  }
  Tables::Options read_only() const {
    Tables::Options o = options();
    o.read_only = true;
    return o;
  }

  Result<std::unique_ptr<Tables>> try_open() { return Tables::open(options()); }
  void open() {
    tables_.reset();
    Result<std::unique_ptr<Tables>> t = Tables::open(options());
    ASSERT_TRUE(t.ok()) << t.status().what << " " << t.status().cause;
    tables_ = std::move(*t);
  }
  void close() { tables_.reset(); }
  Code open_code() { return Tables::open(options()).code(); }
  Code open_read_only_code() { return Tables::open(read_only()).code(); }
  std::unique_ptr<Tables> opened_read_only() {
    Result<std::unique_ptr<Tables>> t = Tables::open(read_only());
    EXPECT_TRUE(t.ok()) << t.status().what << " " << t.status().cause;
    return t.ok() ? std::move(*t) : nullptr;
  }

  static RunRecord record(const std::string& id, const std::string& text = "") {
    RunRecord r;
    r.id = id;
    r.sequence = 1;
    r.updated_us = 1000;
    r.task = "task";
    r.parent = "parent";
    Object object;
    object.push_back({"text", Value(text)});
    r.document = Document::from_object(std::move(object));
    return r;
  }
  static Tables::Change put(RunRecord r) {
    std::string id = r.id;
    return {std::move(id), std::move(r)};
  }
  static Tables::Change put(const std::string& id, const std::string& text = "") { return put(record(id, text)); }
  static Tables::Change erase(const std::string& id) { return {id, std::nullopt}; }

  Status write(std::vector<Tables::Change> changes, uint64_t lsn = 0) {
    return tables_->write(std::move(changes), lsn);
  }
  void must_write(std::vector<Tables::Change> changes, uint64_t lsn = 0) {
    const Status s = write(std::move(changes), lsn);
    ASSERT_TRUE(s.ok()) << s.what << " " << s.cause;
  }
  static std::string id(int i) {
    std::array<char, 16> text{};
    (void)snprintf(text.data(), text.size(), "run_%06d", i);
    return text.data();
  }
  static std::vector<Tables::Change> many(int from, int to, size_t bytes, char fill = 'x') {
    std::vector<Tables::Change> changes;
    for (int i = from; i < to; ++i) {
      changes.push_back(put(id(i), std::string(bytes, fill)));
    }
    return changes;
  }

  /// "absent", the text of the run's document, or the error.
  static std::string text_of(Tables& tables, const std::string& run) {
    const Result<std::optional<RunRecord>> r = tables.find(run);
    if (!r.ok()) {
      return std::string("error: ") + r.status().what;
    }
    if (!r->has_value()) {
      return "absent";
    }
    const auto* text = (*r)->document.size() == 1 ? (*r)->document.member(0).value.get<std::string>() : nullptr;
    return text == nullptr ? "no text" : *text;
  }
  std::string text(const std::string& run) { return text_of(*tables_, run); }
  std::string ids(std::string_view after = "") {
    std::string out;
    const Status s = tables_->each(after, [&](const RunRecord& r) {
      out += r.id + " ";
      return true;
    });
    return s.ok() ? out : std::string("error: ") + s.what;
  }

  /// Each damage in one line; "" for none.
  static std::string damage_of(Tables& tables) {
    std::string out;
    const Status s = tables.verify([&](const TableDamage& d) { out += d.table + ": " + d.what + "\n"; });
    EXPECT_EQ(s.code, out.empty() ? Code::kOk : Code::kCorrupt);
    return out;
  }
  std::string damage() { return damage_of(*tables_); }

  std::string data_file() const { return directory_ + "/data/data.mdb"; }

  std::string directory_;
  uint64_t map_bytes_ = 1u << 20;
  std::function<Status(uint64_t)> may_grow_;
  std::unique_ptr<Tables> tables_;
};

}  // namespace cairn::engine
