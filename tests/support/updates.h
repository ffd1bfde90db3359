// Updates as the C interface makes them: the hot path first, then the general one.
#pragma once

#include <string>
#include <string_view>

#include "engine/store/store.h"

namespace cairn::tests {

inline Status update(engine::Store& store, engine::Run& run, engine::OperationType type, std::string_view key,
                     engine::Value value) {
  engine::Outcome outcome;
  return store.apply(run, {type, std::string(key), std::move(value)}, outcome);
}

inline Status set_double(engine::Store& store, engine::Run& run, std::string_view key, double v) {
  return store.try_set_double(run, key, v) ? Status() : update(store, run, engine::OperationType::kSet, key, v);
}

inline Status set_int(engine::Store& store, engine::Run& run, std::string_view key, int64_t v,
                      engine::CellPlace* place = nullptr) {
  return store.try_set_int(run, key, v, place) ? Status() : update(store, run, engine::OperationType::kSet, key, v);
}

inline Status set_string(engine::Store& store, engine::Run& run, std::string_view key, std::string_view v) {
  return store.try_set_string(run, key, v) ? Status() : update(store, run, engine::OperationType::kSet, key, v);
}

inline Status increment(engine::Store& store, engine::Run& run, std::string_view key, const engine::Value& n) {
  return store.try_increment(run, key, n) ? Status() : update(store, run, engine::OperationType::kIncrement, key, n);
}

}  // namespace cairn::tests
