// Updates of a run that build an Operation. The calls that programs make in loops are in hot_calls.cc.
#include "api/update.h"

#include <utility>
#include <vector>

#include "api/refused.h"
#include "api/values.h"
#include "engine/document/update_request.h"

namespace {

using cairn::Code;
using cairn::Status;
using cairn::api::check_bytes;
using cairn::api::check_writable;
using cairn::api::guarded;
using cairn::api::guarded_update;
using cairn::api::json;
using cairn::api::kInputBytesMax;
using cairn::api::msgpack;
using cairn::api::nameable;
using cairn::api::number;
using cairn::api::object;
using cairn::api::plain;
using cairn::api::text;
using cairn::api::view_of;
using cairn::engine::Operation;
using cairn::engine::OperationType;
using cairn::engine::Outcome;
using cairn::engine::Value;

// `make` gives the value (api/values.h).
template <class Make>
cairn_status update(cairn_run* run, OperationType type, const char* key, size_t key_bytes, Make&& make) noexcept {
  const std::string_view named = type == OperationType::kReplace ? std::string_view() : nameable(key, key_bytes);
  return guarded_update(run, named, [&]() -> Status {
    CAIRN_TRY(check_writable(run));
    CAIRN_TRY(cairn::api::check_key_bytes(key, key_bytes));
    Operation op;
    op.type = type;
    op.key = view_of(key, key_bytes);
    CAIRN_TRY(cairn::api::make_value(make, *run->engine, op.key, op.value));
    return cairn::api::apply(*run, op);
  });
}

Status parse(cairn_run* run, const char* operations, size_t bytes, std::vector<Operation>& parsed) {
  CAIRN_TRY(check_writable(run));
  CAIRN_TRY(check_bytes(operations, bytes, kInputBytesMax, "operations: a null pointer"));
  size_t failed = 0;
  auto list = cairn::engine::parse_operations(view_of(operations, bytes), &failed);
  if (!list.ok()) {
    cairn::api::note_index(failed);
    return list.status();
  }
  parsed = std::move(list).value();
  return {};
}

}  // namespace

namespace cairn::api {

cairn_status update_run(cairn_run* run, OperationType type, const char* key, size_t key_bytes, double value) noexcept {
  return update(run, type, key, key_bytes, number(value));
}

cairn_status update_run(cairn_run* run, OperationType type, const char* key, size_t key_bytes, int64_t value) noexcept {
  return update(run, type, key, key_bytes, plain(value));
}

cairn_status update_run(cairn_run* run, OperationType type, const char* key, size_t key_bytes, bool value) noexcept {
  return update(run, type, key, key_bytes, plain(value));
}

cairn_status set_text(cairn_run* run, const char* key, size_t key_bytes, const char* value,
                      size_t value_bytes) noexcept {
  return update(run, OperationType::kSet, key, key_bytes, text(value, value_bytes));
}

cairn_status replace_msgpack(cairn_run* run, const void* value, size_t bytes) noexcept {
  return update(run, OperationType::kReplace, nullptr, 0, object(msgpack(value, bytes)));
}

}  // namespace cairn::api

extern "C" {

cairn_status cairn_run_set_uint64(cairn_run* run, const char* key, size_t key_bytes, uint64_t value) noexcept {
  if (value <= static_cast<uint64_t>(INT64_MAX)) {
    return cairn_run_set_int64(run, key, key_bytes, static_cast<int64_t>(value));
  }
  return update(run, OperationType::kSet, key, key_bytes, plain(value));
}

cairn_status cairn_run_set_null(cairn_run* run, const char* key, size_t key_bytes) noexcept {
  return update(run, OperationType::kSet, key, key_bytes, plain(nullptr));
}

cairn_status cairn_run_set_json(cairn_run* run, const char* key, size_t key_bytes, const char* value,
                                size_t bytes) noexcept {
  return update(run, OperationType::kSet, key, key_bytes, json(value, bytes));
}

cairn_status cairn_run_set_msgpack(cairn_run* run, const char* key, size_t key_bytes, const void* value,
                                   size_t bytes) noexcept {
  return update(run, OperationType::kSet, key, key_bytes, msgpack(value, bytes));
}

cairn_status cairn_run_delete(cairn_run* run, const char* key, size_t key_bytes) noexcept {
  return update(run, OperationType::kDelete, key, key_bytes, plain(nullptr));
}

cairn_status cairn_run_append_double(cairn_run* run, const char* key, size_t key_bytes, double value) noexcept {
  return update(run, OperationType::kAppend, key, key_bytes, number(value));
}

cairn_status cairn_run_append_int64(cairn_run* run, const char* key, size_t key_bytes, int64_t value) noexcept {
  return update(run, OperationType::kAppend, key, key_bytes, plain(value));
}

cairn_status cairn_run_append_string(cairn_run* run, const char* key, size_t key_bytes, const char* value,
                                     size_t bytes) noexcept {
  return update(run, OperationType::kAppend, key, key_bytes, text(value, bytes));
}

cairn_status cairn_run_append_json(cairn_run* run, const char* key, size_t key_bytes, const char* value,
                                   size_t bytes) noexcept {
  return update(run, OperationType::kAppend, key, key_bytes, json(value, bytes));
}

cairn_status cairn_run_append_msgpack(cairn_run* run, const char* key, size_t key_bytes, const void* value,
                                      size_t bytes) noexcept {
  return update(run, OperationType::kAppend, key, key_bytes, msgpack(value, bytes));
}

cairn_status cairn_run_remove_double(cairn_run* run, const char* key, size_t key_bytes, double value) noexcept {
  return update(run, OperationType::kRemove, key, key_bytes, number(value));
}

cairn_status cairn_run_remove_int64(cairn_run* run, const char* key, size_t key_bytes, int64_t value) noexcept {
  return update(run, OperationType::kRemove, key, key_bytes, plain(value));
}

cairn_status cairn_run_remove_string(cairn_run* run, const char* key, size_t key_bytes, const char* value,
                                     size_t bytes) noexcept {
  return update(run, OperationType::kRemove, key, key_bytes, text(value, bytes));
}

cairn_status cairn_run_remove_json(cairn_run* run, const char* key, size_t key_bytes, const char* value,
                                   size_t bytes) noexcept {
  return update(run, OperationType::kRemove, key, key_bytes, json(value, bytes));
}

cairn_status cairn_run_remove_msgpack(cairn_run* run, const char* key, size_t key_bytes, const void* value,
                                      size_t bytes) noexcept {
  return update(run, OperationType::kRemove, key, key_bytes, msgpack(value, bytes));
}

cairn_status cairn_run_decrement_int64(cairn_run* run, const char* key, size_t key_bytes, int64_t by) noexcept {
  return update(run, OperationType::kIncrement, key, key_bytes, plain(cairn::engine::negate_number(Value(by))));
}

cairn_status cairn_run_decrement_double(cairn_run* run, const char* key, size_t key_bytes, double by) noexcept {
  return cairn_run_increment_double(run, key, key_bytes, -by);
}

cairn_status cairn_run_replace_json(cairn_run* run, const char* value, size_t bytes) noexcept {
  return update(run, OperationType::kReplace, nullptr, 0, object(json(value, bytes)));
}

cairn_status cairn_run_apply(cairn_run* run, const char* operations, size_t bytes, cairn_outcome* outcomes,
                             size_t capacity, size_t* count) noexcept {
  std::vector<Operation> list;
  std::string_view key;  // of the operation that failed
  return guarded_update(run, key, [&]() -> Status {
    if (count != nullptr) {
      *count = 0;
    }
    CAIRN_TRY(parse(run, operations, bytes, list));
    for (size_t i = 0; i < list.size(); ++i) {
      Outcome outcome;
      const Status status = run->engine->apply(*run->run, list[i], outcome, run->durability);
      const bool unapplied = status.code == Code::kUnapplied;
      if (outcomes != nullptr && i < capacity) {
        outcomes[i].code = static_cast<int32_t>(status.code);
        outcomes[i].reason = unapplied ? static_cast<int32_t>(outcome.reason) : CAIRN_REASON_NONE;
      }
      if (count != nullptr) {
        *count = i + 1;
      }
      if (!status.worked() && !unapplied) {
        key = cairn::api::key_of(list[i]);
        cairn::api::note_index(i);
        return status;
      }
    }
    return {};
  });
}

cairn_status cairn_run_apply_atomic(cairn_run* run, const char* operations, size_t bytes) noexcept {
  std::vector<cairn::engine::RunRef> held;
  std::vector<cairn::engine::Store::RunOperation> all;
  size_t failed = SIZE_MAX;
  const cairn_status s = guarded([&]() -> Status {
    CAIRN_TRY(check_writable(run));
    CAIRN_TRY(check_bytes(operations, bytes, kInputBytesMax, "operations: a null pointer"));
    size_t wrong = 0;
    auto request = cairn::engine::parse_update_request(view_of(operations, bytes), &wrong);
    if (!request.ok()) {
      cairn::api::note_index(wrong);
      return request.status();
    }
    const auto add = [&](std::vector<Operation>& list, const cairn::Result<cairn::engine::RunRef>& of) -> Status {
      if (!of.ok()) {
        return of.status();
      }
      held.push_back(*of);
      for (Operation& op : list) {
        all.push_back({of->get(), std::move(op)});
      }
      return {};
    };
    CAIRN_TRY(add(request->operations, run->reference));
    if (!request->parent_operations.empty()) {
      CAIRN_TRY(add(request->parent_operations, run->engine->parent(*run->run)));
    }
    if (!request->root_operations.empty()) {
      CAIRN_TRY(add(request->root_operations, run->engine->root(*run->run)));
    }
    return cairn::api::transact(*run->engine, all, run->durability, failed);
  });
  if (!CAIRN_FAILED(s)) {
    return s;
  }
  return all.empty() ? cairn::api::refused(run, {}, s) : cairn::api::refused(run->store.get(), all, failed, s);
}

}  // extern "C"
