// The calls that programs make in loops: they try the engine's hot path (engine/store/hot.cc) once; what that does not
// handle goes to the general path, which also reports errors. Compiled for speed, so nothing else belongs here.
#include "api/read.h"
#include "api/update.h"

namespace {

using cairn::api::get_double;
using cairn::api::get_int64;
using cairn::api::replace_msgpack;
using cairn::api::set_text;
using cairn::api::update_cell;
using cairn::api::update_run;
using cairn::engine::OperationType;
using cairn::engine::Value;

// Whether the handle has the store's class: then the engine may use the short path, if the store's class is `process`.
bool is_hot(const cairn_run* run, const char* key) { return run != nullptr && key != nullptr && run->hot; }
bool is_hot(const cairn_cell* cell) { return cell != nullptr && cell->hot; }

}  // namespace

extern "C" {

cairn_status cairn_run_set_double(cairn_run* run, const char* key, size_t key_bytes, double value) noexcept {
  if (is_hot(run, key) && run->engine->try_set_double(*run->run, {key, key_bytes}, value)) [[likely]] {
    return CAIRN_OK;
  }
  return update_run(run, OperationType::kSet, key, key_bytes, value);
}

cairn_status cairn_run_set_int64(cairn_run* run, const char* key, size_t key_bytes, int64_t value) noexcept {
  if (is_hot(run, key) && run->engine->try_set_int(*run->run, {key, key_bytes}, value)) [[likely]] {
    return CAIRN_OK;
  }
  return update_run(run, OperationType::kSet, key, key_bytes, value);
}

cairn_status cairn_run_set_bool(cairn_run* run, const char* key, size_t key_bytes, int32_t value) noexcept {
  if (is_hot(run, key) && run->engine->try_set_bool(*run->run, {key, key_bytes}, value != 0)) [[likely]] {
    return CAIRN_OK;
  }
  return update_run(run, OperationType::kSet, key, key_bytes, value != 0);
}

cairn_status cairn_run_set_string(cairn_run* run, const char* key, size_t key_bytes, const char* value,
                                  size_t value_bytes) noexcept {
  if (is_hot(run, key) && value != nullptr &&
      run->engine->try_set_string(*run->run, {key, key_bytes}, {value, value_bytes})) [[likely]] {
    return CAIRN_OK;
  }
  return set_text(run, key, key_bytes, value, value_bytes);
}

cairn_status cairn_run_increment_int64(cairn_run* run, const char* key, size_t key_bytes, int64_t by) noexcept {
  if (is_hot(run, key) && run->engine->try_increment(*run->run, {key, key_bytes}, Value(by))) [[likely]] {
    return CAIRN_OK;
  }
  return update_run(run, OperationType::kIncrement, key, key_bytes, by);
}

cairn_status cairn_run_increment_double(cairn_run* run, const char* key, size_t key_bytes, double by) noexcept {
  if (is_hot(run, key) && run->engine->try_increment(*run->run, {key, key_bytes}, Value(by))) [[likely]] {
    return CAIRN_OK;
  }
  return update_run(run, OperationType::kIncrement, key, key_bytes, by);
}

cairn_status cairn_run_replace_msgpack(cairn_run* run, const void* value, size_t bytes) noexcept {
  if (run != nullptr && run->hot && value != nullptr && bytes <= cairn::api::kInputBytesMax &&
      run->engine->try_replace(*run->run, {static_cast<const char*>(value), bytes})) [[likely]] {
    return CAIRN_OK;
  }
  return replace_msgpack(run, value, bytes);
}

cairn_status cairn_run_get_double(cairn_run* run, const char* key, size_t key_bytes, double* value) noexcept {
  if (run != nullptr && run->engine != nullptr && key != nullptr && value != nullptr &&
      run->engine->try_get_double(*run->run, {key, key_bytes}, *value)) [[likely]] {
    return CAIRN_OK;
  }
  return get_double(run, key, key_bytes, value);
}

cairn_status cairn_run_get_int64(cairn_run* run, const char* key, size_t key_bytes, int64_t* value) noexcept {
  if (run != nullptr && run->engine != nullptr && key != nullptr && value != nullptr &&
      run->engine->try_get_int(*run->run, {key, key_bytes}, *value)) [[likely]] {
    return CAIRN_OK;
  }
  return get_int64(run, key, key_bytes, value);
}

cairn_status cairn_cell_set_double(cairn_cell* cell, double value) noexcept {
  if (is_hot(cell) && cell->engine->try_set_double(*cell->run, cell->key, value, &cell->place)) [[likely]] {
    return CAIRN_OK;
  }
  return update_cell(cell, OperationType::kSet, value);
}

cairn_status cairn_cell_set_int64(cairn_cell* cell, int64_t value) noexcept {
  if (is_hot(cell) && cell->engine->try_set_int(*cell->run, cell->key, value, &cell->place)) [[likely]] {
    return CAIRN_OK;
  }
  return update_cell(cell, OperationType::kSet, value);
}

cairn_status cairn_cell_increment_int64(cairn_cell* cell, int64_t by) noexcept {
  if (is_hot(cell) && cell->engine->try_increment(*cell->run, cell->key, Value(by), &cell->place)) [[likely]] {
    return CAIRN_OK;
  }
  return update_cell(cell, OperationType::kIncrement, by);
}

cairn_status cairn_cell_increment_double(cairn_cell* cell, double by) noexcept {
  if (is_hot(cell) && cell->engine->try_increment(*cell->run, cell->key, Value(by), &cell->place)) [[likely]] {
    return CAIRN_OK;
  }
  return update_cell(cell, OperationType::kIncrement, by);
}

}  // extern "C"
