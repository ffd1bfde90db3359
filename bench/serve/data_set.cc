#include "bench/serve/data_set.h"

#include <cairn/cairn.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <stdexcept>

namespace cairn::bench {
namespace {

constexpr std::array<const char*, 8> kTasks = {"import-csv", "export", "train",  "evaluate",
                                               "transcode",  "report", "backup", "notify"};
constexpr std::array<const char*, 4> kPhases = {"queued", "reading", "working", "writing"};
constexpr std::array<const char*, 3> kPlans = {"free", "pro", "enterprise"};
constexpr uint32_t kUsers = 1000;
constexpr int64_t kCloseMs = 60'000;

void check(cairn_status status, const char* what) {
  if (CAIRN_FAILED(status)) {
    cairn_error error = {};
    error.struct_bytes = sizeof error;
    cairn_last_error(&error);
    throw std::runtime_error(std::string("the data set cannot be made: ") + what + ": " + error.message);
  }
}

/// What became of a run: of ten one is at work, one failed, one was cancelled.
int32_t status_of(uint32_t number) {
  switch (number % 10) {
    case 0:
      return CAIRN_RUN_EXECUTING;
    case 1:
      return CAIRN_RUN_FAILED;
    case 2:
      return CAIRN_RUN_CANCELED;
    default:
      return CAIRN_RUN_COMPLETED;
  }
}

void add_run(cairn_store* store, uint32_t number, uint32_t every, std::mt19937_64& random) {
  const auto below = [&random](uint64_t bound) { return static_cast<int64_t>(random() % bound); };
  const int64_t user = below(kUsers);
  const int64_t cents = below(kManyCents / 2) + (number % every == 0 ? kManyCents : 0);
  const nlohmann::json metadata = {
      {"progress", static_cast<double>(below(10'000)) / 10'000},
      {"phase", kPhases.at(static_cast<size_t>(below(kPhases.size())))},
      {"user",
       {{"id", "user_" + std::to_string(user)}, {"plan", kPlans.at(static_cast<size_t>(user) % kPlans.size())}}},
      {"usage", {{"tokens", below(100'000)}, {"cost", {{"cents", cents}, {"currency", "EUR"}}}}},
      {"rows", {{"read", below(1'000'000)}, {"bad", below(100)}}},
      {"last", {"s3://bucket/part-" + std::to_string(below(1000)), "s3://bucket/part-" + std::to_string(below(1000))}},
      {"note", "the quick brown fox jumps over the lazy dog"}};
  const std::string text = metadata.dump();
  const std::string id = run_id(number);
  const std::string tag = "user:" + std::to_string(user);
  const std::array<const char*, 2> tags = {tag.c_str(), "nightly"};
  cairn_start_options options = {};
  options.struct_bytes = sizeof options;
  options.id = id.c_str();
  options.task = kTasks.at(static_cast<size_t>(below(kTasks.size())));
  options.tags = tags.data();
  options.tag_count = number % 4 == 0 ? 2 : 1;
  options.metadata = text.data();
  options.metadata_bytes = text.size();
  cairn_run* run = nullptr;
  check(cairn_run_start(store, &options, &run), "start");
  if (const int32_t status = status_of(number); status != CAIRN_RUN_EXECUTING) {
    check(cairn_run_finish(run, status), "finish");
  }
  check(cairn_run_close(run), "close");
}

}  // namespace

std::string run_id(uint32_t number) {
  const std::string digits = std::to_string(number);
  return "run-" + std::string(kRunIdDigits - std::min<size_t>(kRunIdDigits, digits.size()), '0') + digits;
}

void make_data_set(Setting& setting) {
  if (!setting.store_of_runs.empty()) {
    return;
  }
  std::fprintf(stderr, "making %u runs\n", setting.scale.runs);
  const std::string directory = setting.directory + "/" + kDataSet;
  cairn_options options;
  cairn_options_init(&options);
  options.flags = CAIRN_OPEN_BACKGROUND;
  cairn_store* store = nullptr;
  check(cairn_store_open(directory.c_str(), &options, &store), "open");
  std::mt19937_64 random(setting.seed);
  for (uint32_t i = 0; i < setting.scale.runs; ++i) {
    add_run(store, i, setting.scale.runs / kRunsWithManyCents, random);
  }
  check(cairn_store_close(store, kCloseMs), "close");
  setting.store_of_runs = directory;
}

}  // namespace cairn::bench
