// Cells: a run and a key, found once.
#include <cmath>

#include "api/read.h"
#include "api/refused.h"
#include "api/update.h"
#include "api/values.h"
#include "engine/document/path.h"
#include "engine/json/json.h"

namespace {

using cairn::Code;
using cairn::Status;
using cairn::api::check_writable;
using cairn::api::guarded;
using cairn::api::guarded_update;
using cairn::api::invalid;
using cairn::api::view_of;
using cairn::engine::Operation;
using cairn::engine::OperationType;
using cairn::engine::Value;

std::string_view key_of(const cairn_cell* cell) {
  return cell == nullptr ? std::string_view() : std::string_view(cell->key);
}

cairn_status update(cairn_cell* cell, OperationType type, const Value& value) noexcept {
  return guarded_update(cell, key_of(cell), [&]() -> Status {
    CAIRN_TRY(check_writable(cell));
    if (const double* d = value.get<double>(); d != nullptr && !std::isfinite(*d)) {
      return {Code::kNotFinite, "NaN and infinity are not JSON numbers"};
    }
    return cairn::api::apply(*cell, Operation{type, cell->key, value});
  });
}

template <class Take>
cairn_status read(cairn_cell* cell, const void* out, Take&& take) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(cell));
    if (out == nullptr) {
      return invalid("value: a null pointer");
    }
    return cairn::api::read_value(cell, cell->key, take);
  });
}

}  // namespace

namespace cairn::api {

cairn_status update_cell(cairn_cell* cell, OperationType type, double value) noexcept {
  return update(cell, type, Value(value));
}

cairn_status update_cell(cairn_cell* cell, OperationType type, int64_t value) noexcept {
  return update(cell, type, Value(value));
}

}  // namespace cairn::api

extern "C" {

cairn_status cairn_run_bind(cairn_run* run, const char* key, size_t key_bytes, cairn_cell** cell) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(run));
    if (cell == nullptr) {
      return invalid("cell: a null pointer");
    }
    *cell = nullptr;
    CAIRN_TRY(cairn::api::check_key_bytes(key, key_bytes));
    const std::string_view name = view_of(key, key_bytes);
    if (cairn::engine::is_path(name)) {
      return invalid("a cell binds a name of the top level, not a path");
    }
    CAIRN_TRY(cairn::engine::check_key(name));
    *cell = new cairn_cell(*run, name);
    return {};
  });
}

cairn_status cairn_cell_close(cairn_cell* cell) noexcept {
  if (cell == nullptr) {
    return CAIRN_OK;
  }
  return guarded([&]() -> Status {
    CAIRN_TRY(cairn::api::check_handle(cell));
    cell->magic = 0;
    delete cell;
    return {};
  });
}

cairn_status cairn_cell_set_uint64(cairn_cell* cell, uint64_t value) noexcept {
  if (value <= static_cast<uint64_t>(INT64_MAX)) {
    return cairn_cell_set_int64(cell, static_cast<int64_t>(value));
  }
  return update(cell, OperationType::kSet, Value(value));
}

cairn_status cairn_cell_set_bool(cairn_cell* cell, int32_t value) noexcept {
  if (cell != nullptr && cell->hot && cell->engine->try_set_bool(*cell->run, cell->key, value != 0)) {
    return CAIRN_OK;
  }
  return update(cell, OperationType::kSet, Value(value != 0));
}

cairn_status cairn_cell_set_string(cairn_cell* cell, const char* value, size_t value_bytes) noexcept {
  if (cell != nullptr && cell->hot && value != nullptr &&
      cell->engine->try_set_string(*cell->run, cell->key, {value, value_bytes})) {
    return CAIRN_OK;
  }
  return guarded_update(cell, key_of(cell), [&]() -> Status {
    CAIRN_TRY(check_writable(cell));
    Operation set{OperationType::kSet, cell->key, {}};
    CAIRN_TRY(cairn::api::make_value(cairn::api::text(value, value_bytes), *cell->engine, cell->key, set.value));
    return cairn::api::apply(*cell, set);
  });
}

cairn_status cairn_cell_get_double(cairn_cell* cell, double* value) noexcept {
  return read(cell, value, [=](const Value& v) { return cairn::api::read_double(v, cell->key, *value); });
}

cairn_status cairn_cell_get_int64(cairn_cell* cell, int64_t* value) noexcept {
  return read(cell, value, [=](const Value& v) { return cairn::api::read_int64(v, cell->key, *value); });
}

cairn_status cairn_cell_get_uint64(cairn_cell* cell, uint64_t* value) noexcept {
  return read(cell, value, [=](const Value& v) { return cairn::api::read_uint64(v, cell->key, *value); });
}

cairn_status cairn_cell_get_bool(cairn_cell* cell, int32_t* value) noexcept {
  return read(cell, value, [=](const Value& v) { return cairn::api::read_bool(v, cell->key, *value); });
}

cairn_status cairn_cell_get_string(cairn_cell* cell, char* buffer, size_t capacity, size_t* needed) noexcept {
  return read(cell, needed, [&](const Value& v) -> Status {
    const auto* text = v.get<std::string>();
    return text == nullptr ? cairn::api::mismatch(cell->key, "a string", v)
                           : cairn::api::copy_out(*text, true, buffer, capacity, needed);
  });
}

}  // extern "C"
