// The storages that the tests of the seam and of the routes run on, each in turn.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/server/run_storage.h"
#include "cairn/status.h"

namespace cairn::tests {

struct StorageSetup {
  std::string name = "env_0123";
  size_t metadata_bytes_max = 4096;
  size_t history_max = 100'000;  // changes after which a position in a set is too old
  std::function<int64_t()> now_us;
};

/// A storage, and what only a test does to one.
class TestedStorage {
 public:
  virtual ~TestedStorage() = default;
  virtual server::RunStorage& storage() = 0;
  /// The same runs for another server.
  virtual std::unique_ptr<server::RunStorage> door() = 0;
  /// Every call fails with `trouble` until it is given an ok Status.
  virtual void set_trouble(cairn::Status trouble) = 0;
  /// From now on the run belongs to another store, whose name for people is returned.
  virtual std::string set_owner(const std::string& run) = 0;
  /// A run with an id of the test's choice.
  virtual void add(const std::string& id, const server::Trigger& trigger) = 0;
  /// As retention does.
  virtual void erase(const std::string& run) = 0;
  /// What a restart of the server makes unknown: positions in sets.
  virtual void restart() = 0;
};

struct StorageKind {
  const char* name;
  std::unique_ptr<TestedStorage> (*make)(const StorageSetup& setup);
};
const std::vector<StorageKind>& storage_kinds();

inline std::string name_of_kind(const ::testing::TestParamInfo<StorageKind>& kind) { return kind.param.name; }

/// Instantiates a suite whose parameter is a StorageKind.
#define CAIRN_ON_EACH_STORAGE(Suite) \
  INSTANTIATE_TEST_SUITE_P(On, Suite, ::testing::ValuesIn(storage_kinds()), name_of_kind)

}  // namespace cairn::tests
