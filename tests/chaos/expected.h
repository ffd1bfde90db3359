// What an oracle says that a worker's store must hold, run by run, and which of the operations that a kill left open
// were done.
#pragma once

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/reader/store_reader.h"
#include "engine/store/store.h"
#include "tests/chaos/oracle.h"

namespace cairn::tests {

struct ExpectedRun {
  bool finished = false;
  nlohmann::json document = nlohmann::json::object();
  bool operator==(const ExpectedRun&) const = default;
};

/// All runs of a store, by id.
using StoredRuns = std::map<std::string, engine::RunRecord>;

class Expected {
 public:
  explicit Expected(Oracle& oracle) : oracle_(oracle) {}

  /// After a worker's end: takes what the oracle has since the last call, decides what was open by what `stored` has,
  /// and compares. One line for each run that is not as it must be.
  std::vector<std::string> catch_up(const StoredRuns& stored);
  /// What is wrong with the parents, which `upstream` owns.
  [[nodiscard]] std::vector<std::string> compare_parents(const StoredRuns& upstream) const;

  [[nodiscard]] uint64_t operations() const { return operations_; }
  [[nodiscard]] uint64_t open_took() const { return open_took_; }
  [[nodiscard]] uint64_t open_took_not() const { return open_took_not_; }
  [[nodiscard]] uint64_t told() const { return told_; }
  [[nodiscard]] size_t runs() const { return runs_.size(); }

 private:
  using Runs = std::map<std::string, ExpectedRun>;
  static void apply(Runs& runs, uint32_t thread, const Entry& e);
  static bool is(const Runs& runs, const std::string& id, const StoredRuns& stored);

  Oracle& oracle_;
  std::array<uint32_t, kOracleThreads> seen_{};
  Runs runs_;
  std::map<std::string, std::array<std::vector<int64_t>, kOracleThreads>> logs_;  // of parents
  uint64_t operations_ = 0, open_took_ = 0, open_took_not_ = 0, told_ = 0;
};

}  // namespace cairn::tests
