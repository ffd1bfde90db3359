// Updates of several runs that take effect together.
#include <utility>

#include "api/handles.h"
#include "api/refused.h"
#include "api/values.h"
#include "engine/document/operation.h"

namespace {

using cairn::Status;
using cairn::api::check_handle;
using cairn::api::check_writable;
using cairn::api::guarded;
using cairn::api::guarded_update;
using cairn::api::invalid;
using cairn::api::json;
using cairn::api::msgpack;
using cairn::api::number;
using cairn::api::object;
using cairn::api::plain;
using cairn::api::text;
using cairn::api::view_of;
using cairn::engine::Durability;
using cairn::engine::Operation;
using cairn::engine::OperationType;

Status check_both(const cairn_transaction* transaction, const cairn_run* run) {
  CAIRN_TRY(check_writable(transaction));
  CAIRN_TRY(check_writable(run));
  if (run->store.get() != transaction->store.get()) {
    return invalid("run: of another store than the transaction");
  }
  return {};
}

// Adds all or nothing, even if memory runs out.
void push(cairn_transaction* transaction, cairn_run* run, std::vector<Operation>&& operations) {
  transaction->operations.reserve(transaction->operations.size() + operations.size());
  transaction->runs.push_back(run->reference);
  for (Operation& op : operations) {
    transaction->operations.push_back({run->run, std::move(op)});
  }
}

template <class Make>
cairn_status add(cairn_transaction* transaction, cairn_run* run, OperationType type, const char* key, size_t key_bytes,
                 Make&& make) noexcept {
  const std::string_view named =
      type == OperationType::kReplace ? std::string_view() : cairn::api::nameable(key, key_bytes);
  return guarded_update(run, named, [&]() -> Status {
    CAIRN_TRY(check_both(transaction, run));
    CAIRN_TRY(cairn::api::check_key_bytes(key, key_bytes));
    std::vector<Operation> one(1);
    one[0].type = type;
    one[0].key = view_of(key, key_bytes);
    if (type != OperationType::kReplace) {
      if (const Status s = cairn::engine::check_key(one[0].key); !s.ok()) {
        return cairn::engine::fail(s, s.what, one[0].key);
      }
    }
    CAIRN_TRY(cairn::api::make_value(make, *transaction->store->engine, one[0].key, one[0].value));
    push(transaction, run, std::move(one));
    return {};
  });
}

}  // namespace

extern "C" {

cairn_status cairn_transaction_begin(cairn_store* store, cairn_transaction** transaction) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (transaction == nullptr) {
      return invalid("transaction: a null pointer");
    }
    *transaction = nullptr;
    *transaction = new cairn_transaction(store);
    return {};
  });
}

cairn_status cairn_transaction_set_double(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                          double value) noexcept {
  return add(t, run, OperationType::kSet, key, key_bytes, number(value));
}

cairn_status cairn_transaction_set_int64(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                         int64_t value) noexcept {
  return add(t, run, OperationType::kSet, key, key_bytes, plain(value));
}

cairn_status cairn_transaction_set_bool(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                        int32_t value) noexcept {
  return add(t, run, OperationType::kSet, key, key_bytes, plain(value != 0));
}

cairn_status cairn_transaction_set_string(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                          const char* value, size_t bytes) noexcept {
  return add(t, run, OperationType::kSet, key, key_bytes, text(value, bytes));
}

cairn_status cairn_transaction_set_json(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                        const char* value, size_t bytes) noexcept {
  return add(t, run, OperationType::kSet, key, key_bytes, json(value, bytes));
}

cairn_status cairn_transaction_set_msgpack(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                           const void* value, size_t bytes) noexcept {
  return add(t, run, OperationType::kSet, key, key_bytes, msgpack(value, bytes));
}

cairn_status cairn_transaction_delete(cairn_transaction* t, cairn_run* run, const char* key,
                                      size_t key_bytes) noexcept {
  return add(t, run, OperationType::kDelete, key, key_bytes, plain(nullptr));
}

cairn_status cairn_transaction_append_json(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                           const char* value, size_t bytes) noexcept {
  return add(t, run, OperationType::kAppend, key, key_bytes, json(value, bytes));
}

cairn_status cairn_transaction_append_msgpack(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                              const void* value, size_t bytes) noexcept {
  return add(t, run, OperationType::kAppend, key, key_bytes, msgpack(value, bytes));
}

cairn_status cairn_transaction_remove_json(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                           const char* value, size_t bytes) noexcept {
  return add(t, run, OperationType::kRemove, key, key_bytes, json(value, bytes));
}

cairn_status cairn_transaction_remove_msgpack(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                              const void* value, size_t bytes) noexcept {
  return add(t, run, OperationType::kRemove, key, key_bytes, msgpack(value, bytes));
}

cairn_status cairn_transaction_increment_int64(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                               int64_t by) noexcept {
  return add(t, run, OperationType::kIncrement, key, key_bytes, plain(by));
}

cairn_status cairn_transaction_increment_double(cairn_transaction* t, cairn_run* run, const char* key, size_t key_bytes,
                                                double by) noexcept {
  return add(t, run, OperationType::kIncrement, key, key_bytes, number(by));
}

cairn_status cairn_transaction_replace_json(cairn_transaction* t, cairn_run* run, const char* value,
                                            size_t bytes) noexcept {
  return add(t, run, OperationType::kReplace, nullptr, 0, object(json(value, bytes)));
}

cairn_status cairn_transaction_replace_msgpack(cairn_transaction* t, cairn_run* run, const void* value,
                                               size_t bytes) noexcept {
  return add(t, run, OperationType::kReplace, nullptr, 0, object(msgpack(value, bytes)));
}

cairn_status cairn_transaction_add(cairn_transaction* t, cairn_run* run, const char* operations,
                                   size_t bytes) noexcept {
  return guarded_update(run, {}, [&]() -> Status {
    CAIRN_TRY(check_both(t, run));
    CAIRN_TRY(cairn::api::check_bytes(operations, bytes, cairn::api::kInputBytesMax, "operations: a null pointer"));
    size_t failed = 0;
    auto list = cairn::engine::parse_operations(view_of(operations, bytes), &failed);
    if (!list.ok()) {
      cairn::api::note_index(failed);
      return list.status();
    }
    push(t, run, std::move(list).value());
    return {};
  });
}

cairn_status cairn_transaction_commit(cairn_transaction* t, int32_t durability) noexcept {
  size_t failed = SIZE_MAX;
  const cairn_status s = guarded([&]() -> Status {
    CAIRN_TRY(check_writable(t));
    if (durability < CAIRN_DURABILITY_DEFAULT || durability > CAIRN_DURABILITY_UPSTREAM) {
      return invalid("durability is not one of CAIRN_DURABILITY_*");
    }
    if (!t->operations.empty()) {
      CAIRN_TRY(cairn::api::transact(*t->store->engine, t->operations, static_cast<Durability>(durability), failed));
    }
    t->operations.clear();
    t->runs.clear();
    return {};
  });
  if (!CAIRN_FAILED(s) || check_handle(t).code == cairn::Code::kInvalidArgument) {
    return s;
  }
  return cairn::api::refused(t->store.get(), t->operations, failed, s);
}

cairn_status cairn_transaction_rollback(cairn_transaction* t) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(t));
    t->operations.clear();
    t->runs.clear();
    return {};
  });
}

cairn_status cairn_transaction_close(cairn_transaction* t) noexcept {
  if (t == nullptr) {
    return CAIRN_OK;
  }
  return guarded([&]() -> Status {
    CAIRN_TRY(check_handle(t));
    t->magic = 0;
    delete t;
    return {};
  });
}

}  // extern "C"
