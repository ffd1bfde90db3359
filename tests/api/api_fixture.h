// A store and a run through the C ABI, and a small language to write tests of it in.
#pragma once

#include <ftw.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "cairn/cairn.h"

namespace cairn::tests {

inline cairn_error last_error() {
  cairn_error e = {};
  e.struct_bytes = sizeof e;
  EXPECT_EQ(cairn_last_error(&e), CAIRN_OK);
  return e;
}

/// "17 the value is not an array": a status with its message, for failures of tests.
inline std::string explain(cairn_status s) {
  return std::to_string(s) + " " + (CAIRN_FAILED(s) ? last_error().message : cairn_status_text(s));
}

#define CAIRN_EXPECT(expected, call)                              \
  do {                                                            \
    const cairn_status got_ = (call);                             \
    EXPECT_EQ(got_, (expected)) << ::cairn::tests::explain(got_); \
  } while (false)
#define CAIRN_ASSERT_OK(call)                                   \
  do {                                                          \
    const cairn_status got_ = (call);                           \
    ASSERT_EQ(got_, CAIRN_OK) << ::cairn::tests::explain(got_); \
  } while (false)

/// A fresh directory, and `path/store` in it, removed at the end.
class Directory {
 public:
  Directory() {
    char name[] = "/tmp/cairn-api-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Directory() {
    nftw(
        path_.c_str(), [](const char* path, const struct stat*, int, struct FTW*) { return remove(path); }, 16,
        FTW_DEPTH | FTW_PHYS);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] std::string store() const { return path_ + "/store"; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class ApiTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }
  void TearDown() override {
    close_run();
    close();
  }

  [[nodiscard]] std::string path() const { return directory_.store(); }

  static cairn_options options() {
    cairn_options o;
    cairn_options_init(&o);
    o.segment_bytes = 256u << 10;
    return o;
  }
  void open(const cairn_options& o) { CAIRN_ASSERT_OK(cairn_store_open(path().c_str(), &o, &store_)); }
  void open() { open(options()); }
  void close() {
    if (store_ != nullptr) {
      CAIRN_EXPECT(CAIRN_OK, cairn_store_close(store_, -1));
      store_ = nullptr;
    }
  }
  void close_run() {
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run_));
    run_ = nullptr;
  }

  cairn_status try_start(const char* id, const char* metadata, cairn_run** run) {
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.id = id;
    o.metadata = metadata;
    o.metadata_bytes = metadata == nullptr ? 0 : std::string_view(metadata).size();
    return cairn_run_start(store_, &o, run);
  }
  /// Starts `id` as the run of this test.
  cairn_run* start(const char* id = "r", const char* metadata = nullptr) {
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run_));
    run_ = nullptr;
    CAIRN_EXPECT(CAIRN_OK, try_start(id, metadata, &run_));
    return run_;
  }

  static cairn_status set(cairn_run* run, std::string_view key, double v) {
    return cairn_run_set_double(run, key.data(), key.size(), v);
  }
  static cairn_status set_json(cairn_run* run, std::string_view key, std::string_view json) {
    return cairn_run_set_json(run, key.data(), key.size(), json.data(), json.size());
  }
  cairn_status set(std::string_view key, double v) { return set(run_, key, v); }
  cairn_status set_json(std::string_view key, std::string_view json) { return set_json(run_, key, json); }
  cairn_status set_string(std::string_view key, std::string_view v) {
    return cairn_run_set_string(run_, key.data(), key.size(), v.data(), v.size());
  }
  cairn_status replace(std::string_view json) { return cairn_run_replace_json(run_, json.data(), json.size()); }

  /// The run's whole metadata as JSON, or "status N".
  static std::string current(cairn_run* run) {
    std::string text(1 << 20, '\0');
    size_t needed = 0;
    const cairn_status s = cairn_run_current_json(run, text.data(), text.size(), &needed, nullptr);
    if (s != CAIRN_OK) {
      return "status " + std::to_string(s);
    }
    text.resize(needed);
    return text;
  }
  std::string current() { return current(run_); }
  std::string get(std::string_view key) {
    char text[4096];
    size_t needed = 0;
    const cairn_status s = cairn_run_get_json(run_, key.data(), key.size(), text, sizeof text, &needed);
    return s == CAIRN_OK ? std::string(text, needed) : "status " + std::to_string(s);
  }

  Directory directory_;
  cairn_store* store_ = nullptr;
  cairn_run* run_ = nullptr;
};

}  // namespace cairn::tests
