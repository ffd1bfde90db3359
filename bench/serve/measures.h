// What serve.sh measures: each row of its table, and what the rows need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace cairn::bench {

struct Scale {
  uint32_t runs = 100'000;  // of the data set
  int repetitions = 5;
  double seconds = 2;  // of one repetition
  size_t filters = 40;
  size_t subscribers = 1000;
  size_t held = 5000;
  size_t workers = 1000;
  double following_seconds = 10;  // of changes beside those who follow
  double idle_seconds = 30;
  int pairs = 5;  // of a time without and one with streams of events
};
Scale quick_scale();

struct Row {
  std::string name;  // of the measure
  std::string what;
  std::string to_reach;  // "": reported only
  std::string result;
  std::optional<bool> met;  // none: nothing is to be reached
  uint64_t requests = 0;    // that were answered, and counted
  double cpu_s = 0;         // of the server, for these
  double peak_mb = 0;       // the server's memory at most, mapped files included
  nlohmann::json values;    // all figures, by name
};

/// What all measures share.
struct Setting {
  Scale scale;
  bool is_quick = false;      // too small to judge by
  std::string directory;      // of this call alone
  std::string store_of_runs;  // the data set, made at its first use
  uint64_t seed = 1;
  std::string node_modules;  // where better-sqlite3 is
  std::string without_node;  // why it is not there
  std::string profiled;      // a measure's name
  std::string profile;       // file of perf
  std::string measure;       // which one runs
};

struct Measure {
  const char* name;
  const char* what;
  std::vector<Row> (*run)(Setting& setting);
};

std::vector<Measure> reading_measures();
std::vector<Measure> put_measures();
std::vector<Measure> following_measures();
std::vector<Measure> worker_measures();

}  // namespace cairn::bench
