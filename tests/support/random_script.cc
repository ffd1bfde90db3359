// The part of RecordedLife that makes up scripts: all kinds of calls, chosen by the seed.
#include <algorithm>

#include "tests/support/recorded_life.h"

namespace cairn::testing {

using engine::Array;
using engine::Durability;
using engine::Object;
using engine::Operation;
using engine::OperationType;
using engine::Value;

namespace {

// By the run's number: 1, 2, 5 and 50 keys in rotation.
int keys_of(const std::string& id) {
  static constexpr int kKeys[] = {1, 2, 5, 50};
  return kKeys[static_cast<size_t>(id.back()) % 4];
}

}  // namespace

Operation RecordedLife::any_operation(const std::string& id) {
  const std::string key = "k" + std::to_string(script_.below(static_cast<uint64_t>(keys_of(id))));
  switch (script_.below(12)) {
    case 0:
      return {OperationType::kIncrement, key, Value(static_cast<int64_t>(script_.below(1000)))};
    case 1:
      return {OperationType::kAppend, "list", Value(static_cast<int64_t>(script_.below(5)))};
    case 2:
      return {OperationType::kRemove, "list", Value(static_cast<int64_t>(script_.below(5)))};
    case 3:
      return {OperationType::kDelete, key, Value()};
    case 4:
      return {OperationType::kSet, "$.tree.a" + std::to_string(script_.below(3)) + ".b",
              Value(static_cast<int64_t>(script_.below(100)))};
    case 5: {
      Object object;
      for (uint64_t i = 0, n = script_.below(6); i < n; ++i) {
        object.push_back({"k" + std::to_string(i), Value(script_.text(script_.below(30)))});
      }
      return {OperationType::kReplace, "", Value(std::move(object))};
    }
    case 6:  // outgrows its slot
      return {OperationType::kSet, key, Value(script_.text(script_.below(options_.metadata_bytes_max / 2)))};
    case 7:  // a record that ends in zeros
      return {OperationType::kSet, key, Value(static_cast<int64_t>(0))};
    default:
      return {OperationType::kSet, key, Value(static_cast<double>(script_.below(1u << 20)) / 64)};
  }
}

void RecordedLife::any_call(int runs) {
  const std::vector<std::string> open_runs = alive();
  const bool room = static_cast<int>(open_runs.size()) < runs;
  if (open_runs.empty() || (room && script_.one_in(8))) {
    const std::string id = "run" + std::to_string(script_.below(static_cast<uint64_t>(runs) * 2));
    if (!history_.state(id, history_.newest(id)).exists) {
      start(id, static_cast<int>(script_.below(6)), script_.one_in(5) ? Durability::kPower : Durability::kDefault);
      return;
    }
  }
  if (open_runs.empty()) {
    return;
  }
  const std::string id = open_runs[script_.below(open_runs.size())];
  const Durability durability = script_.one_in(12) ? Durability::kPower : Durability::kDefault;
  const uint64_t kind = script_.below(100);
  if (kind < 6 && !may_fail_) {
    update_parent(id, any_operation("parent of 1"), durability);
  } else if (kind < 40) {
    keys(id, keys_of(id), 1 + static_cast<int>(script_.below(4)), durability);
  } else if (kind < 62) {
    apply(id, any_operation(id), durability);
  } else if (kind < 72) {
    std::vector<std::pair<std::string, Operation>> operations;
    for (uint64_t i = 0, n = 1 + script_.below(4); i < n; ++i) {
      const std::string& other = open_runs[script_.below(open_runs.size())];
      operations.emplace_back(other, any_operation(other));
    }
    if (script_.one_in(3) && !may_fail_ && history_.state(kParent, history_.newest(kParent)).exists) {
      operations.emplace_back(kParent, any_operation("parent of 1"));
    }
    transact(operations, durability);
  } else if (kind < 82) {
    step(static_cast<int64_t>(script_.below(1500)));
  } else if (kind < 85) {
    barrier();
  } else if (kind < 87) {
    wait_durable();
  } else if (kind < 90) {
    checkpoint();
  } else if (kind < 92) {
    status(id, script_.coin() ? engine::RunStatus::kWaiting : engine::RunStatus::kExecuting);
  } else if (kind < 94) {
    tags(id, {"x" + std::to_string(script_.below(100)), "y"});
  } else if (kind < 96) {
    finish(id, durability);
  } else if (kind < 98) {
    const std::vector<std::string> all = history_.ids();
    const std::string& any = all[script_.below(all.size())];
    if (history_.state(any, history_.newest(any)).exists) {
      erase(any);
    }
  } else if (!may_fail_) {
    close().open();
    for (const std::string& other : open_runs) {
      if (script_.coin()) {
        resume(other);
      }
    }
  }
}

RecordedLife& RecordedLife::anything(int calls, int runs) {
  for (int i = 0; i < calls && failure_.empty(); ++i) {
    any_call(runs);
  }
  return *this;
}

}  // namespace cairn::testing
