// One store of a simulation, with its clock, and what may happen to its process.
#pragma once

#include <memory>
#include <string>

#include "engine/store/store.h"
#include "engine/store/store_storage.h"
#include "engine/sync/receiver.h"

namespace cairn::sim {

/// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t count) { return next() % count; }
  bool one_in(uint64_t count) { return count != 0 && below(count) == 0; }

 private:
  uint64_t state_;
};

struct Clock {
  int64_t wall_us = 1'700'000'000'000'000;
  int64_t monotonic_ms = 1'000'000;
};

class SimulatedStore {
 public:
  SimulatedStore(std::string directory, Clock& clock, uint64_t seed);
  ~SimulatedStore();
  SimulatedStore(const SimulatedStore&) = delete;
  SimulatedStore& operator=(const SimulatedStore&) = delete;

  Status open();
  /// As it was at this moment: what the process had written is there, nothing else.
  Status kill();
  /// Keeps what is there now for restore().
  Status back_up();
  Status restore();

  engine::Store& store() { return *store_; }
  engine::sync::Receiver& receiver() { return *receiver_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  bool no_duplicate_check = false;

 private:
  struct Context {
    Clock* clock;
    Random random;
  };
  Status copy(const std::string& from, const std::string& to) const;
  void forget();

  const std::string directory_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<engine::Store> store_;
  std::unique_ptr<engine::sync::StoreStorage> storage_;
  std::unique_ptr<engine::sync::Receiver> receiver_;
};

}  // namespace cairn::sim
