// A store below a directory of its own, removed with it. Calls that fail end the program with Cairn's message.
#pragma once

#include <cairn/cairn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace cairn::bench {

inline void check(cairn_status status, const char* what) {
  if (CAIRN_FAILED(status)) {
    cairn_error error = {};
    error.struct_bytes = sizeof error;
    cairn_last_error(&error);
    std::fprintf(stderr, "targets: %s: %s\n", what, error.message);
    _exit(1);
  }
}

class StoreDirectory {
 public:
  explicit StoreDirectory(const std::string& below) {
    std::filesystem::create_directories(below);
    path_ = below + "/targets-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) {
      std::fprintf(stderr, "targets: cannot make a directory below %s\n", below.c_str());
      _exit(1);
    }
  }
  ~StoreDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  StoreDirectory(const StoreDirectory&) = delete;
  StoreDirectory& operator=(const StoreDirectory&) = delete;
  [[nodiscard]] std::string store() const { return path_ + "/store"; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline cairn_store* open_store(const std::string& directory, cairn_options options) {
  cairn_store* store = nullptr;
  check(cairn_store_open(directory.c_str(), &options, &store), "open");
  return store;
}

inline cairn_options options_with(uint32_t flags) {
  cairn_options options;
  cairn_options_init(&options);
  options.flags = flags;
  return options;
}

inline cairn_run* start_run(cairn_store* store, int number) {
  const std::string id = "run-" + std::to_string(number);
  cairn_start_options o = {};
  o.struct_bytes = sizeof o;
  o.id = id.c_str();
  cairn_run* run = nullptr;
  check(cairn_run_start(store, &o, &run), "start");
  return run;
}

inline void expect_value(cairn_run* run, const char* key, size_t key_bytes, int64_t wanted) {
  int64_t found = 0;
  const cairn_status status = cairn_run_get_int64(run, key, key_bytes, &found);
  if (status != CAIRN_OK || found != wanted) {
    std::fprintf(stderr, "targets: a run holds %lld instead of %lld\n", static_cast<long long>(found),
                 static_cast<long long>(wanted));
    _exit(1);
  }
}

}  // namespace cairn::bench
