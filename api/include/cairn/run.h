// A run and its metadata.
#ifndef CAIRN_RUN_H
#define CAIRN_RUN_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cairn/cell.h"
#include "cairn/key.h"
#include "cairn/run_status.h"
#include "cairn/time.h"
#include "cairn/value.h"

namespace cairn {

struct RunInfo;  // options.h

/// The value that a number had at a time.
struct HistoryPoint {
  TimePoint time;
  double value = 0;
};

namespace detail {

struct CloseRun {
  void operator()(cairn_run* run) const noexcept { (void)cairn_run_close(run); }
};

struct WriteSet {
  cairn_run* run;
  std::string_view key;
  cairn_status boolean(bool v) const { return cairn_run_set_bool(run, key.data(), key.size(), v ? 1 : 0); }
  cairn_status int64(int64_t v) const { return cairn_run_set_int64(run, key.data(), key.size(), v); }
  cairn_status uint64(uint64_t v) const { return cairn_run_set_uint64(run, key.data(), key.size(), v); }
  cairn_status real(double v) const { return cairn_run_set_double(run, key.data(), key.size(), v); }
  cairn_status null() const { return cairn_run_set_null(run, key.data(), key.size()); }
  cairn_status text(std::string_view v) const {
    return cairn_run_set_string(run, key.data(), key.size(), v.data(), v.size());
  }
  cairn_status msgpack(const std::vector<uint8_t>& v) const {
    return cairn_run_set_msgpack(run, key.data(), key.size(), v.data(), v.size());
  }
};

// append and remove: numbers and strings directly, the rest as msgpack.
using RealCall = cairn_status (*)(cairn_run*, const char*, size_t, double);
using IntegerCall = cairn_status (*)(cairn_run*, const char*, size_t, int64_t);
using TextCall = cairn_status (*)(cairn_run*, const char*, size_t, const char*, size_t);
using BytesCall = cairn_status (*)(cairn_run*, const char*, size_t, const void*, size_t);
struct WriteItem {
  cairn_run* run;
  std::string_view key;
  RealCall call_real;
  IntegerCall call_integer;
  TextCall call_text;
  BytesCall call_bytes;
  cairn_status boolean(bool v) const { return msgpack({v ? kMsgpackTrue : kMsgpackFalse}); }
  cairn_status null() const { return msgpack({kMsgpackNull}); }
  cairn_status int64(int64_t v) const { return call_integer(run, key.data(), key.size(), v); }
  cairn_status uint64(uint64_t v) const {
    return v <= static_cast<uint64_t>(INT64_MAX) ? int64(static_cast<int64_t>(v))
                                                 : msgpack(msgpack_number(kMsgpackUint64, v));
  }
  cairn_status real(double v) const { return call_real(run, key.data(), key.size(), v); }
  cairn_status text(std::string_view v) const { return call_text(run, key.data(), key.size(), v.data(), v.size()); }
  cairn_status msgpack(const std::vector<uint8_t>& v) const {
    return call_bytes(run, key.data(), key.size(), v.data(), v.size());
  }
};

inline WriteItem append_to(cairn_run* run, std::string_view key) {
  return {run, key, cairn_run_append_double, cairn_run_append_int64, cairn_run_append_string, cairn_run_append_msgpack};
}
inline WriteItem remove_from(cairn_run* run, std::string_view key) {
  return {run, key, cairn_run_remove_double, cairn_run_remove_int64, cairn_run_remove_string, cairn_run_remove_msgpack};
}

struct ReadKey {
  cairn_run* run;
  std::string_view key;
  cairn_status boolean(int32_t* v) const { return cairn_run_get_bool(run, key.data(), key.size(), v); }
  cairn_status int64(int64_t* v) const { return cairn_run_get_int64(run, key.data(), key.size(), v); }
  cairn_status uint64(uint64_t* v) const { return cairn_run_get_uint64(run, key.data(), key.size(), v); }
  cairn_status real(double* v) const { return cairn_run_get_double(run, key.data(), key.size(), v); }
  cairn_status text(char* b, size_t n, size_t* needed) const {
    return cairn_run_get_string(run, key.data(), key.size(), b, n, needed);
  }
  cairn_status msgpack(char* b, size_t n, size_t* needed) const {
    return cairn_run_get_msgpack(run, key.data(), key.size(), b, n, needed);
  }
};

/// Info: RunInfo, which is not defined here.
template <class Info>
Info info_of(const cairn_run_info& c) {
  Info info;
  if constexpr (!std::is_same_v<Info, NoConversion>) {
    info.id = c.id;
    info.task = c.task;
    info.parent = c.parent;
    info.root = c.root;
    info.tags.assign(c.tags, c.tags + c.tag_count);
    info.error = c.error;
    info.status = static_cast<RunStatus>(c.status);
    info.orphaned = (c.flags & CAIRN_RUN_INFO_ORPHANED) != 0;
    info.foreign = (c.flags & CAIRN_RUN_INFO_FOREIGN) != 0;
    info.sequence = c.sequence;
    info.created = from_us(c.created_us);
    info.updated = from_us(c.updated_us);
    if (c.finished_us != 0) {
      info.finished = from_us(c.finished_us);
    }
  }
  return info;
}

/// T itself, without being deduced from.
template <class T>
struct Same {
  using type = T;
};

}  // namespace detail

/// A handle of a run. There may be several; the run goes on without any. It may outlive the Store; its calls then fail
/// with kClosed.
///
/// Updates (set, del, append, remove, increment, decrement, save, apply) can be chained, and do what cairn.h says:
/// Durable:  kill -9 of this process once the update returns; see Durability for power loss.
/// Errors:   kTooLarge (nothing changed), kUnapplied, kInvalidUtf8, kNotFinite, kKeyRefused, kFinished, kErased,
///           kClosed, kForked, kNoSpace, kLatched. The plain name throws Error, the try_ name returns it; answers such
///           as kUnchanged are not errors.
/// Threads:  any.
/// Cost:     numbers, bools, and strings that are no longer than before: tens of nanoseconds, no allocation once the
///           key exists. Other values are converted to msgpack first.
/// A key that starts with "$." is a path.
class Run {
 public:
  /// Takes ownership of the handle.
  explicit Run(cairn_run* handle) noexcept : handle_(handle) {}

  /// Sets `key`. An existing key keeps its place, a new one comes last. Values: numbers, bools, strings, nullptr, time
  /// points (as ISO 8601 text), and whatever converts to nlohmann::ordered_json, {{"train", 0.3}, {"test", 0.4}}
  /// included. Those need cairn.hpp, the others only light.hpp.
  template <class T = json>
  Run& set(std::string_view key, const T& value) {  // {...} needs cairn/cairn.hpp
    return done(detail::write(value, detail::WriteSet{handle_.get(), key}));
  }
  template <class T = json>
  Status try_set(std::string_view key, const T& value) noexcept {  // {...} needs cairn/cairn.hpp
    return detail::attempt([&] { return detail::write(value, detail::WriteSet{handle_.get(), key}); });
  }
  template <class T>
  Run& set(const Key<T>& key, const typename detail::Same<T>::type& value) {
    return set<T>(key.name, value);
  }
  template <class T>
  Status try_set(const Key<T>& key, const typename detail::Same<T>::type& value) noexcept {
    return try_set<T>(key.name, value);
  }

  /// Removes `key`. kUnchanged if it is not there.
  Run& del(std::string_view key) { return done(cairn_run_delete(handle_.get(), key.data(), key.size())); }
  Status try_del(std::string_view key) noexcept {
    return detail::status_of(cairn_run_delete(handle_.get(), key.data(), key.size()));
  }

  /// Appends to the array at `key`, which is made if it is not there. A value that is not an array becomes the first
  /// item of a new one.
  template <class T = json>
  Run& append(std::string_view key, const T& value) {  // {...} needs cairn/cairn.hpp
    return done(detail::write(value, detail::append_to(handle_.get(), key)));
  }
  template <class T = json>
  Status try_append(std::string_view key, const T& value) noexcept {  // {...} needs cairn/cairn.hpp
    return detail::attempt([&] { return detail::write(value, detail::append_to(handle_.get(), key)); });
  }

  /// Removes all items that equal `value` from the array at `key`. kUnapplied if there is no array.
  template <class T = json>
  Run& remove(std::string_view key, const T& value) {  // {...} needs cairn/cairn.hpp
    return done(detail::write(value, detail::remove_from(handle_.get(), key)));
  }
  template <class T = json>
  Status try_remove(std::string_view key, const T& value) noexcept {  // {...} needs cairn/cairn.hpp
    return detail::attempt([&] { return detail::write(value, detail::remove_from(handle_.get(), key)); });
  }

  /// Adds to the number at `key`; a missing key, or a value that is not a number, counts as 0. Integers stay exact.
  template <class N = int64_t>
  Run& increment(std::string_view key, N by = 1) {
    return done(add(key, by, false));
  }
  template <class N = int64_t>
  Status try_increment(std::string_view key, N by = 1) noexcept {
    return detail::status_of(add(key, by, false));
  }
  template <class N = int64_t>
  Run& decrement(std::string_view key, N by = 1) {
    return done(add(key, by, true));
  }
  template <class N = int64_t>
  Status try_decrement(std::string_view key, N by = 1) noexcept {
    return detail::status_of(add(key, by, true));
  }

  /// Replaces the whole metadata by `object`, a json object or a struct with a to_json. kTypeMismatch if the value is
  /// not an object.
  template <class T = json>
  Run& save(const T& object) {  // {...} needs cairn/cairn.hpp
    return done(replace(object));
  }
  template <class T = json>
  Status try_save(const T& object) noexcept {  // {...} needs cairn/cairn.hpp
    return detail::attempt([&] { return replace(object); });
  }

  /// Applies a JSON array of operations, all or none: {{"type","set"},{"key","a"},{"value",1}}, ... Error::index says
  /// which one failed. An object {"operations", "parentOperations", "rootOperations"} also updates parent and root. See
  /// cairn_run_apply_atomic.
  template <class Json = json>
  Run& apply(const Json& operations) {
    return done(apply_all(operations));
  }
  template <class Json = json>
  Status try_apply(const Json& operations) noexcept {
    return detail::attempt([&] { return apply_all(operations); });
  }

  /// The value at `key`; nullopt if it is not there. Errors: kTypeMismatch, whose text has the path, what was expected
  /// and what was found. T: a number, bool, std::string, time point, json, or a type with a from_json.
  template <class T = json>
  [[nodiscard]] std::optional<detail::Readable<T>> get(std::string_view key) const {
    std::optional<detail::Readable<T>> value(std::in_place);
    const cairn_status s = detail::read(*value, key, detail::ReadKey{handle_.get(), key});
    detail::check(s);
    if (s == CAIRN_NOT_FOUND) {
      value.reset();
    }
    return value;
  }
  template <class T = json>
  [[nodiscard]] Result<std::optional<detail::Readable<T>>> try_get(std::string_view key) const noexcept {
    std::optional<detail::Readable<T>> value(std::in_place);
    const Status s = detail::attempt([&] { return detail::read(*value, key, detail::ReadKey{handle_.get(), key}); });
    if (!s.worked()) {
      return s;
    }
    if (s.code == Code::kNotFound) {
      value.reset();
    }
    return value;
  }
  template <class T>
  [[nodiscard]] std::optional<detail::Readable<T>> get(const Key<T>& key) const {
    return get<T>(key.name);
  }
  template <class T>
  [[nodiscard]] Result<std::optional<detail::Readable<T>>> try_get(const Key<T>& key) const noexcept {
    return try_get<T>(key.name);
  }

  /// The whole metadata, as json or as a type with a from_json.
  template <class T = json>
  [[nodiscard]] detail::FromJson<T> current() const {
    detail::FromJson<T> value{};
    detail::check(read_all(value));
    return value;
  }
  template <class T = json>
  [[nodiscard]] Result<detail::FromJson<T>> try_current() const noexcept {
    detail::FromJson<T> value{};
    const Status s = detail::attempt([&] { return read_all(value); });
    return s.ok() ? Result<detail::FromJson<T>>(std::move(value)) : Result<detail::FromJson<T>>(s);
  }
  /// The same, as json. It is a template, as info is, because this header has only the name of what it returns.
  template <int = 0, class Json = json>
  [[nodiscard]] detail::FromJson<Json> get() const {
    return current<Json>();
  }
  /// The whole metadata as compact JSON text.
  [[nodiscard]] std::string text() const {
    std::string text;
    detail::check(read_text(text));
    return text;
  }
  [[nodiscard]] Result<std::string> try_text() const noexcept {
    std::string text;
    const Status s = detail::attempt([&] { return read_text(text); });
    return s.ok() ? Result<std::string>(std::move(text)) : Result<std::string>(s);
  }

  /// A cell for hot loops: a number, a bool or a std::string at a top-level key.
  template <class T>
  [[nodiscard]] Cell<T> bind(std::string_view key) const {
    cairn_cell* cell = nullptr;
    detail::check(cairn_run_bind(handle_.get(), key.data(), key.size(), &cell));
    return Cell<T>(cell);
  }
  template <class T>
  [[nodiscard]] Result<Cell<T>> try_bind(std::string_view key) const noexcept {
    cairn_cell* cell = nullptr;
    const Status s = detail::status_of(cairn_run_bind(handle_.get(), key.data(), key.size(), &cell));
    return s.ok() ? Result<Cell<T>>(Cell<T>(cell)) : Result<Cell<T>>(s);
  }
  template <class T>
  [[nodiscard]] Cell<T> bind(const Key<T>& key) const {
    return bind<T>(key.name);
  }

  /// Another handle of this run whose updates have this durability class.
  [[nodiscard]] Run with(Durability durability) const {
    cairn_run* other = nullptr;
    detail::check(cairn_run_with_durability(handle_.get(), static_cast<int32_t>(durability), &other));
    return Run(other);
  }

  [[nodiscard]] Result<Run> try_with(Durability durability) const noexcept {
    cairn_run* other = nullptr;
    const cairn_status s = cairn_run_with_durability(handle_.get(), static_cast<int32_t>(durability), &other);
    return s == CAIRN_OK ? Result<Run>(Run(other)) : Result<Run>(detail::status_of(s));
  }

  /// Another handle of this run, with the same durability class.
  [[nodiscard]] Run share() const {
    cairn_run* other = nullptr;
    detail::check(cairn_run_share(handle_.get(), &other));
    return Run(other);
  }
  [[nodiscard]] Result<Run> try_share() const noexcept {
    cairn_run* other = nullptr;
    const cairn_status s = cairn_run_share(handle_.get(), &other);
    return s == CAIRN_OK ? Result<Run>(Run(other)) : Result<Run>(detail::status_of(s));
  }

  /// A handle of the run that this one names as its parent, or as its root, with the same durability class; a handle of
  /// this run if it names none. A run that is not in this store is owned elsewhere: its updates return kAccepted and
  /// wait for its owner, and it has nothing to read (get gives nullopt, current throws kNotFound). A start of that id
  /// makes it this store's own.
  [[nodiscard]] Run parent() const {
    cairn_run* other = nullptr;
    detail::check(cairn_run_parent(handle_.get(), &other));
    return Run(other);
  }
  [[nodiscard]] Run root() const {
    cairn_run* other = nullptr;
    detail::check(cairn_run_root(handle_.get(), &other));
    return Run(other);
  }
  [[nodiscard]] Result<Run> try_parent() const noexcept {
    cairn_run* other = nullptr;
    const cairn_status s = cairn_run_parent(handle_.get(), &other);
    return s == CAIRN_OK ? Result<Run>(Run(other)) : Result<Run>(detail::status_of(s));
  }
  [[nodiscard]] Result<Run> try_root() const noexcept {
    cairn_run* other = nullptr;
    const cairn_status s = cairn_run_root(handle_.get(), &other);
    return s == CAIRN_OK ? Result<Run>(Run(other)) : Result<Run>(detail::status_of(s));
  }

  /// Makes everything that was updated before durable: the same as Store::barrier.
  void flush() { detail::check(cairn_run_flush(handle_.get())); }
  Status try_flush() noexcept { return detail::status_of(cairn_run_flush(handle_.get())); }
  /// Asks the upstream for what others did to the run there, and merges it here once it answers; does not wait for
  /// that. Without an upstream it does nothing. See cairn_run_refresh.
  void refresh() { detail::check(cairn_run_refresh(handle_.get())); }
  Status try_refresh() noexcept { return detail::status_of(cairn_run_refresh(handle_.get())); }

  /// Ends the run. Later updates fail with kFinished; reads still work.
  void finish(RunStatus status = RunStatus::kCompleted) {
    detail::check_update(cairn_run_finish(handle_.get(), static_cast<int32_t>(status)));
  }
  Status try_finish(RunStatus status = RunStatus::kCompleted) noexcept {
    return detail::status_of(cairn_run_finish(handle_.get(), static_cast<int32_t>(status)));
  }
  /// The same, and says why, in at most 4,096 bytes of UTF-8.
  void finish(RunStatus status, std::string_view error) { detail::check_update(fail(status, error)); }
  Status try_finish(RunStatus status, std::string_view error) noexcept {
    return detail::status_of(fail(status, error));
  }
  Run& set_status(RunStatus status) { return done(cairn_run_set_status(handle_.get(), static_cast<int32_t>(status))); }
  Status try_set_status(RunStatus status) noexcept {
    return detail::status_of(cairn_run_set_status(handle_.get(), static_cast<int32_t>(status)));
  }
  /// Keeps what the run gave, as JSON text of at most 256 KiB, for whoever reads it and for the upstream. Before finish.
  Run& set_output_json(std::string_view text) { return done(write_output(text)); }
  Status try_set_output_json(std::string_view text) noexcept { return detail::status_of(write_output(text)); }
  Run& set_tags(const std::vector<std::string>& tags) { return done(replace_tags(tags)); }
  Status try_set_tags(const std::vector<std::string>& tags) noexcept {
    return detail::attempt([&] { return replace_tags(tags); });
  }

  /// The values that a number at the top level had since the open, oldest first: see cairn_run_history. Errors:
  /// kInvalidArgument (Options::history_interval_ms is 0).
  [[nodiscard]] std::vector<HistoryPoint> history(std::string_view key) const {
    std::vector<HistoryPoint> points;
    const auto add = [](void* context, int64_t time_us, double value) -> int32_t {
      const Status s = detail::attempt([&] {
        static_cast<std::vector<HistoryPoint>*>(context)->push_back({detail::from_us(time_us), value});
        return cairn_status{CAIRN_OK};
      });
      return s.ok() ? 0 : 1;  // no memory: what was kept so far
    };
    detail::check(cairn_run_history(handle_.get(), key.data(), key.size(), add, &points));
    return points;
  }

  /// A RunInfo without the metadata. Needs cairn.hpp.
  template <class Info = RunInfo>
  [[nodiscard]] detail::FromJson<Info> info() const {
    detail::FromJson<Info> info;
    detail::check(read_info([&](const cairn_run_info& c) { info = detail::info_of<detail::FromJson<Info>>(c); }));
    return info;
  }
  template <class Info = RunInfo>
  [[nodiscard]] Result<detail::FromJson<Info>> try_info() const noexcept {
    detail::FromJson<Info> info;
    const Status s = detail::attempt(
        [&] { return read_info([&](const cairn_run_info& c) { info = detail::info_of<detail::FromJson<Info>>(c); }); });
    return s.ok() ? Result<detail::FromJson<Info>>(std::move(info)) : Result<detail::FromJson<Info>>(s);
  }
  [[nodiscard]] std::string id() const {
    std::string id;
    detail::check(read_info([&](const cairn_run_info& c) { id = c.id; }));
    return id;
  }

  [[nodiscard]] cairn_run* handle() const noexcept { return handle_.get(); }

 private:
  template <class Take>
  cairn_status read_info(Take&& take) const {
    cairn_run_info info = {};
    info.struct_bytes = sizeof info;
    std::vector<char> block(512);
    size_t needed = 0;
    cairn_status s;
    while ((s = cairn_run_get_info(handle_.get(), &info, block.data(), block.size(), &needed)) == CAIRN_TOO_LARGE) {
      block.resize(needed);
    }
    if (s == CAIRN_OK) {
      take(info);
    }
    return s;
  }

  cairn_status read_text(std::string& text) const {
    return detail::read_bytes(text, [&](char* buffer, size_t capacity, size_t* needed) {
      return cairn_run_current_json(handle_.get(), buffer, capacity, needed, nullptr);
    });
  }

  Run& done(cairn_status s) {
    detail::check_update(s);
    return *this;
  }

  cairn_status write_output(std::string_view json_text) noexcept {
    return cairn_run_set_output(handle_.get(), nullptr, json_text.data(), json_text.size());
  }

  cairn_status fail(RunStatus status, std::string_view error) noexcept {
    return cairn_run_fail(handle_.get(), static_cast<int32_t>(status), error.data(), error.size());
  }

  template <class N>
  cairn_status add(std::string_view key, N by, bool down) noexcept {
    static_assert(std::is_arithmetic_v<N> && !std::is_same_v<N, bool>, "cairn: increment and decrement take a number");
    if constexpr (std::is_floating_point_v<N>) {
      const auto d = static_cast<double>(by);
      return down ? cairn_run_decrement_double(handle_.get(), key.data(), key.size(), d)
                  : cairn_run_increment_double(handle_.get(), key.data(), key.size(), d);
    } else {
      static_assert(std::is_signed_v<N> || sizeof(N) < sizeof(int64_t),
                    "cairn: increment by a signed integer or a double");
      return down ? cairn_run_decrement_int64(handle_.get(), key.data(), key.size(), by)
                  : cairn_run_increment_int64(handle_.get(), key.data(), key.size(), by);
    }
  }

  template <class T>
  cairn_status replace(const T& object) {
    const std::vector<uint8_t> bytes = detail::to_msgpack(object);
    return cairn_run_replace_msgpack(handle_.get(), bytes.data(), bytes.size());
  }

  template <class Json>
  cairn_status apply_all(const Json& operations) {
    const std::string text = detail::to_json_text(operations);
    return cairn_run_apply_atomic(handle_.get(), text.data(), text.size());
  }

  cairn_status replace_tags(const std::vector<std::string>& tags) {
    std::vector<const char*> names;
    names.reserve(tags.size());
    for (const std::string& tag : tags) {
      names.push_back(tag.c_str());
    }
    return cairn_run_set_tags(handle_.get(), names.data(), names.size());
  }

  template <class T>
  cairn_status read_all(T& value) const {
    std::string bytes;
    const cairn_status s = detail::read_bytes(bytes, [&](char* buffer, size_t capacity, size_t* needed) {
      return cairn_run_current_msgpack(handle_.get(), buffer, capacity, needed, nullptr);
    });
    return s == CAIRN_OK ? detail::from_msgpack(bytes, "", value) : s;
  }

  std::unique_ptr<cairn_run, detail::CloseRun> handle_;
};

}  // namespace cairn

#endif  // CAIRN_RUN_H
