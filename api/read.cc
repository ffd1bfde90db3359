#include "api/read.h"

#include <cmath>

#include "engine/base/thread_object.h"
#include "engine/document/document.h"
#include "engine/json/json.h"
#include "engine/json/msgpack.h"

namespace cairn::api {

namespace {

const char* type_text(const engine::Value& v) {
  switch (v.type()) {
    case engine::Type::kNull:
      return "null";
    case engine::Type::kBool:
      return "a bool";
    case engine::Type::kInt64:
    case engine::Type::kUint64:
    case engine::Type::kDouble:
      return "a number";
    case engine::Type::kString:
      return "a string";
    case engine::Type::kArray:
      return "an array";
    case engine::Type::kObject:
      return "an object";
  }
  return "something";
}

}  // namespace

Status copy_out(std::string_view text, bool nul, void* buffer, size_t capacity, size_t* needed) {
  *needed = text.size();
  if (buffer == nullptr) {
    return {};
  }
  if (capacity < text.size()) {
    engine::ErrorDetail& detail = engine::error_detail();
    detail = engine::ErrorDetail();
    detail.code = Code::kTooLarge;
    detail.needed = text.size();
    detail.limit = capacity;
    return {Code::kTooLarge, "the buffer is too small"};
  }
  if (!text.empty()) {
    std::memcpy(buffer, text.data(), text.size());
  }
  if (nul && capacity > text.size()) {
    static_cast<char*>(buffer)[text.size()] = '\0';
  }
  return {};
}

Status mismatch(std::string_view key, const char* expected, const engine::Value& found) {
  std::string message(key);
  message += ": expected ";
  message += expected;
  message += ", found ";
  if (found.is_number()) {
    message += engine::to_json(found);
  } else {
    message += type_text(found);
  }
  return engine::fail(Status(Code::kTypeMismatch, "the value is of another type"), std::move(message), key);
}

std::string& scratch() {
  constexpr size_t kKept = 64u << 10;
  struct Scratch {
    std::string text;
  };
  std::string& text = engine::thread_object<Scratch>().text;
  if (text.capacity() > kKept) {
    text = std::string();
  }
  text.clear();
  return text;
}

Status read_double(const engine::Value& value, std::string_view key, double& out) {
  if (const auto* d = value.get<double>()) {
    out = *d;
  } else if (const auto* i = value.get<int64_t>()) {
    out = static_cast<double>(*i);
  } else if (const auto* u = value.get<uint64_t>()) {
    out = static_cast<double>(*u);
  } else {
    return mismatch(key, "a number", value);
  }
  return {};
}

Status read_int64(const engine::Value& value, std::string_view key, int64_t& out) {
  constexpr double kEnd = 9223372036854775808.0;  // 2^63
  if (const auto* i = value.get<int64_t>()) {
    out = *i;
    return {};
  }
  if (const auto* d = value.get<double>(); d != nullptr && *d >= -kEnd && *d < kEnd && std::trunc(*d) == *d) {
    out = static_cast<int64_t>(*d);
    return {};
  }
  return mismatch(key, "an integer of 64 bits", value);
}

Status read_uint64(const engine::Value& value, std::string_view key, uint64_t& out) {
  constexpr double kEnd = 18446744073709551616.0;  // 2^64
  if (const auto* u = value.get<uint64_t>()) {
    out = *u;
    return {};
  }
  if (const auto* i = value.get<int64_t>(); i != nullptr && *i >= 0) {
    out = static_cast<uint64_t>(*i);
    return {};
  }
  if (const auto* d = value.get<double>(); d != nullptr && *d >= 0 && *d < kEnd && std::trunc(*d) == *d) {
    out = static_cast<uint64_t>(*d);
    return {};
  }
  return mismatch(key, "an integer of 64 bits, not below 0", value);
}

Status read_bool(const engine::Value& value, std::string_view key, int32_t& out) {
  const bool* b = value.get<bool>();
  if (b == nullptr) {
    return mismatch(key, "a bool", value);
  }
  out = *b ? 1 : 0;
  return {};
}

}  // namespace cairn::api

namespace {

using cairn::Status;
using cairn::api::check_open;
using cairn::api::copy_out;
using cairn::api::guarded;
using cairn::api::invalid;
using cairn::api::scratch;
using cairn::api::view_of;
using cairn::engine::Document;
using cairn::engine::Value;

// Reads by take(value, key) -> Status. `out` is what the call fills; it must not be null.
template <class Take>
cairn_status read(cairn_run* run, const char* key, size_t key_bytes, const void* out, Take&& take) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(run));
    if (out == nullptr) {
      return invalid("value: a null pointer");
    }
    CAIRN_TRY(cairn::api::check_key_bytes(key, key_bytes));
    const std::string_view name = view_of(key, key_bytes);
    if (run->engine == nullptr) {
      auto view = run->store->reading->read(run->id, run->created_lsn);
      return view.ok()
                 ? cairn::api::with_value(view->record.document, name, [&](const Value& v) { return take(v, name); })
                 : view.status();
    }
    return cairn::api::read_value(run, name, [&](const Value& v) { return take(v, name); });
  });
}

// The text is made under the run's lock and copied out without it.
template <class Make>
cairn_status current(cairn_run* run, bool nul, void* buffer, size_t capacity, size_t* needed, uint64_t* sequence,
                     Make&& make) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(run));
    if (needed == nullptr) {
      return invalid("needed: a null pointer");
    }
    std::string& text = scratch();
    uint64_t at = 0;
    const auto read_it = [&](const Document& document, uint64_t s) {
      make(document, text);
      at = s;
    };
    if (run->engine != nullptr) {
      CAIRN_TRY(run->engine->current(*run->run, std::cref(read_it)));
    } else {
      auto view = run->store->reading->read(run->id, run->created_lsn);
      if (!view.ok()) {
        return view.status();
      }
      read_it(view->record.document, view->record.sequence);
    }
    if (sequence != nullptr) {
      *sequence = at;
    }
    return copy_out(text, nul, buffer, capacity, needed);
  });
}

}  // namespace

namespace cairn::api {

cairn_status get_double(cairn_run* run, const char* key, size_t key_bytes, double* value) noexcept {
  return read(run, key, key_bytes, value,
              [=](const Value& v, std::string_view name) { return read_double(v, name, *value); });
}

cairn_status get_int64(cairn_run* run, const char* key, size_t key_bytes, int64_t* value) noexcept {
  return read(run, key, key_bytes, value,
              [=](const Value& v, std::string_view name) { return read_int64(v, name, *value); });
}

}  // namespace cairn::api

extern "C" {

cairn_status cairn_run_get_uint64(cairn_run* run, const char* key, size_t key_bytes, uint64_t* value) noexcept {
  return read(run, key, key_bytes, value,
              [=](const Value& v, std::string_view name) { return cairn::api::read_uint64(v, name, *value); });
}

cairn_status cairn_run_get_bool(cairn_run* run, const char* key, size_t key_bytes, int32_t* value) noexcept {
  return read(run, key, key_bytes, value,
              [=](const Value& v, std::string_view name) { return cairn::api::read_bool(v, name, *value); });
}

cairn_status cairn_run_get_string(cairn_run* run, const char* key, size_t key_bytes, char* buffer, size_t capacity,
                                  size_t* needed) noexcept {
  return read(run, key, key_bytes, needed, [&](const Value& v, std::string_view name) -> Status {
    const auto* text = v.get<std::string>();
    return text == nullptr ? cairn::api::mismatch(name, "a string", v)
                           : copy_out(*text, true, buffer, capacity, needed);
  });
}

cairn_status cairn_run_get_json(cairn_run* run, const char* key, size_t key_bytes, char* buffer, size_t capacity,
                                size_t* needed) noexcept {
  return read(run, key, key_bytes, needed, [&](const Value& v, std::string_view) {
    std::string& text = scratch();
    cairn::engine::append_json(text, v);
    return copy_out(text, true, buffer, capacity, needed);
  });
}

cairn_status cairn_run_get_msgpack(cairn_run* run, const char* key, size_t key_bytes, void* buffer, size_t capacity,
                                   size_t* needed) noexcept {
  return read(run, key, key_bytes, needed, [&](const Value& v, std::string_view) {
    std::string& bytes = scratch();
    cairn::engine::append_msgpack_minimal(bytes, v);
    return copy_out(bytes, false, buffer, capacity, needed);
  });
}

cairn_status cairn_run_current_json(cairn_run* run, char* buffer, size_t capacity, size_t* needed,
                                    uint64_t* sequence) noexcept {
  return current(run, true, buffer, capacity, needed, sequence,
                 [](const Document& document, std::string& text) { text = document.to_json(); });
}

cairn_status cairn_run_current_msgpack(cairn_run* run, void* buffer, size_t capacity, size_t* needed,
                                       uint64_t* sequence) noexcept {
  return current(run, false, buffer, capacity, needed, sequence, [](const Document& document, std::string& bytes) {
    cairn::engine::append_msgpack_minimal(bytes, Value(document.to_object()));
  });
}

}  // extern "C"
