// Updates of several runs that take effect together.
#ifndef CAIRN_TRANSACTION_H
#define CAIRN_TRANSACTION_H

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cairn/run.h"

namespace cairn {

namespace detail {

struct CloseTransaction {
  void operator()(cairn_transaction* t) const noexcept { (void)cairn_transaction_close(t); }
};

struct WriteLater {
  cairn_transaction* t;
  cairn_run* run;
  std::string_view key;
  cairn_status boolean(bool v) const { return cairn_transaction_set_bool(t, run, key.data(), key.size(), v ? 1 : 0); }
  cairn_status int64(int64_t v) const { return cairn_transaction_set_int64(t, run, key.data(), key.size(), v); }
  cairn_status uint64(uint64_t v) const { return msgpack(msgpack_number(kMsgpackUint64, v)); }
  cairn_status real(double v) const { return cairn_transaction_set_double(t, run, key.data(), key.size(), v); }
  cairn_status null() const { return cairn_transaction_set_json(t, run, key.data(), key.size(), "null", 4); }
  cairn_status text(std::string_view v) const {
    return cairn_transaction_set_string(t, run, key.data(), key.size(), v.data(), v.size());
  }
  cairn_status msgpack(const std::vector<uint8_t>& v) const {
    return cairn_transaction_set_msgpack(t, run, key.data(), key.size(), v.data(), v.size());
  }
};

// append and remove.
using LaterCall = cairn_status (*)(cairn_transaction*, cairn_run*, const char*, size_t, const void*, size_t);
struct WriteItemLater {
  cairn_transaction* t;
  cairn_run* run;
  std::string_view key;
  LaterCall call;
  cairn_status boolean(bool v) const { return msgpack({v ? kMsgpackTrue : kMsgpackFalse}); }
  cairn_status int64(int64_t v) const { return msgpack(msgpack_number(kMsgpackInt64, static_cast<uint64_t>(v))); }
  cairn_status uint64(uint64_t v) const { return msgpack(msgpack_number(kMsgpackUint64, v)); }
  cairn_status real(double v) const {
    uint64_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    return msgpack(msgpack_number(kMsgpackDouble, bits));
  }
  cairn_status null() const { return msgpack({kMsgpackNull}); }
  cairn_status text(std::string_view v) const { return msgpack(msgpack_text(v)); }
  cairn_status msgpack(const std::vector<uint8_t>& v) const {
    return call(t, run, key.data(), key.size(), v.data(), v.size());
  }
};

}  // namespace detail

/// Collects updates of any runs of one store; commit() applies all or none, whatever crashes. The destructor drops what
/// is not committed. Made by Store::begin, or used through Store::transact.
/// Errors:   as the updates of a Run; at commit Error::index says which update failed, and an unapplied one fails the
///           whole. Only the size of each run's result is compared with the limit.
/// Threads:  one at a time.
class Transaction {
 public:
  /// Takes ownership of the handle.
  explicit Transaction(cairn_transaction* handle) noexcept : handle_(handle) {}

  template <class T = json>
  Transaction& set(const Run& run, std::string_view key, const T& value) {  // {...} needs cairn/cairn.hpp
    return done(detail::write(value, detail::WriteLater{handle_.get(), run.handle(), key}));
  }
  template <class T = json>
  Status try_set(const Run& run, std::string_view key, const T& value) noexcept {  // {...} needs cairn/cairn.hpp
    return detail::attempt([&] { return detail::write(value, detail::WriteLater{handle_.get(), run.handle(), key}); });
  }
  template <class T>
  Transaction& set(const Run& run, const Key<T>& key, const typename detail::Same<T>::type& value) {
    return set<T>(run, key.name, value);
  }
  Transaction& del(const Run& run, std::string_view key) {
    return done(cairn_transaction_delete(handle_.get(), run.handle(), key.data(), key.size()));
  }
  Status try_del(const Run& run, std::string_view key) noexcept {
    return detail::status_of(cairn_transaction_delete(handle_.get(), run.handle(), key.data(), key.size()));
  }
  template <class T = json>
  Transaction& append(const Run& run, std::string_view key, const T& value) {  // {...} needs cairn/cairn.hpp
    return done(add_append(run, key, value));
  }
  template <class T = json>
  Status try_append(const Run& run, std::string_view key, const T& value) noexcept {  // {...} needs cairn/cairn.hpp
    return detail::attempt([&] { return add_append(run, key, value); });
  }
  template <class T = json>
  Transaction& remove(const Run& run, std::string_view key, const T& value) {  // {...} needs cairn/cairn.hpp
    return done(add_remove(run, key, value));
  }
  template <class T = json>
  Status try_remove(const Run& run, std::string_view key, const T& value) noexcept {  // {...} needs cairn/cairn.hpp
    return detail::attempt([&] { return add_remove(run, key, value); });
  }
  template <class N = int64_t>
  Transaction& increment(const Run& run, std::string_view key, N by = 1) {
    return done(add(run, key, by));
  }
  template <class N = int64_t>
  Status try_increment(const Run& run, std::string_view key, N by = 1) noexcept {
    return detail::status_of(add(run, key, by));
  }
  template <class T = json>
  Transaction& save(const Run& run, const T& object) {  // {...} needs cairn/cairn.hpp
    return done(add_save(run, object));
  }
  template <class T = json>
  Status try_save(const Run& run, const T& object) noexcept {  // {...} needs cairn/cairn.hpp
    return detail::attempt([&] { return add_save(run, object); });
  }
  /// Adds a JSON array of operations, as Run::apply takes them.
  template <class Json = json>
  Transaction& apply(const Run& run, const Json& operations) {
    return done(add_all(run, operations));
  }
  template <class Json = json>
  Status try_apply(const Run& run, const Json& operations) noexcept {
    return detail::attempt([&] { return add_all(run, operations); });
  }

  /// After success it is empty, and can be used again; after an error nothing changed, and it keeps its updates.
  void commit(Durability durability = Durability::kDefault) {
    detail::check(cairn_transaction_commit(handle_.get(), static_cast<int32_t>(durability)));
  }
  Status try_commit(Durability durability = Durability::kDefault) noexcept {
    return detail::status_of(cairn_transaction_commit(handle_.get(), static_cast<int32_t>(durability)));
  }
  /// Drops what was added.
  void rollback() { detail::check(cairn_transaction_rollback(handle_.get())); }
  Status try_rollback() noexcept { return detail::status_of(cairn_transaction_rollback(handle_.get())); }

  [[nodiscard]] cairn_transaction* handle() const noexcept { return handle_.get(); }

 private:
  Transaction& done(cairn_status s) {
    detail::check(s);
    return *this;
  }
  template <class N>
  cairn_status add(const Run& run, std::string_view key, N by) noexcept {
    static_assert(std::is_arithmetic_v<N> && !std::is_same_v<N, bool>, "cairn: increment takes a number");
    if constexpr (std::is_floating_point_v<N>) {
      return cairn_transaction_increment_double(handle_.get(), run.handle(), key.data(), key.size(), by);
    } else {
      static_assert(std::is_signed_v<N> || sizeof(N) < sizeof(int64_t),
                    "cairn: increment by a signed integer or a double");
      return cairn_transaction_increment_int64(handle_.get(), run.handle(), key.data(), key.size(), by);
    }
  }
  template <class T>
  cairn_status add_append(const Run& run, std::string_view key, const T& value) {
    return detail::write(value,
                         detail::WriteItemLater{handle_.get(), run.handle(), key, cairn_transaction_append_msgpack});
  }
  template <class T>
  cairn_status add_remove(const Run& run, std::string_view key, const T& value) {
    return detail::write(value,
                         detail::WriteItemLater{handle_.get(), run.handle(), key, cairn_transaction_remove_msgpack});
  }
  template <class T>
  cairn_status add_save(const Run& run, const T& object) {
    const std::vector<uint8_t> v = detail::to_msgpack(object);
    return cairn_transaction_replace_msgpack(handle_.get(), run.handle(), v.data(), v.size());
  }
  template <class Json>
  cairn_status add_all(const Run& run, const Json& operations) {
    const std::string text = detail::to_json_text(operations);
    return cairn_transaction_add(handle_.get(), run.handle(), text.data(), text.size());
  }
  std::unique_ptr<cairn_transaction, detail::CloseTransaction> handle_;
};

}  // namespace cairn

#endif  // CAIRN_TRANSACTION_H
